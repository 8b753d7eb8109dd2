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
    found = hedonics_of(sales, settings).features_of_sales(watch)
    return with_features(sales, found.reindex(sales["sale_id"]))


def hedonics_of(sales: pd.DataFrame, settings: Settings) -> Hedonics:
    """Make hedonics of sales, with what earlier processes kept of them."""
    return Hedonics(sales, KeptArrays(settings.hedonics_dir))


def described(homes: pd.DataFrame, hedonics: Hedonics) -> pd.DataFrame:
    """Add the hedonic features of homes, as of their days."""
    return with_features(homes, hedonics.features(homes))


def with_features(homes: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Put features beside homes, by position."""
    return pd.concat([homes, found.set_axis(homes.index)], axis=1)
