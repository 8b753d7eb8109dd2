"""A bundled replica of booli.se, in the shape the site had in June 2026.

The replica is an independent witness of what the site serves: it is written from
captured pages and shares no code with the spider, the page objects or the models.
Start it with ``python -m scrapy_project.replica``. It serves a synthetic market, or
the sales of a Parquet file. It knows no rate limits, challenges or drift while paging,
and no other shape of the site.
"""
