"""A bundled replica of booli.se, with the difficulties of the real site.

The replica is an independent witness of what the site serves: it is written from
captured pages and shares no code with the spider, the page objects or the models.
``python -m scrapy_project.replica`` serves a synthetic market, or the sales of a
Parquet file.

It answers:

- ``/sok/slutpriser?...`` and ``/slutpriser?...``: sold homes, 35 a page; ``/slutpriser/
  <slug>/<id>`` leads there (307);
- ``/bostad/<id>``, ``/annons/<id>``, ``/lagfart/-<id>``: a home, a sale, a deed;
  ``/bostadsrattsforening/<id>``: a co-operative;
- ``/_next/data/<build>/sv/...``: a page's data alone, for its own build only;
- ``POST /graphql``: agencies and a home's history, which no page holds;
- ``/robots.txt``; everything else is not found, in the site's own words;
- ``/__replica__/mode``, ``change``, ``truth.jsonl``, ``log``: see ``control``.

It wears the releases of 2023-06, 2023-12, 2025-10 and 2026-06, and one that nobody
captured (``shapes``); refuses as the real site did (``limits``); grows while somebody
pages (``drift``); and changes between two crawls (``changes``). What was captured by
nobody and is filled in by us is marked as assumed, or ``[A]``, where it stands.

Not to be learnt here, because nobody outside knows it or it is decided anew each time:

- the real site's thresholds, and how long it asks to wait;
- its real robots.txt, of which only a second-hand account exists, and its terms;
- whether Cloudflare or another guard lets a given client in at all;
- how complete fee, agency and other fields are on sales older than a year;
- the scripts, styles and pictures of a page, and any reader's own session.
"""
