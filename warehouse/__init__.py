"""The DuckDB warehouse: settings, raw tables, landing of files, published snapshots.

The lowest layer: knows tables and files, imports nothing of the crawl, the models or
the orchestration. Import the concrete submodules; this package does nothing on import.
"""
