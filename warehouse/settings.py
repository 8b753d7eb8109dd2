"""Where everything is and how it runs: the only reader of the environment.

All state lives below one folder, ``SLUTPRIS_DATA``. Nothing here touches the disk.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from warehouse.errors import SlutprisError

PROJECT_ROOT = Path(__file__).resolve().parents[1]

PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("https_proxy", "http_proxy", "all_proxy", "no_proxy"),
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY"),
)
"""Variables a process that is walled off from our environment still needs."""


class Settings(BaseSettings):
    """Settings of one process, read from the environment with sane defaults."""

    model_config = SettingsConfigDict(populate_by_name=True, frozen=True)

    data_dir: Annotated[Path, Field(alias="SLUTPRIS_DATA")] = PROJECT_ROOT / "data"
    """The folder of all state: warehouse, snapshots, registry, Dagster's home."""

    synthetic_data_dir: Annotated[
        Path | None, Field(alias="SLUTPRIS_SYNTHETIC_DATA")
    ] = None
    """A second data folder, with the synthetic market, that the monitoring page can
    switch to; ``synthetic`` in the data folder unless set."""

    booli_base_url: Annotated[str, Field(alias="BOOLI_BASE_URL")] = (
        "https://www.booli.se"
    )
    """The site the spider crawls; the bundled replica's address in the demo."""

    contact: Annotated[str, Field(alias="SLUTPRIS_CONTACT")] = ""
    """Whom the crawled site can write to: an address or a page, in the user agent."""

    threads: Annotated[int, Field(alias="SLUTPRIS_THREADS", ge=1)] = os.cpu_count() or 1
    """Threads of DuckDB, XGBoost and AutoGluon (oversubscription costs tenfold)."""

    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(alias="SLUTPRIS_DEVICE")
    ] = "auto"
    """Where XGBoost trains; ``auto`` is the GPU where there is one."""

    autogluon_time_limit_s: Annotated[
        int, Field(alias="SLUTPRIS_AUTOGLUON_TIME_LIMIT_S", ge=1)
    ] = 60
    """Seconds AutoGluon may train, each time it is fitted."""

    geocoder: Annotated[
        Literal["embedded", "nominatim"], Field(alias="SLUTPRIS_GEOCODER")
    ] = "embedded"
    """Who places addresses: the gazetteer in the warehouse, or a Nominatim server."""

    nominatim_url: Annotated[str, Field(alias="SLUTPRIS_NOMINATIM_URL")] = ""
    """The root of the Nominatim server; needed when it is the geocoder."""

    nominatim_connections: Annotated[
        int, Field(alias="SLUTPRIS_NOMINATIM_CONNECTIONS", ge=1)
    ] = 4
    """Requests to Nominatim at a time; the public server always gets one."""

    nominatim_requests_per_s: Annotated[
        float, Field(alias="SLUTPRIS_NOMINATIM_REQUESTS_PER_S", ge=0)
    ] = 0
    """At most so many a second; 0 sets no limit. The public server gets one at most."""

    nominatim_cache_days: Annotated[
        float, Field(alias="SLUTPRIS_NOMINATIM_CACHE_DAYS", ge=0)
    ] = 30
    """Days an answer is still used after the server's data have changed."""

    forward_log: Annotated[bool, Field(alias="SLUTPRIS_FORWARD_LOG")] = True
    """Whether valuations are kept, to be scored when the home is sold."""

    forward_log_match_days: Annotated[
        int, Field(alias="SLUTPRIS_FORWARD_LOG_MATCH_DAYS", ge=1)
    ] = 180
    """Days after a valuation within which a sale is taken to judge it."""

    feature_backend: Annotated[
        Literal["embedded", "hopsworks"], Field(alias="FEATURE_BACKEND")
    ] = "embedded"
    """Where features and models are published to: files in the data folder, or a
    Hopsworks cluster, which then needs the settings below."""

    hopsworks_host: Annotated[str, Field(alias="HOPSWORKS_HOST")] = ""
    """The cluster's host name, without scheme and port."""

    hopsworks_port: Annotated[int, Field(alias="HOPSWORKS_PORT", ge=1, le=65535)] = 443
    """The port of the cluster's REST interface (HTTPS)."""

    hopsworks_project: Annotated[str, Field(alias="HOPSWORKS_PROJECT")] = ""
    """The project in the cluster that everything is published to."""

    hopsworks_api_key: Annotated[SecretStr, Field(alias="HOPSWORKS_API_KEY")] = (
        SecretStr("")
    )
    """An API key of that project; never written anywhere."""

    hopsworks_trust_store_path: Annotated[
        Path | None, Field(alias="HOPSWORKS_TRUST_STORE_PATH")
    ] = None
    """A PEM file of the authorities that sign the cluster's certificate; the system's
    when not set. The certificate is always verified."""

    hopsworks_write_mode: Annotated[
        Literal["delta", "stream"], Field(alias="HOPSWORKS_WRITE_MODE")
    ] = "delta"
    """How rows get there: straight into the Delta table (needs the cluster's name and
    data nodes), or through Kafka and a job (needs its brokers)."""

    hopsworks_deadline_s: Annotated[
        float, Field(alias="HOPSWORKS_DEADLINE_S", gt=0)
    ] = 120
    """Seconds a question to the cluster may take in all: login, repeats and answer."""

    hopsworks_transfer_deadline_s: Annotated[
        float, Field(alias="HOPSWORKS_TRANSFER_DEADLINE_S", gt=0)
    ] = 1800
    """Seconds that moving rows, files or a model may take in all."""

    hopsworks_serving_deadline_s: Annotated[
        float, Field(alias="HOPSWORKS_SERVING_DEADLINE_S", gt=0)
    ] = 30
    """Seconds a valuation may wait for news of its model before it uses the copy."""

    hopsworks_lock_wait_s: Annotated[
        float, Field(alias="HOPSWORKS_LOCK_WAIT_S", ge=0)
    ] = 300
    """Seconds to wait for another publisher to the same project."""

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - as its base
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SlutprisError(_explained(error)) from error

    @cached_property
    def data(self) -> Path:
        """The data folder, absolute: a relative one means three different files."""
        return self.data_dir.expanduser().resolve()

    @property
    def synthetic_data(self) -> Path:
        """The data folder of the synthetic market beside this one, absolute."""
        return (
            (self.synthetic_data_dir or self.data / "synthetic").expanduser().resolve()
        )

    def over(self, data_dir: Path) -> Settings:
        """Give the same settings over another data folder."""
        return Settings(**self.model_dump() | {"data_dir": data_dir})

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file; its schemas are raw, staging, intermediate and marts."""
        return self.data / "warehouse.duckdb"

    @property
    def serving_dir(self) -> Path:
        """Published snapshots; ``current`` points at the one to read."""
        return self.data / "serving"

    @property
    def registry_dir(self) -> Path:
        """The embedded model registry."""
        return self.data / "registry"

    @property
    def feature_store_path(self) -> Path:
        """The embedded feature store, a DuckDB file of its own."""
        return self.data / "feature_store.duckdb"

    @property
    def fetched_models_dir(self) -> Path:
        """Verified copies of models fetched from the cluster, a registry like ours."""
        return self.data / "models_fetched"

    @property
    def shared_files_dir(self) -> Path:
        """Files published by name, when the backend is embedded."""
        return self.data / "shared_files"

    @property
    def hopsworks_dir(self) -> Path:
        """The lock that this machine's publishers to Hopsworks take turns by."""
        return self.data / "hopsworks"

    @property
    def nominatim_cache_path(self) -> Path:
        """What the Nominatim server has answered, an SQLite file."""
        return self.data / "nominatim.sqlite"

    @property
    def forward_log_dir(self) -> Path:
        """Valuations as they were made, one append-only file a day."""
        return self.data / "valuations"

    @property
    def hedonics_dir(self) -> Path:
        """What the hedonic regression found, month by month; made again when lost."""
        return self.data / "hedonics"

    @property
    def dagster_home(self) -> Path:
        """Dagster's run storage and event log."""
        return self.data / "dagster"

    @property
    def reports_dir(self) -> Path:
        """Backtest tables and plots of the latest pipeline run."""
        return self.data / "reports"


def environment_for_child(home: Path, code: Path) -> dict[str, str]:
    """Give a clean environment for a process that is to know nothing of ours.

    Parameters
    ----------
    home
        Its home and the folder of its temporary files.
    code
        Where Python finds our packages.
    """
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(code),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TQDM_DISABLE": "1",
    }


def _explained(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))} is {problem['input']!r}: "
        f"{problem['msg']}; set it in the environment"
        for problem in error.errors()
    )
