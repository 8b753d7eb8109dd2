"""From a Swedish street address to a place on the map, with how sure we are.

What belongs here: the gazetteer in DuckDB, how addresses are read and matched, and
the geocoders behind one protocol. What does not: features made from places (dbt).
"""
