"""Dagster: every arrow of the data flow drawn as an asset, and nothing else.

An asset's body reads settings, calls one of our functions, and reports what it made.
Import the concrete submodules; this package does nothing on import.
"""
