"""Page objects: from one served page to items. No request is made here.

``next_data`` reads the envelope and the Apollo cache, ``search`` and ``listing`` the
two kinds of page. Nothing imports Scrapy, so a saved page reads like a crawled one.
"""
