"""What is measured against: geopy, one address at a time, as a program of its own.

Run by the Python of ``.nominatim``: ``python geopy_one_at_a_time.py HOST:PORT FILE``,
FILE a JSON list of addresses. Prints the seconds it took and how many were answered.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from geopy.geocoders import Nominatim


def main() -> None:
    """Ask for every address, and print one JSON line."""
    host, file = sys.argv[1:]
    addresses = json.loads(Path(file).read_text(encoding="utf-8"))
    server = Nominatim(
        user_agent="slutpris benchmark", domain=host, scheme="http", timeout=60
    )
    start = time.perf_counter()
    places = [server.geocode(address, country_codes="se") for address in addresses]
    seconds = time.perf_counter() - start
    answered = sum(place is not None for place in places)
    sys.stdout.write(json.dumps({"s": seconds, "answered": answered}) + "\n")


if __name__ == "__main__":
    main()
