# Webserver, daemon and dashboards from one image; compose.yaml says which is which.
FROM python:3.11-slim

# OpenMP for XGBoost and LightGBM.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/slutpris

# Before the code, so that a changed line of code does not install everything anew.
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --no-index -e . \
    && useradd --system --uid 10001 --home-dir /var/lib/slutpris --create-home slutpris \
    && mkdir -p /var/backups/slutpris \
    && chown slutpris:slutpris /var/backups/slutpris

USER slutpris

# The volume is mounted on the folder above: a data folder is restored by a rename.
ENV SLUTPRIS_DATA=/var/lib/slutpris/data \
    DAGSTER_HOME=/opt/slutpris \
    DO_NOT_TRACK=1 \
    DAGSTER_DISABLE_TELEMETRY=1 \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    NO_VERSION_CHECK=1 \
    OMP_WAIT_POLICY=PASSIVE \
    PYTHONUNBUFFERED=1
