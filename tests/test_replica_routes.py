"""The replica's side doors: page data as JSON, GraphQL, packed answers."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import brotli
import pytest
from running_replica import FLATS, Site, running

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD_ID = "REPLICAbuild000000001"
DATA = f"/_next/data/{BUILD_ID}/sv"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running("--sales-per-month", "4") as replica:
        yield replica


@pytest.fixture
def history(site: Site) -> list[dict[str, Any]]:
    """The sales of a home sold at least twice, newest first."""
    homes: dict[int, list[dict[str, Any]]] = {}
    for sale in site.truth():
        if sale["residence_id"] is not None:
            homes.setdefault(sale["residence_id"], []).append(sale)
    return next(sales for sales in homes.values() if len(sales) > 1)


def ask(site: Site, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    status, _, answer = site.send("/graphql", body)
    assert status == 200
    return json.loads(answer)


@pytest.mark.parametrize(
    ("page", "data"),
    [
        (
            f"/sok/slutpriser?{FLATS}&page=2",
            f"/sok/slutpriser.json?{FLATS}&page=2&searchType=slutpriser",
        ),
        ("{url}", "{url}.json"),
    ],
    ids=["search", "home"],
)
def test_page_data_is_what_the_page_holds(
    site: Site, history: list[dict[str, Any]], page: str, data: str
) -> None:
    url = history[0]["url"]
    status, headers, body = site.get(DATA + data.format(url=url))
    assert status == 200
    assert headers["content-type"] == "application/json"
    props = site.data(page.format(url=url))["props"]["pageProps"]
    assert json.loads(body) == {"pageProps": props, "__N_SSP": True}


def test_stale_build_gets_an_answer_that_is_no_json(site: Site) -> None:
    status, headers, body = site.get(
        f"/_next/data/yHBnVji5/sv/sok/slutpriser.json?{FLATS}"
    )
    assert status == 404
    assert headers["content-type"].startswith("text/html")
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(body)


def test_build_grows_stale_with_a_release(site: Site) -> None:
    path = f"{DATA}/sok/slutpriser.json?{FLATS}"
    site.control("mode", shape="2025-10")
    stale = site.get(path)[0]
    site.control("mode", shape="2026-06")
    assert (stale, site.get(path)[0]) == (404, 200)


def test_data_of_an_unknown_home_is_not_found(site: Site) -> None:
    status, _, body = site.get(f"{DATA}/bostad/1.json")
    assert (status, json.loads(body)) == (404, {"notFound": True})


def test_history_box_names_the_agency_of_each_sale(
    site: Site, history: list[dict[str, Any]]
) -> None:
    number = history[0]["residence_id"]
    query = "query($residenceId: ID) { salesOfProperty(residenceId: $residenceId) }"
    sales = ask(site, query, residenceId=str(number))["data"]["salesOfProperty"]
    assert [sale["booliId"] for sale in sales] == [str(s["booli_id"]) for s in history]
    assert [sale["soldPrice"]["raw"] for sale in sales] == [
        sale["sold_price_sek"] for sale in history
    ]
    names = [sale["agency"] and sale["agency"]["name"] for sale in sales]
    assert names == [sale["agency_name"] for sale in history]


def test_history_of_a_sale_without_a_home_is_found_by_its_id(site: Site) -> None:
    sale = next(sale for sale in site.truth() if "/annons/" in sale["url"])
    query = f"{{ salesOfProperty(booliId: {sale['booli_id']}) {{ id }} }}"
    (found,) = ask(site, query)["data"]["salesOfProperty"]
    assert found["url"] == sale["url"]


def test_history_is_nowhere_on_the_page(
    site: Site, history: list[dict[str, Any]]
) -> None:
    page = site.get(history[0]["url"])[2].decode()
    older = history[1]
    assert f'"raw":{older["sold_price_sek"]}' not in page
    assert older["sold_date"] not in page


def test_search_of_graphql_is_the_search_of_the_page(site: Site) -> None:
    given = {
        "areaId": "1",
        "page": 2,
        "filters": [{"key": "objectType", "value": "Lägenhet"}],
    }
    query = "query($input: SearchRequest!) { searchSold(input: $input) { pages } }"
    found = ask(site, query, input=given)["data"]["searchSold"]
    _, result, cards = site.search(f"{FLATS}&page=2")
    assert found["totalCount"] == result["totalCount"]
    ids = [sale["booliId"] for sale in found["result"]]
    assert ids == [card["booliId"] for card in cards]
    assert any(sale["source"] for sale in found["result"])


def test_graphql_can_be_closed_while_the_pages_stay_open(site: Site) -> None:
    site.control("mode", graphql_closed=True)
    closed = site.send("/graphql", b'{"query": "{ searchSold }"}')[0]
    page = site.get(f"/sok/slutpriser?{FLATS}")[0]
    site.control("mode", graphql_closed=False)
    assert (closed, page) == (403, 200)


def test_graphql_errors_ride_in_a_success(site: Site) -> None:
    assert "errors" in ask(site, "{ whatever }")
    assert "errors" in ask(site, "{ salesOfProperty { id } }")
    assert "errors" in ask(site, "{ searchSold { pages } }")


def test_introspection_is_off(site: Site) -> None:
    assert site.send("/graphql", b'{"query": "{ __schema { types } }"}')[0] == 500


@pytest.mark.parametrize(
    ("offered", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=1.0, gzip;q=0.5", "br"),
        ("gzip, deflate", "gzip"),
        ("identity", None),
    ],
)
def test_page_is_packed_as_the_visitor_can_unpack_it(
    site: Site, offered: str, encoding: str | None
) -> None:
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    path = f"/sok/slutpriser?{FLATS}"
    _, headers, body = site.get(path, **{"Accept-Encoding": offered})
    assert headers.get("content-encoding") == encoding
    assert int(headers["content-length"]) == len(body)
    assert unpack(body) == site.get(path)[2]


def test_limits_hold_for_graphql_too(site: Site) -> None:
    site.control("mode", mode="challenge_403", path="/graphql", for_requests=1)
    status, headers, _ = site.send("/graphql", b'{"query": "{ searchSold }"}')
    assert (status, headers["cf-mitigated"]) == (403, "challenge")
