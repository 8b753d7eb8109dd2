"""Where everything is and how it runs: the only reader of the environment.

All state lives below one folder, ``SLUTPRIS_DATA``. Nothing here touches the disk.
"""

from __future__ import annotations

import os
from datetime import date
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

    retrain_days: Annotated[int, Field(alias="SLUTPRIS_RETRAIN_DAYS", ge=0)] = 7
    """A model is trained again when the newest sale is so many days after the newest
    it has learnt from; 0 is whenever a sale was added or changed."""

    retrain_rows_pct: Annotated[
        float, Field(alias="SLUTPRIS_RETRAIN_ROWS_PCT", ge=0)
    ] = 5
    """The same when the number of sales has changed by more than this."""

    retrain_bias_pct: Annotated[
        float, Field(alias="SLUTPRIS_RETRAIN_BIAS_PCT", ge=0)
    ] = 3
    """The same when its mean error on the last month's sales, of those sold since it
    was trained, is above this, upwards or downwards."""

    gate_months: Annotated[int, Field(alias="SLUTPRIS_GATE_MONTHS", ge=1)] = 3
    """Months of sales, back from the newest, that a new version is judged on."""

    gate_sales: Annotated[int, Field(alias="SLUTPRIS_GATE_SALES", ge=1)] = 200
    """Where those months hold fewer sales, judging reaches further back for so many."""

    gate_min_sales: Annotated[int, Field(alias="SLUTPRIS_GATE_MIN_SALES", ge=1)] = 100
    """Fewest sales, valued by all that are compared, to promote a version on."""

    gate_coverage_low_pct: Annotated[
        float, Field(alias="SLUTPRIS_GATE_COVERAGE_LOW_PCT", ge=0, le=100)
    ] = 85
    """Least share of prices within the range of 90 %."""

    gate_coverage_high_pct: Annotated[
        float, Field(alias="SLUTPRIS_GATE_COVERAGE_HIGH_PCT", ge=0, le=100)
    ] = 95
    """Greatest share of prices within the range of 90 %."""

    gate_cod_low: Annotated[float, Field(alias="SLUTPRIS_GATE_COD_LOW", ge=0)] = 0
    """Least coefficient of dispersion. IAAO's 5 hints at values set after prices, which
    held-out sales rule out; set it to 5 to be warned all the same."""

    gate_cod_high: Annotated[float, Field(alias="SLUTPRIS_GATE_COD_HIGH", ge=0)] = 15
    """Greatest coefficient of dispersion (IAAO)."""

    gate_prd_low: Annotated[float, Field(alias="SLUTPRIS_GATE_PRD_LOW")] = 0.98
    """Least price-related differential (IAAO)."""

    gate_prd_high: Annotated[float, Field(alias="SLUTPRIS_GATE_PRD_HIGH")] = 1.03
    """Greatest price-related differential (IAAO)."""

    gate_prb: Annotated[float, Field(alias="SLUTPRIS_GATE_PRB", ge=0)] = 0.05
    """Greatest coefficient of price-related bias, upwards or downwards (IAAO)."""

    gate_bias_pct: Annotated[float, Field(alias="SLUTPRIS_GATE_BIAS_PCT", ge=0)] = 3
    """Greatest mean error in percent, upwards or downwards."""

    gate_slice_margin_pct: Annotated[
        float, Field(alias="SLUTPRIS_GATE_SLICE_MARGIN_PCT", ge=0)
    ] = 2
    """Percentage points by which the median error of a district, a size or a tenth of
    prices may be above the champion's."""

    gate_slice_sales: Annotated[int, Field(alias="SLUTPRIS_GATE_SLICE_SALES", ge=1)] = (
        50
    )
    """Fewest sales of a district, size or tenth of prices that is looked at."""

    gate_own_log_ratio: Annotated[
        float, Field(alias="SLUTPRIS_GATE_OWN_LOG_RATIO", ge=0)
    ] = 0.1
    """How far the files that would serve may be from what was judged, on the middle
    sale: the absolute log of one value over the other."""

    gate_own_mape_pct: Annotated[
        float, Field(alias="SLUTPRIS_GATE_OWN_MAPE_PCT", ge=0)
    ] = 1
    """Percentage points by which their mean error on sales they have learnt may be
    above that on sales unseen."""

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

    nightly: Annotated[Literal["on", "off"], Field(alias="SLUTPRIS_NIGHTLY")] = "off"
    """Whether the nightly run's schedule is on as soon as Dagster's daemon runs; one
    turned on or off in Dagster's pages stays as it was turned."""

    nightly_hour: Annotated[int, Field(alias="SLUTPRIS_NIGHTLY_HOUR", ge=0, le=23)] = 3
    """The hour at which the night begins, on the Swedish clock."""

    nightly_backtest_months: Annotated[
        int, Field(alias="SLUTPRIS_NIGHTLY_BACKTEST_MONTHS", ge=1)
    ] = 6
    """Whole months, up to the last one, that the night's backtest tests."""

    crawl_from: Annotated[date, Field(alias="SLUTPRIS_CRAWL_FROM")] = date(2012, 1, 1)
    """The first sold date that the night sees to it has landed."""

    crawl_yield_least_share: Annotated[
        float, Field(alias="SLUTPRIS_CRAWL_YIELD_LEAST_SHARE", ge=0, le=1)
    ] = 0.5
    """Of the median night of the same weekday: fewer cards than this are too few."""

    crawl_yield_fewest_nights: Annotated[
        int, Field(alias="SLUTPRIS_CRAWL_YIELD_FEWEST_NIGHTS", ge=1)
    ] = 3
    """Earlier nights of the same weekday, below which no yield is judged."""

    rejected_jump_pct: Annotated[
        float, Field(alias="SLUTPRIS_REJECTED_JUMP_PCT", ge=0, le=100)
    ] = 10
    """Points that the share of rejected sales may rise by, of a rule or a district."""

    rejected_block_pct: Annotated[
        float, Field(alias="SLUTPRIS_REJECTED_BLOCK_PCT", ge=0, le=100)
    ] = 50
    """The share of rejected sales, of all or of a district, from which on nothing is
    trained or published."""

    district_price_factor: Annotated[
        float, Field(alias="SLUTPRIS_DISTRICT_PRICE_FACTOR", gt=1)
    ] = 3
    """How far a district's median price may move from the year before; beyond it,
    either way, nothing is trained or published."""

    bias_limit_pct: Annotated[float, Field(alias="SLUTPRIS_BIAS_LIMIT_PCT", gt=0)] = 5
    """How far the champion's values may lie off on average in the last month."""

    drift_limit_psi: Annotated[float, Field(alias="SLUTPRIS_DRIFT_LIMIT_PSI", gt=0)] = (
        0.25
    )
    """The stability index from which on the drift of an important feature is told."""

    drift_least_importance_pct: Annotated[
        float, Field(alias="SLUTPRIS_DRIFT_LEAST_IMPORTANCE_PCT", ge=0, le=100)
    ] = 3
    """The share of what moves values that makes a feature important."""

    alert_webhook: Annotated[SecretStr, Field(alias="SLUTPRIS_ALERT_WEBHOOK")] = (
        SecretStr("")
    )
    """The address that alerts are posted to as JSON, with Slack's field ``text``; none
    are when it is empty. Its path is often a secret: it is never written anywhere."""

    alert_mail_to: Annotated[str, Field(alias="SLUTPRIS_ALERT_MAIL_TO")] = ""
    """Whom alerts are mailed to, with commas between; nobody when it is empty."""

    alert_mail_from: Annotated[str, Field(alias="SLUTPRIS_ALERT_MAIL_FROM")] = (
        "slutpris@localhost"
    )
    """The sender of mailed alerts."""

    smtp_host: Annotated[str, Field(alias="SLUTPRIS_SMTP_HOST")] = "localhost"
    """The mail server that takes alerts."""

    smtp_port: Annotated[int, Field(alias="SLUTPRIS_SMTP_PORT", ge=1, le=65535)] = 25
    """Its port: 25, 587 with STARTTLS, or 465 with TLS."""

    smtp_security: Annotated[
        Literal["none", "starttls", "tls"], Field(alias="SLUTPRIS_SMTP_SECURITY")
    ] = "none"
    """How the way to the mail server is sealed; its certificate is then verified."""

    smtp_user: Annotated[str, Field(alias="SLUTPRIS_SMTP_USER")] = ""
    """The name to log in to the mail server with; no login when it is empty."""

    smtp_password: Annotated[SecretStr, Field(alias="SLUTPRIS_SMTP_PASSWORD")] = (
        SecretStr("")
    )
    """The password of that name; never written anywhere."""

    alert_repeat_hours: Annotated[
        float, Field(alias="SLUTPRIS_ALERT_REPEAT_HOURS", gt=0)
    ] = 24
    """Hours until a problem that lasts is told again."""

    alert_timeout_s: Annotated[float, Field(alias="SLUTPRIS_ALERT_TIMEOUT_S", gt=0)] = (
        10
    )
    """Seconds that sending one alert may take."""

    runbook: Annotated[str, Field(alias="SLUTPRIS_RUNBOOK")] = "docs/runbook.md"
    """Where alerts and checks say that their repair stands: a path or an address."""

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
    def champions_dir(self) -> Path:
        """The logs that say which version of each model serves, and why."""
        return self.data / "champions"

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
    def alerts_path(self) -> Path:
        """Which problems have been told, and what is still to be sent."""
        return self.data / "alerts.json"

    @property
    def backups_dir(self) -> Path:
        """Copies of all state, unless another folder is named."""
        return self.data / "backups"

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
