"""Facts the synthetic market stands on: districts, price level, agencies, streets.

Coordinates are district centres (WGS 84). Levels are rounded asking-market levels of
2024 for a two-room flat, in SEK per m²; they are plausible, not official statistics.
Street names are real in kind, the agencies and co-operatives are fictional. No code that
draws or serves anything belongs here.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNTRY_ID = 77104
COUNTY_ID = 2
MUNICIPALITY_ID = 1
INNER_CITY_ID = 143

REFERENCE_LEVEL_SEK_PER_M2 = 76_000.0
"""City level of 2024, which the district levels relate to."""


@dataclass(frozen=True, slots=True)
class District:
    """A part of the city with its own price level and building history."""

    name: str
    area_id: int
    latitude: float
    longitude: float
    level_sek_per_m2: float
    weight: float
    built: tuple[int, int]
    postcode_prefix: str
    streets: tuple[str, ...]
    is_inner_city: bool = False


_COLUMNS = """
name | id | latitude | longitude | level | weight | built | postcode | streets
Södermalm* | 115341 | 59.3135 | 18.0700 | 98000 | 9 | 1885-1940 | 116 | Bondegatan, Skånegatan, Ringvägen, Åsögatan, Katarina Bangata, Hornsgatan, Lundagatan, Tjurbergsgatan
Vasastan* | 115349 | 59.3445 | 18.0470 | 105000 | 7 | 1880-1935 | 113 | Odengatan, Upplandsgatan, Dalagatan, Norrtullsgatan, Karlbergsvägen, Roslagsgatan, Tulegatan
Kungsholmen* | 115353 | 59.3320 | 18.0280 | 98000 | 7 | 1895-1940 | 112 | Fleminggatan, Pipersgatan, Bergsgatan, Hantverkargatan, Sankt Eriksgatan, Carl-Gustaf Lindstedts gata, Kungsholms Strand
Östermalm* | 980001 | 59.3373 | 18.0830 | 112000 | 5 | 1880-1935 | 114 | Karlavägen, Grev Turegatan, Storgatan, Linnégatan, Valhallavägen, Skeppargatan
Norrmalm* | 115350 | 59.3370 | 18.0600 | 104000 | 1.5 | 1880-1965 | 111 | Holländargatan, Drottninggatan, Luntmakargatan, Regeringsgatan
Gamla stan* | 115346 | 59.3250 | 18.0707 | 103000 | 0.5 | 1650-1780 | 111 | Prästgatan, Österlånggatan, Köpmangatan, Själagårdsgatan
Gärdet* | 115347 | 59.3430 | 18.1030 | 97000 | 3 | 1929-1942 | 115 | Rindögatan, Sandhamnsgatan, Askrikegatan, Furusundsgatan, Värtavägen
Hjorthagen* | 115351 | 59.3560 | 18.1000 | 88000 | 1.5 | 1934-2015 | 115 | Artemisgatan, Dianavägen, Jägmästargatan, Hjorthagsvägen
Lilla Essingen* | 980002 | 59.3247 | 18.0040 | 84000 | 1 | 1930-1955 | 112 | Essinge Brogata, Disponentgatan, Luxgatan
Stora Essingen* | 980003 | 59.3205 | 17.9930 | 76000 | 0.7 | 1938-1960 | 112 | Essingeringen, Badstrandsvägen, Stenkullavägen
Reimersholme* | 980004 | 59.3177 | 18.0215 | 85000 | 0.4 | 1942-1948 | 117 | Reimersholmsgatan, Anders Reimers väg
Södra Hammarbyhamnen* | 980005 | 59.3040 | 18.1000 | 82000 | 3 | 1998-2015 | 120 | Hammarby Allé, Lugnets Allé, Babordsgatan, Heliosgatan, Textilgatan
Liljeholmen | 980006 | 59.3107 | 18.0230 | 69000 | 2.5 | 1945-2014 | 117 | Sjöviksvägen, Liljeholmsvägen, Nybohovsbacken, Årstaängsvägen
Gröndal | 980007 | 59.3155 | 18.0080 | 67000 | 1.5 | 1942-1965 | 117 | Gröndalsvägen, Ekensbergsvägen, Jungfrugränd, Lövholmsvägen
Midsommarkransen | 980008 | 59.3020 | 18.0110 | 66000 | 2 | 1908-1945 | 126 | Tegelbruksvägen, Svandammsvägen, Nioörtsvägen, Vattenledningsvägen
Aspudden | 980009 | 59.3065 | 18.0010 | 67000 | 1.5 | 1910-1950 | 126 | Hövdingagatan, Blommensbergsvägen, Schlytersvägen
Hägerstensåsen | 980010 | 59.2950 | 17.9790 | 53000 | 2 | 1944-1956 | 129 | Sparbanksvägen, Riksdalervägen, Personnevägen, Kilabergsvägen
Fruängen | 980011 | 59.2860 | 17.9640 | 47000 | 1.5 | 1952-1960 | 129 | Fruängsgången, Jacobsdalsvägen, Ellen Keys gata, Elsa Brändströms gata
Årsta | 980012 | 59.2975 | 18.0500 | 63000 | 3 | 1943-1965 | 120 | Årstavägen, Sköntorpsvägen, Siljansvägen, Orrfjärdsgränd, Möckelvägen
Johanneshov | 980013 | 59.2960 | 18.0790 | 64000 | 1.8 | 1930-1960 | 121 | Gullmarsvägen, Bolidenvägen, Lindetorpsvägen, Skulptörvägen
Gamla Enskede | 980014 | 59.2830 | 18.0720 | 57000 | 1 | 1930-1960 | 122 | Handelsvägen, Krokvägen, Nynäsvägen
Hammarbyhöjden | 980015 | 59.2945 | 18.1040 | 61000 | 2 | 1936-1945 | 121 | Finn Malmgrens väg, Ulricehamnsvägen, Petrejusvägen, Sparrmansvägen
Björkhagen | 980016 | 59.2915 | 18.1150 | 57000 | 1.2 | 1946-1955 | 121 | Markarydsvägen, Halmstadsvägen, Karlskronavägen
Kärrtorp | 980017 | 59.2845 | 18.1140 | 54000 | 1.2 | 1948-1955 | 121 | Kärrtorpsvägen, Söderarmsvägen, Holmögaddsvägen
Bagarmossen | 980018 | 59.2745 | 18.1310 | 47000 | 1.5 | 1951-1960 | 128 | Lagaplan, Byälvsvägen, Rusthållarvägen, Emågatan
Skarpnäck | 980019 | 59.2665 | 18.1330 | 45000 | 1.5 | 1982-1990 | 128 | Skarpnäcks Allé, Horisontvägen, Pilvingegatan, Statsrådsvägen
Älvsjö | 980020 | 59.2786 | 18.0100 | 49000 | 1.6 | 1940-2012 | 125 | Götalandsvägen, Johan Skyttes väg, Prästgårdsgärdet
Bandhagen | 980021 | 59.2700 | 18.0500 | 44000 | 1.8 | 1950-1960 | 124 | Trollesundsvägen, Bjursätragatan, Stickelbärsvägen, Örbyleden
Högdalen | 980022 | 59.2640 | 18.0430 | 42000 | 1.2 | 1954-1960 | 124 | Rangstaplan, Skebokvarnsvägen, Harpsundsvägen
Rågsved | 980023 | 59.2570 | 18.0290 | 33000 | 1.2 | 1956-1965 | 124 | Rågsvedsvägen, Bjursnäsgatan, Askersgatan
Hökarängen | 980024 | 59.2575 | 18.0820 | 41000 | 1.4 | 1948-1955 | 123 | Sirapsvägen, Russinvägen, Lingvägen, Pepparvägen
Farsta | 980025 | 59.2435 | 18.0920 | 38000 | 1.8 | 1958-1965 | 123 | Farstavägen, Kristinehamnsgatan, Larsbodavägen, Molkomsbacken
Traneberg | 980026 | 59.3350 | 17.9880 | 68000 | 1.4 | 1934-1945 | 167 | Tranebergsvägen, Margretelundsvägen, Svartviksslingan
Abrahamsberg | 980027 | 59.3365 | 17.9530 | 60000 | 0.9 | 1938-1955 | 168 | Registervägen, Kvarnbacksvägen, Gustav III:s väg
Blackeberg | 980028 | 59.3480 | 17.8830 | 49000 | 1.4 | 1950-1957 | 168 | Blackebergsvägen, Ibsengatan, Vinjegatan, Holbergsgatan
Vällingby | 980029 | 59.3630 | 17.8720 | 41000 | 1.5 | 1952-1962 | 162 | Lyckselevägen, Pajalagatan, Vittangigatan, Ångermannagatan
Hässelby strand | 980030 | 59.3610 | 17.8340 | 36000 | 1.4 | 1956-1962 | 165 | Maltesholmsvägen, Fyrspannsgatan, Strandliden
Spånga | 980031 | 59.3830 | 17.8980 | 40000 | 0.9 | 1945-1975 | 163 | Spånga Torgväg, Värsta Allé, Bromstensvägen
Kista | 980032 | 59.4030 | 17.9440 | 42000 | 1 | 1975-2012 | 164 | Jyllandsgatan, Silkeborgsgatan, Köpenhamnsgatan
Husby | 980033 | 59.4105 | 17.9280 | 29000 | 0.7 | 1972-1977 | 164 | Bergengatan, Trondheimsgatan, Edvard Griegsgången
Rinkeby | 980034 | 59.3885 | 17.9290 | 26000 | 0.4 | 1968-1972 | 163 | Rinkebysvängen, Hinderstorpsgränd, Degerbygränd
"""


def _district(line: str) -> District:
    name, area_id, lat, lon, level, weight, built, postcode, streets = (
        cell.strip() for cell in line.split("|")
    )
    first, last = built.split("-")
    return District(
        name=name.rstrip("*"),
        area_id=int(area_id),
        latitude=float(lat),
        longitude=float(lon),
        level_sek_per_m2=float(level),
        weight=float(weight),
        built=(int(first), int(last)),
        postcode_prefix=postcode,
        streets=tuple(street.strip() for street in streets.split(",")),
        is_inner_city=name.endswith("*"),
    )


DISTRICTS = tuple(_district(line) for line in _COLUMNS.strip().splitlines()[1:])

# Flats in Stockholm, SEK per m² at the first of the month; straight lines between.
# The shape is that of the published indices: up to September 2017, down through 2018,
# peak in March 2022, about 15 % lower by early 2023, a slow recovery since.
CITY_LEVEL_SEK_PER_M2: tuple[tuple[int, int, float], ...] = (
    (2012, 1, 46_000),
    (2013, 1, 49_000),
    (2014, 1, 54_500),
    (2015, 1, 61_000),
    (2016, 1, 70_000),
    (2016, 7, 71_500),
    (2017, 3, 75_500),
    (2017, 9, 77_000),
    (2018, 2, 70_500),
    (2018, 12, 70_500),
    (2020, 2, 76_500),
    (2020, 5, 74_000),
    (2021, 2, 80_500),
    (2022, 3, 87_500),
    (2023, 2, 74_500),
    (2024, 1, 75_500),
    (2025, 1, 78_500),
    (2026, 1, 81_000),
    (2027, 1, 83_000),
)

AGENCY_NAMES = (
    "Bostadsbyrån Ankaret",
    "Brandt & Lindell",
    "City Hem Mäkleri",
    "Ekens Fastighetsmäkleri",
    "Fasad & Co",
    "Gavelin Mäklare",
    "Hemgården",
    "Innanför Tullarna Mäkleri",
    "Kajplats Mäklare",
    "Kvarnens Fastighetsbyrå",
    "Lundqvist & Falk",
    "Mälarhem",
    "Nordstjärnan Bostad",
    "Norrsken Mäkleri",
    "Saltsjö Fastighetsförmedling",
    "Stadens Mäklare",
    "Takåsen",
    "Tegel Mäkleri",
    "Vindrosen Bostad",
    "Årsringen Fastighetsbyrå",
)
FIRST_AGENCY_ID = 7001
