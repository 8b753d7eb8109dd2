"""A fake Hopsworks cluster for tests, driven by the unmodified real client.

It speaks the protocol of Hopsworks 5.2 as far as this project uses it: REST over HTTPS,
Arrow Flight over mutual TLS, Kafka by the broker mock inside librdkafka. A test starts
it with `FakeCluster`; it runs in a process of its own and keeps its state in a folder.

The modules: `cluster` (what a test holds), `__main__` (the server process), `tls`,
`state`, `faults`, `routing` (HTTP), `*_routes` (REST by area), `schemas`, `delta` and
`query` (rows), `flight`, `kafka`. Where it is not known what a real server answers, a
comment says "assumed".
"""

from fake_hopsworks.cluster import FakeCluster
from fake_hopsworks.faults import Fault

__all__ = ["FakeCluster", "Fault"]
