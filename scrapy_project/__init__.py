"""The crawl: spiders, page objects, items, and the bundled replica of the site.

Imports ``warehouse`` only. Page objects (``pages``) hold no crawling code; the replica
imports nothing of the spider, so that it stays an independent witness.
"""
