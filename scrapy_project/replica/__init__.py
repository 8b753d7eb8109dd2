"""A bundled replica of booli.se, in the shape the site had in June 2026.

The replica is an independent witness of what the site serves: it is written from
captured pages alone and shares no code with the spider, the page objects or the models.
Start it with ``python -m scrapy_project.replica``. It serves a synthetic market, or the
sales of a Parquet file. Rate limits, challenges, drift while paging and the site's other
shapes do not belong to it yet.
"""
