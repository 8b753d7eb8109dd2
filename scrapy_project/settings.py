"""Scrapy's settings: polite to the real site, quiet for a person at the keyboard.

What does not belong here: where site and warehouse are (``warehouse.settings``).
"""

from warehouse.settings import Settings

BOT_NAME = "slutpris"
SPIDER_MODULES = ["scrapy_project.spiders"]
COMMANDS_MODULE = "scrapy_project.commands"

ADDONS = {"scrapy_poet.Addon": 300}

# Politeness. Who asks, and whom to write to: SLUTPRIS_CONTACT is an address or a page.
CONTACT = Settings().contact
USER_AGENT = (
    "slutpris/0.1 (research on sold prices of apartments; one slow connection"
    f"{'; ' if CONTACT else ''}{CONTACT})"
)
ROBOTSTXT_USER_AGENT = BOT_NAME
ROBOTSTXT_OBEY = True
# One request at a time, and none waiting inside the downloader: what is under way is
# still answered after a challenge, or during a Retry-After.
CONCURRENT_REQUESTS = 1
CONCURRENT_REQUESTS_PER_DOMAIN = 1
DOWNLOAD_DELAY = 2
DOWNLOAD_DELAY_JITTER = 0.5
# The second line: it follows latency only, and never goes below DOWNLOAD_DELAY. What
# RetryAfterMiddleware learnt from a 429 it cannot undo.
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 2
AUTOTHROTTLE_TARGET_CONCURRENCY = 0.5
AUTOTHROTTLE_MAX_DELAY = 120
# The hours in which to ask, on the Swedish clock, such as "22-06" for a backfill at
# night; "" is at any hour.
CRAWL_HOURS = ""
DOWNLOAD_TIMEOUT = 60
# Scrapy starts so many tasks for every page; no item of ours waits in a pipeline.
CONCURRENT_ITEMS = 2
# 429 is not among them: a retry at once is what the site asks us not to do.
RETRY_HTTP_CODES = [500, 502, 503, 504, 522, 524, 408]
DEFAULT_REQUEST_HEADERS = {"Accept": "text/html", "Accept-Language": "sv"}

# A site on this machine is the bundled replica: there is nobody to be polite to. Its
# limits hold all the same, so one request at a time here too.
LOOPBACK_SETTINGS = {
    "DOWNLOAD_DELAY": 0,
    "AUTOTHROTTLE_ENABLED": False,
}

DOWNLOADER_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "scrapy_project.middlewares.RobotsMiddleware": 100,
    # Before retries (550), after decompression (590): nobody else sees a challenge.
    "scrapy_project.middlewares.ChallengeMiddleware": 585,
    # Nearest to the downloader but for the statistics (850), which count every 429.
    "scrapy_project.middlewares.RetryAfterMiddleware": 840,
}
# Not needed for a crawl of known paths; each costs time on every page.
SPIDER_MIDDLEWARES = {
    "scrapy.spidermiddlewares.urllength.UrlLengthMiddleware": None,
    "scrapy.spidermiddlewares.depth.DepthMiddleware": None,
}
METAREFRESH_ENABLED = False
EXTENSIONS = {
    "scrapy_project.extensions.Progress": 500,
    "spidermon.contrib.scrapy.extensions.Spidermon": 500,
    "scrapy.extensions.logstats.LogStats": None,
    "scrapy.extensions.memusage.MemoryUsage": None,
}
PROGRESS_INTERVAL_S = 5

# Spidermon counts how many items have each field; the spider runs the suite, before the
# statistics land (``monitors``).
SPIDERMON_ENABLED = True
SPIDERMON_ADD_FIELD_COVERAGE = True
SPIDERMON_FIELD_COVERAGE_SKIP_NONE = True
SPIDERMON_FIELD_COVERAGE_SKIP_FALSY = False
SPIDERMON_FIELD_COVERAGE_SKIP_VALUES: list[object] = ["", []]

# First come, first served: pages of one window arrive together, newest homes first.
SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"
SCHEDULER_DISK_QUEUE = "scrapy.squeues.PickleFifoDiskQueue"

# Off: pages need no cookies, and without them no list of domains is downloaded.
COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
LOG_LEVEL = "INFO"
LOG_VERSIONS: list[str] = []
