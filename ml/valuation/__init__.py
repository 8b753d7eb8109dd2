"""Valuing apartments: features, models, metrics and how well they do.

Everything that knows about housing lives here. Reads contracted marts or a published
snapshot, never a raw table. Import the concrete submodules; this does nothing itself.
"""
