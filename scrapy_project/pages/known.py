"""Names the site is known to use: what stands here is understood or left alone.

A name outside these sets is counted by the page that meets it, because every change of
the site so far began with one. Each set holds what captured pages and notes of 2021 to
2026 show. What does not belong here: how a value is read (``quantities``).
"""

from __future__ import annotations

ROOT_KEYS = frozenset(
    {
        "__typename",
        # Read.
        "searchSold", "propertyByResidenceId", "propertyByListingId",
        # Left alone: offers, settings and texts beside the results.
        "searchForSale", "propertySearchMeta", "areasById", "areaInfo",
        # Left alone: asked for after the page has loaded, so a saved page can hold it.
        "salesOfProperty", "areaSuggestionSearch", "getHousingCoopSold",
    }
)  # fmt: skip

SALE_TYPE = "SoldProperty"
SOLD_TYPES = frozenset({SALE_TYPE, "ResidenceWithSoldProperty"})
FOR_SALE_TYPES = frozenset({"Listing", "ResidenceForSale"})
HOME_TYPES = SOLD_TYPES | FOR_SALE_TYPES | {"Residence"}

FORMATTED_VALUE = "FormattedValue"
"""``FormattedValueV2`` of projects is another type, and not on any home or sale."""

VALUE_MEMBERS = frozenset({"__typename", "raw", "value", "unit", "formatted"})

SOLD_PRICE_TYPES = frozenset({"Slutpris", "Sista bud", "Lagfart"})

INFO_POINTS = frozenset(
    {
        "soldPrice", "price", "soldOrRemovedDate", "soldDate", "tenureForm", "rent",
        "operatingCost", "floor", "apartmentNumber", "energyScore", "daysActive",
    }
)  # fmt: skip
UNREAD_INFO_POINTS = frozenset(
    {"priceDiff", "soldSqmPrice", "soldInfoReadMore", "pageviews"}
)
"""Left alone: also on the card, or not about the home."""
