"""Scrapy's settings: polite to the real site, quiet for a person at the keyboard.

What does not belong here: where site and warehouse are (``warehouse.settings``).
"""

BOT_NAME = "slutpris"
SPIDER_MODULES = ["scrapy_project.spiders"]
COMMANDS_MODULE = "scrapy_project.commands"

ADDONS = {"scrapy_poet.Addon": 300}

# Politeness. One request at a time, and none waiting inside the downloader: what sits
# there would still be sent after a challenge, or during a Retry-After.
USER_AGENT = "slutpris/0.1 (research on sold prices of apartments; one slow connection)"
ROBOTSTXT_OBEY = True
CONCURRENT_REQUESTS = 1
CONCURRENT_REQUESTS_PER_DOMAIN = 1
DOWNLOAD_DELAY = 2
DOWNLOAD_DELAY_JITTER = 0.5
# The second line: it follows latency only, and never goes below DOWNLOAD_DELAY.
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 2
AUTOTHROTTLE_TARGET_CONCURRENCY = 0.5
AUTOTHROTTLE_MAX_DELAY = 120
DOWNLOAD_TIMEOUT = 60
# Scrapy starts so many tasks for every page; no item of ours waits in a pipeline.
CONCURRENT_ITEMS = 2
# 429 is not among them: a retry at once is what the site asks us not to do.
RETRY_HTTP_CODES = [500, 502, 503, 504, 522, 524, 408]
DEFAULT_REQUEST_HEADERS = {"Accept": "text/html", "Accept-Language": "sv"}

# A site on this machine is the bundled replica: there is nobody to be polite to.
LOOPBACK_SETTINGS = {
    "CONCURRENT_REQUESTS": 8,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
    "DOWNLOAD_DELAY": 0,
    "AUTOTHROTTLE_ENABLED": False,
}

DOWNLOADER_MIDDLEWARES = {
    # Nearest to the site but for decompression (590): nobody else sees a challenge, and
    # nobody retries a 429.
    "scrapy_project.middlewares.ChallengeMiddleware": 585,
    "scrapy_project.middlewares.RetryAfterMiddleware": 580,
}
# Not needed for a crawl of known paths; each costs time on every page.
SPIDER_MIDDLEWARES = {
    "scrapy.spidermiddlewares.urllength.UrlLengthMiddleware": None,
    "scrapy.spidermiddlewares.depth.DepthMiddleware": None,
}
METAREFRESH_ENABLED = False
EXTENSIONS = {
    "scrapy_project.extensions.Progress": 500,
    "scrapy.extensions.logstats.LogStats": None,
    "scrapy.extensions.memusage.MemoryUsage": None,
}
PROGRESS_INTERVAL_S = 5

# First come, first served: pages of one window arrive together, newest homes first.
SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"
SCHEDULER_DISK_QUEUE = "scrapy.squeues.PickleFifoDiskQueue"

# Off: pages need no cookies, and without them no list of domains is downloaded.
COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
LOG_LEVEL = "INFO"
LOG_VERSIONS: list[str] = []
