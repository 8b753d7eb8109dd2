"""The names of the data flow in words: rules, stages, columns, places, endings.

What belongs here: what a person calls what the marts call ``duplicate_sale``. What does
not: sentences, and names of features (``ml.valuation.reason_groups``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.valuation.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.valuation.words import Language

RULES = {
    "superseded_observation": Words("Äldre observation", "Older observation"),
    "title_transfer": Words("Lagfart, ingen försäljning", "Deed, not a sale"),
    "price_type_unknown": Words("Okänd pristyp", "Unknown price type"),
    "duplicate_sale": Words("Dubblett", "Duplicate"),
    "address_missing": Words("Adress saknas", "No address"),
    "not_an_apartment": Words("Inte en lägenhet", "Not an apartment"),
    "sold_date_missing": Words("Datum saknas", "No date"),
    "sold_price_missing": Words("Pris saknas", "No price"),
    "living_area_missing": Words("Boarea saknas", "No living area"),
    "sold_date_out_of_range": Words("Orimligt datum", "Impossible date"),
    "living_area_out_of_range": Words("Orimlig boarea", "Impossible living area"),
    "sold_price_out_of_range": Words("Orimligt pris", "Impossible price"),
    "price_per_m2_out_of_range": Words("Orimligt pris per m²", "Impossible price/m²"),
    "floor_out_of_range": Words("Orimlig våning", "Impossible floor"),
    "construction_year_out_of_range": Words("Orimligt byggår", "Impossible year built"),
    "price_per_m2_far_from_local_median": Words(
        "Långt från områdets pris", "Far from the local price"
    ),
}
RULE_MEANINGS = {
    "superseded_observation": Words(
        "En nyare observation av samma försäljning används i stället.",
        "A newer observation of the same sale is used instead.",
    ),
    "title_transfer": Words(
        "Priset är en lagfarts: arv, gåva eller bodelning, inget marknadspris.",
        "The price is a deed's: inheritance, gift or divorce, no market price.",
    ),
    "price_type_unknown": Words(
        "Priset kallas något annat än slutpris eller sista bud.",
        "The price is called something other than final price or last bid.",
    ),
    "duplicate_sale": Words(
        "Samma försäljning finns redan, från en annan sajt eller under ett annat id.",
        "The same sale is there already, from another site or under another id.",
    ),
    "address_missing": Words(
        "Utan adress kan bostaden inte placeras.",
        "Without an address the home cannot be placed.",
    ),
    "not_an_apartment": Words(
        "Bara lägenheter värderas.", "Only apartments are valued."
    ),
    "sold_date_missing": Words(
        "Utan datum går priset inte att jämföra.",
        "Without a date the price cannot be compared.",
    ),
    "sold_price_missing": Words(
        "Försäljningen säger inget pris.", "The sale tells no price."
    ),
    "living_area_missing": Words(
        "Utan boarea finns inget pris per kvadratmeter.",
        "Without a living area there is no price per square metre.",
    ),
    "sold_date_out_of_range": Words(
        "Såld före 2010, eller efter dagen då den sågs.",
        "Sold before 2010, or after the day it was seen.",
    ),
    "living_area_out_of_range": Words(
        "Under 10 eller över 500 m²: ett förråd, ett helt hus eller ett skrivfel.",
        "Below 10 or above 500 m²: a store room, a whole house or a typing error.",
    ),
    "sold_price_out_of_range": Words(
        "Under 150\u00a0000\u00a0kr eller över 150\u00a0miljoner\u00a0kr.",
        "Below 150 000 kr or above 150 million kr.",
    ),
    "price_per_m2_out_of_range": Words(
        "Under 3 000 eller över 400 000 kr/m²: en siffra för mycket eller för lite.",
        "Below 3 000 kr or above 400 000 kr per m²: a digit too many or too few.",
    ),
    "floor_out_of_range": Words(
        "Lägre än tre våningar ner eller högre än 36.",
        "Lower than three floors down or higher than 36.",
    ),
    "construction_year_out_of_range": Words(
        "Före 1250, eller mer än tre år efter försäljningen.",
        "Before 1250, or more than three years after the sale.",
    ),
    "price_per_m2_far_from_local_median": Words(
        "Minst tre gånger, eller högst en tredjedel av, områdets median året innan "
        "(fyra gånger de tre senaste årens där försäljningarna är få, sex gånger "
        "stadens där de är ännu färre).",
        "At least three times the district's median of the year before, or at most a "
        "third of it (four times that of three years where sales are few, six times "
        "the city's where they are fewer still).",
    ),
}
STAGES = {
    "pages": Words("Sparade sidor", "Pages kept"),
    "landed": Words("Rader ur filer", "Rows from files"),
    "quarantined": Words("I karantän", "In quarantine"),
    "observations": Words("Observationer", "Observations"),
    "deduplicated": Words("Utan upprepningar", "Without repeats"),
    "flagged": Words("– varav underkända", "– of them failed a rule"),
    "rejected": Words("Bortvalda i allt", "Rejected in all"),
    "accepted": Words("Godkända", "Accepted"),
    "features": Words("Med egenskaper", "With features"),
}
COLUMNS = {
    "street_number": Words("Gatunummer", "Street number"),
    "rooms": Words("Rum", "Rooms"),
    "floor": Words("Våning", "Floor"),
    "construction_year": Words("Byggår", "Year built"),
    "fee_sek_per_month": Words("Avgift", "Fee"),
    "operating_cost_sek_per_month": Words("Driftskostnad", "Running cost"),
    "latitude": Words("Läge (koordinater)", "Position"),
    "brf_name": Words("Förening (BRF)", "Association (BRF)"),
    "residence_id": Words("Sajtens bostadsnummer", "The site's listing ID"),
    "url": Words("Webbadress", "Web address"),
    "street": Words("Gata", "Street"),
    "district": Words("Område", "District"),
    "municipality": Words("Kommun", "Municipality"),
    "agency": Words("Mäklare", "Agency"),
    "sold_price_type": Words("Pristyp", "Price type"),
    "energy_class": Words("Energiklass", "Energy class"),
    "list_price_sek": Words("Utgångspris", "Asking price"),
    "first_price_sek": Words("Första utgångspris", "First asking price"),
    "days_active": Words("Dagar till salu", "Days on the market"),
}
PLACES = {
    "source": Words("Källans egen position", "The source's position"),
    "address": Words("Samma adress såld förut", "Same address sold before"),
    "exact": Words("Exakt adress", "The very address"),
    "number": Words("Numret, utan bokstav", "The number, no letter"),
    "range": Words("Mitten av 5–7", "The middle of 5–7"),
    "interpolated": Words("Mellan gatunummer", "Between numbers"),
    "nearest": Words("Närmaste gatunummer", "The nearest number"),
    "street": Words("Gatans mitt", "The street's middle"),
    "district": Words("Områdets mitt", "The district's middle"),
    "nowhere": Words("Ingenstans", "Nowhere"),
}
ENDINGS = {
    "finished": Words("klar", "finished"),
    "monitors": Words(
        "klar, men kontrollerna hade invändningar", "finished, but its monitors object"
    ),
    "incomplete": Words("klar, men några sidor saknas", "finished, some pages missing"),
    "challenged": Words(
        "stoppad av en robotkontroll", "stopped by a bot challenge of the site"
    ),
    "long_wait": Words("sajten bad den vänta", "the site asked it to wait"),
    "echo_mismatch": Words(
        "sajten svarade på något annat än frågan", "the site answered another question"
    ),
    "unknown_shape": Words(
        "sidorna såg inte ut som väntat", "the pages did not look as expected"
    ),
    "warehouse_busy": Words("datalagret var upptaget", "the warehouse was busy"),
    "warehouse_failed": Words(
        "det gick inte att skriva till datalagret", "the warehouse could not be written"
    ),
    "robots_forbid": Words("robots.txt förbjuder den", "robots.txt forbids it"),
    "robots_unreachable": Words(
        "robots.txt gick inte att läsa", "robots.txt could not be read"
    ),
    "shutdown": Words("avbruten", "stopped by hand"),
    "failed": Words("misslyckades", "failed"),
}
NOT_ENDED = Words("pågår, eller dog utan att hinna säga något", "running, or killed")


def named(names: Mapping[str, Words], key: object, language: Language) -> str:
    """Give the words for a name; the name itself where there are none."""
    words = names.get(str(key))
    return words.to(language) if words else str(key)


def ending(finish_reason: object, language: Language) -> str:
    """Say how a crawl ended."""
    if not isinstance(finish_reason, str):
        return NOT_ENDED.to(language)
    return named(ENDINGS, finish_reason, language)
