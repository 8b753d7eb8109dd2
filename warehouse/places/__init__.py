"""Places of a user's own: district polygons (GeoJSON) and stations (GTFS).

Import the modules; nothing is imported here. Run ``python -m warehouse.places FILE``.
"""
