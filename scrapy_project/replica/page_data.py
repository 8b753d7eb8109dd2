"""What each page of the site holds: its Apollo cache and its other properties.

A page's entities come from ``cards`` and ``roots``; which sales answer a search is
decided in ``search``. How a page is served belongs to ``site``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from scrapy_project.replica import unknown_shape
from scrapy_project.replica.areas import COUNTRY
from scrapy_project.replica.cards import card
from scrapy_project.replica.noise import search_noise
from scrapy_project.replica.roots import ad_root, area_entity, brf_entity, root_of, stub
from scrapy_project.replica.search import PAGE_SIZE, Query, SoldSearch, understood
from scrapy_project.replica.shapes import DEFAULT_SHAPE, Shape
from scrapy_project.replica.values import Entity, State, amenity_entities

if TYPE_CHECKING:
    from scrapy_project.replica.market import Ad, Market, Sale

_ROOT_QUERIES = {
    "bostad": ("propertyByResidenceId", "residenceId"),
    "annons": ("propertyByListingId", "listingId"),
    "lagfart": ("propertyByListingId", "listingId"),  # [A]
}


class PageData:
    """Builds what the pages hold, from the market as it is and the release worn."""

    def __init__(self, market: Market, shape: Shape = DEFAULT_SHAPE) -> None:
        self.market = market
        self.shape = shape
        self._search = SoldSearch(market)

    def found(self, query: Query) -> tuple[list[Sale], int, int] | None:
        """Give a search's sales, its pages and its total; None past its last page."""
        results = self._search.results(query)
        pages = -(-len(results) // PAGE_SIZE)
        if query.page > max(1, pages):
            return None
        first = (query.page - 1) * PAGE_SIZE
        return list(results[first : first + PAGE_SIZE]), pages, len(results)

    def search(self, parameters: list[tuple[str, str]]) -> Entity | None:
        """Build the search page's properties; None past the last page."""
        query = understood(parameters)
        found = self.found(query)
        if found is None:
            return None
        return {
            "initialState": query.initial_state(),
            "initialSearchError": "",
            "__APOLLO_STATE__": self._search_state(query, *found),
        }

    def _search_state(
        self, query: Query, shown: list[Sale], pages: int, total: int
    ) -> State:
        noise = search_noise(self.shape.card_arguments)
        if self.shape.is_known:
            cards = {f"SoldProperty:{s.booli_id}": card(s, self.shape) for s in shown}
            result = _sold_result(query, shown, pages, total)
        else:
            cards = {
                unknown_shape.key(sale): unknown_shape.card(sale) for sale in shown
            }
            result = unknown_shape.search_result(query, shown, pages, total)
        areas, area_query = self._areas_asked(query)
        return {
            **noise.entities,
            **cards,
            **amenity_entities(shown),
            **areas,
            "ROOT_QUERY": {
                "__typename": "Query",
                **noise.root_members,
                **result,
                **area_query,
            },
        }

    def _areas_asked(self, query: Query) -> tuple[State, Entity]:
        known = {**self.market.areas, COUNTRY.area_id: COUNTRY}
        areas = [known[int(i)] for i in query.area_ids if int(i) in known]
        refs = [{"__ref": f"Area_V3:{area.area_id}"} for area in areas]
        ids = orjson.dumps(query.area_ids).decode()
        entities = {f"Area_V3:{a.area_id}": area_entity(a) for a in areas}
        return entities, {
            f'areasById({{"areaIds":{ids},"resolveGracefully":true}})': refs
        }

    def home(self, kind: str, number: int) -> tuple[Sale, State] | None:
        """Find what a listing page speaks for, and its Apollo cache."""
        if kind == "bostad":
            history = self.market.by_residence_id.get(number)
            ad = self.market.ads.get(number)
            return self._home(kind, number, history, ad) if history else None
        sale = self.market.by_booli_id.get(number)
        # A sale whose home is known is only on the home's page.
        if sale is None or sale.url != f"/{kind}/{number}":
            return None
        return self._home(kind, number, [sale], None)

    def _home(
        self, kind: str, number: int, history: list[Sale], ad: Ad | None
    ) -> tuple[Sale, State]:
        newest = history[0] if ad is None else ad.sale
        if ad is None:
            root = root_of(newest, history, self.market.today, self.shape)
        else:
            root = ad_root(ad, self.shape)
        root_key = f"{root['__typename']}:{root['id']}"
        state = {**_home_entities(newest), root_key: root}
        if ad is None and not self.shape.has_inline_stubs:
            for sale in history:
                state.setdefault(f"SoldProperty:{sale.booli_id}", stub(sale))
        name, argument = _ROOT_QUERIES[kind]
        shown = f'"{number}"' if self.shape.has_text_ids else number
        field_name = f'{name}({{"{argument}":{shown}}})'
        state["ROOT_QUERY"] = {"__typename": "Query", field_name: {"__ref": root_key}}
        return newest, state

    def brf(self, number: int) -> tuple[str, State] | None:
        """Find a housing co-operative: its name and its Apollo cache."""
        sales = self.market.sales_of_brf.get(number)
        if not sales or sales[0].brf is None:
            return None
        key = f"HousingCoop:{number}"
        return sales[0].brf.name, {
            key: brf_entity(sales[0].brf, sales),
            "ROOT_QUERY": {
                "__typename": "Query",
                f'housingCoop({{"id":"{number}"}})': {"__ref": key},
            },
        }


def _sold_result(query: Query, shown: list[Sale], pages: int, total: int) -> Entity:
    return {
        query.echo_key(): {
            "__typename": "SearchSoldResult",
            "pages": pages,
            "totalCount": total,
            "adTargetingProperties": [],
            "result": [{"__ref": f"SoldProperty:{sale.booli_id}"} for sale in shown],
            "meta": None,
        }
    }


def _home_entities(sale: Sale) -> State:
    state: State = {f"Area_V3:{area.area_id}": area_entity(area) for area in sale.areas}
    if sale.brf is not None:
        brf_id = str(sale.brf.brf_id)
        state[f"HousingCoop:{brf_id}"] = {"__typename": "HousingCoop", "id": brf_id}
    return {**state, **amenity_entities([sale])}
