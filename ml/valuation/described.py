"""Sales with all that models read of them: the mart's columns and the hedonic ones.

What belongs here: joining the two. What does not: the mart (dbt's), and how hedonic
features are found (``ml.valuation.hedonic``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml.valuation.features import read_sale_features
from ml.valuation.hedonic.hedonics import Hedonics
from ml.valuation.hedonic.kept import KeptArrays
from ml.valuation.hedonic.masked import masked_features_of_sales

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    import duckdb

    from warehouse.settings import Settings


def read_described_sales(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    *,
    before: date | None = None,
    watch: Callable[[pd.Timestamp], None] = lambda _month: None,
) -> pd.DataFrame:
    """Rows of ``marts.sale_features`` with their hedonic features, oldest first.

    The first time this takes seconds for every ten thousand sales; months of which
    nothing has changed are then read from ``settings.hedonics_dir``.

    Parameters
    ----------
    connection
        To the warehouse, or to a published snapshot.
    settings
        Where hedonic features are kept.
    before
        Only sales sold before this day; all of them when None.
    watch
        Called before each month, oldest first.

    Raises
    ------
    SlutprisError
        When the mart is not built.
    """
    sales = read_sale_features(connection, before=before)
    return described_sales(sales, hedonics_of(sales, settings), watch)


def described_sales(
    sales: pd.DataFrame,
    hedonics: Hedonics,
    watch: Callable[[pd.Timestamp], None] = lambda _month: None,
) -> pd.DataFrame:
    """Add to the sales that hedonics were made of what models learn from.

    That is their hedonic features and, of about a quarter of them, those of a stranger:
    see ``hedonic.masked``.
    """
    own = hedonics.features_of_sales(watch).reindex(sales["sale_id"])
    masked = masked_features_of_sales(hedonics).reindex(sales["sale_id"])
    return with_features(with_features(sales, own), masked)


def hedonics_of(sales: pd.DataFrame, settings: Settings) -> Hedonics:
    """Make hedonics of sales, with what earlier processes kept of them."""
    return Hedonics(sales, KeptArrays(settings.hedonics_dir))


def described(homes: pd.DataFrame, hedonics: Hedonics) -> pd.DataFrame:
    """Add the hedonic features of homes, as of their days."""
    return with_features(homes, hedonics.features(homes))


def with_features(homes: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Put features beside homes, by position."""
    return pd.concat([homes, found.set_axis(homes.index)], axis=1)
