"""The releases of the site the replica can wear, and what each of them changed.

One table: read ``_RELEASES`` from top to bottom to see at a glance what moved between
two releases. ``[A]`` marks what nobody captured. How a sale is written down in a shape
belongs to ``cards``, ``roots`` and ``info_sections``; all shapes carry the same facts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

_CARD_CONTEXT = '({"queryContext":"SERP_LIST_LISTING"})'
_LISTING_CONTEXT = '({"queryContext":"PROPERTY_PAGE_LISTING"})'


class Facts(Enum):
    """Where a release keeps area, rooms, floor, dates and energy class."""

    FIELDS = "fields of the entity"
    TEXTS = "display texts: data points on a card, info points on a listing page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One release of the site."""

    name: str
    build_id: str
    card_facts: Facts
    card_arguments: str
    """What the names of a card's own fields carry."""
    listing_facts: Facts
    listing_arguments: str
    agency_arguments: str
    has_listing_attributes: bool
    """Whether a listing page has ``displayAttributes`` and ``priceInfo``."""
    has_tenure_form: bool
    """Whether the root says it; where it does not, an info point does."""
    has_inline_stubs: bool
    """Whether ``salesOfResidence`` holds stubs, or references to stubs."""
    has_residence_booli_id: bool
    """Whether ``booliId`` of a residence-type root is the residence's id."""
    has_text_ids: bool
    """Whether the arguments of the root query are texts, or numbers."""
    has_early_texts: bool
    """Whether ``½``, ``-12 %`` and ``-7.2%`` stand in texts."""
    is_known: bool = True


_2023_06 = Shape(
    name="2023-06",
    build_id="REPLICAbuild202306001",
    card_facts=Facts.FIELDS,
    card_arguments="",
    listing_facts=Facts.FIELDS,
    listing_arguments="",
    agency_arguments="",  # [A]
    has_listing_attributes=False,
    has_tenure_form=True,  # [A]
    has_inline_stubs=True,
    has_residence_booli_id=True,
    has_text_ids=True,  # [A]: texts in 2021, numbers in 2025
    has_early_texts=True,
)
_2023_12 = replace(
    _2023_06,
    name="2023-12",
    build_id="REPLICAbuild202312001",
    card_arguments=_CARD_CONTEXT,  # [A]: that arguments came first to these fields
    listing_arguments=_LISTING_CONTEXT,  # [A]
    agency_arguments=_LISTING_CONTEXT,  # [A]
    has_early_texts=False,  # [A]: they are known of 2022 and 2023
)
_2025_10 = replace(
    _2023_12,
    name="2025-10",
    build_id="REPLICAbuild202510001",
    card_facts=Facts.TEXTS,
    card_arguments="",
    listing_facts=Facts.TEXTS,
    listing_arguments="",
    has_tenure_form=False,
    has_inline_stubs=False,
    has_residence_booli_id=False,
    has_text_ids=False,
)
_2026_06 = replace(
    _2025_10,
    name="2026-06",
    build_id="REPLICAbuild000000001",
    card_arguments=_CARD_CONTEXT,
    listing_arguments=_LISTING_CONTEXT,
    has_listing_attributes=True,
    has_tenure_form=True,
)
_UNKNOWN = replace(
    _2026_06, name="unknown", build_id="REPLICAbuild202609001", is_known=False
)
"""As reported of September 2026 and captured by nobody; see ``unknown_shape``."""

_RELEASES = (_2023_06, _2023_12, _2025_10, _2026_06, _UNKNOWN)
SHAPES = {shape.name: shape for shape in _RELEASES}
DEFAULT_SHAPE = _2026_06
