"""Commands that replace Scrapy's own of the same name."""
