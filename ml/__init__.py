"""Feature store, registry, valuation models and dashboards.

``registry`` and ``feature_store`` know nothing about housing; ``valuation`` does.
Reads the warehouse's contracted marts and the published snapshot, writes neither.
"""
