"""The real Hopsworks client in this process, logged in to a fake cluster.

Its import changes logging and warnings for the whole process, so only tests marked
`hopsworks` may call this.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from fake_hopsworks import FakeCluster


@contextmanager
def logged_in(cluster: FakeCluster, certificates: Path, **others: str) -> Generator:
    """The project as the client sees it; `others` replace settings of the login."""
    import hopsworks

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (cluster.env() | others).items():
            patch.setenv(name, value)
        patch.setenv("no_proxy", cluster.host)
        try:
            yield hopsworks.login(cert_folder=str(certificates))
        finally:
            hopsworks.logout()


def sales(count: int = 3) -> Any:
    """Rows with Swedish letters, missing whole numbers and a time."""
    import pandas as pd

    streets = ["Åsögatan", "Östermalmstorg", None]
    return pd.DataFrame(
        {
            "booli_id": range(1, count + 1),
            "sold_at": pd.date_range("2024-01-01", periods=count, freq="min"),
            "street": [streets[each % 3] for each in range(count)],
            "rooms": pd.array(
                [None if each % 3 == 1 else each for each in range(count)], "Int64"
            ),
            "price": [1.5e6 + each for each in range(count)],
        }
    )


def sales_group(project: Any, **others: Any) -> Any:
    """The feature group of the sales, made if it is not there."""
    return project.get_feature_store().get_or_create_feature_group(
        "sales",
        1,
        primary_key=["booli_id"],
        event_time="sold_at",
        statistics_config=False,
        **others,
    )
