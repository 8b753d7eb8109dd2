"""Publishing to a Hopsworks cluster: the ports' other implementation.

The vendor's client has no timeouts, keeps its state per process, prints, asks on stdin,
changes root logging and leaves certificates behind. So it lives in ``worker``, a
process of its own and the only code that imports it; everything else here asks that
process and ends it when an answer takes too long. Nothing here knows of housing.
"""
