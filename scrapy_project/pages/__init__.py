"""Page objects: from one served page to items. No request is made here.

``search`` and ``listing`` read the two kinds of page, the latter with ``info_points``.
They see a page only through ``next_data``, which trusts no type; ``quantities`` says
what a number or text can mean, ``known`` which names the site is known to use. Nothing
imports Scrapy, so a saved page reads like a crawled one.
"""
