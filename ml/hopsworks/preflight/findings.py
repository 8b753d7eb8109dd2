"""What the steps of a preflight know of a cluster, and what they found so far.

What belongs here: what one step finds and another needs. What does not: finding it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml.hopsworks.address import ClusterAddress
    from ml.hopsworks.cluster import Cluster
    from ml.hopsworks.preflight.rest import Rest


@dataclass
class Findings:
    """What is known; a step may read what the steps it comes after have set."""

    address: ClusterAddress | None = None
    cluster: Cluster | None = None
    rest: Rest | None = None
    project_id: int = 0
    server_version: str = ""
    client_version: str = ""
    group_locations: list[str] = field(default_factory=list)
    """Where the tables of the project's feature groups lie."""
    bootstrap_servers: str = ""
    survey: dict[str, Any] = field(default_factory=dict)
    """What the client read, as a recording keeps it."""

    @property
    def known_address(self) -> ClusterAddress:
        """The address, which the first step sets."""
        assert self.address is not None, "the settings are checked first"
        return self.address

    @property
    def known_cluster(self) -> Cluster:
        """The cluster, which the first step sets."""
        assert self.cluster is not None, "the settings are checked first"
        return self.cluster

    @property
    def known_rest(self) -> Rest:
        """The REST interface, which the first step sets."""
        assert self.rest is not None, "the settings are checked first"
        return self.rest
