"""Landing files of sales: identity, validation, refusals, whole or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pytest

from warehouse.errors import exit_with
from warehouse.land import grouped, land_file, main
from warehouse.sales_files import recognise
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER = "platform,source_id,address,sold_date,sold_price,living_area"
SEED_HEADER = (
    "link;area;streetName;number;sqm;rooms;Slutpris;Utropspris;Prisutveckling;"
    "Såld eller borttagen;Slutpris/m²;Dagar på Booli;Avgift;Bostadstyp;Driftskostnad;"
    "Våning;Byggår;BRF;brfLink;Energiklass;agency"
)
NBSP = "\N{NO-BREAK SPACE}"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def land(
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """The command `python -m warehouse.land`, run in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["land", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            exit_with(main)
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Outcome(caught.value.code, captured.out, captured.err)

    return run


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connect(Settings().warehouse_path, read_only=True) as connection:
        return connection.execute(query).fetchall()


def _landed(*columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(columns)
    return _rows(f"select {names} from raw.landed_sales order by observed_at")


def _csv(
    tmp_path: Path, *lines: str, header: str = HEADER, name: str = "s.csv"
) -> Path:
    path = tmp_path / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def _parquet(tmp_path: Path, query: str, name: str = "s.parquet") -> Path:
    path = tmp_path / name
    duckdb.execute(f"copy ({query}) to '{path}' (format parquet)")
    return path


def _refused(outcome: Outcome) -> str:
    """Assert a refusal: one line, a code, nothing landed; gives the line."""
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    if Settings().warehouse_path.exists():
        assert _rows("select * from information_schema.tables") == []
    return outcome.err


# What lands


def test_csv_row_lands_with_every_column(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = _csv(
        tmp_path,
        'booli,42,https://x/1,"Provgatan 1, uppg. B",Vasastan,Stockholm,2016-01-31,'
        "3250000,2995000,52.5,2,3120,5400,1.5,1929,59.34,18.05,Lägenhet,Mäklarn",
        header="platform,source_id,url,address,area,municipality,sold_date,sold_price,"
        "list_price,living_area,rooms,fee,operating_cost_year,floor,construction_year,"
        "lat,lon,object_type,agency",
    )

    assert land(path).code == 0

    assert _landed("* exclude (observed_at, content_sha256, file_sha256)") == [
        (
            *("booli", "42", True, 1, "https://x/1", "Provgatan 1, uppg. B"),
            *("Vasastan", "Stockholm", "Lägenhet", "Mäklarn", None, None, None),
            *(date(2016, 1, 31), 3250000, 2995000, 52.5, 2.0, 1.5, 1929),
            *(3120.0, 5400.0, 59.34, 18.05),
        )
    ]


def test_parquet_of_other_types_lands_as_the_same_values(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = _parquet(
        tmp_path,
        "select 'Provgatan 1' as address, timestamp '2016-01-31 00:00:00' as sold_date,"
        " 3250000.0::float as sold_price, 52::decimal(9, 2) as living_area,"
        " 42.0::double as source_id, 'nan'::double as rooms,"
        " encode('Mäklarn') as agency",
    )

    assert land(path).code == 0

    columns = ("source_id", "sold_date", "sold_price_sek", "living_area_m2", "rooms")
    assert _landed(*columns, "agency") == [
        ("42", date(2016, 1, 31), 3250000, 52.0, None, "Mäklarn")
    ]


@pytest.mark.parametrize("hour", ["2016-01-30 23:00:00+00", "2016-01-31 00:00:00+00"])
def test_midnight_with_time_zone_is_the_day_in_stockholm(
    land: Callable[..., Outcome], tmp_path: Path, hour: str
) -> None:
    path = _parquet(
        tmp_path,
        f"select 'A 1' as address, timestamptz '{hour}' as sold_date,"
        " 1 as sold_price, 1 as living_area",
    )

    assert land(path).code == 0

    assert _landed("sold_date") == [(date(2016, 1, 31),)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-1-5", date(2016, 1, 5)),
        ("2016-01-05 00:00:00", date(2016, 1, 5)),
        ("2016-02-29", date(2016, 2, 29)),
    ],
)
def test_date_is_read_padded_or_not(
    land: Callable[..., Outcome], tmp_path: Path, text: str, expected: date
) -> None:
    land(_csv(tmp_path, f"booli,1,A 1,{text},1000000,50"))

    assert _landed("sold_date") == [(expected,)]


def test_unknown_columns_are_named_and_ignored(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = _csv(
        tmp_path,
        "A 1,2016-01-01,1000000,50,red,x",
        header="Address, SOLD_DATE ,sold_price,living_area,colour,agent",
    )

    outcome = land(path)

    assert outcome.code == 0
    assert "ignored columns: colour, agent\n" in outcome.out
    assert _landed("address", "platform") == [("A 1", "file")]


def test_list_price_zero_means_unknown(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    land(
        _csv(
            tmp_path, "A 1,2016-01-01,1000000,50,0", header=f"{HEADER[19:]},list_price"
        )
    )

    assert _landed("list_price_sek") == [(None,)]


def test_odd_but_possible_values_are_left_to_dbt(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    header = f"{HEADER[19:]},construction_year,floor"
    land(_csv(tmp_path, "A 1,2016-01-01,1000000,1,1049,99.9", header=header))

    assert _landed("construction_year", "floor") == [(1049, 99.9)]


def test_byte_order_mark_and_blank_lines_do_no_harm(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    path.write_text(
        f"{HEADER}\r\nbooli,1,A 1,2016-01-01,1,1\r\n\r\nbooli,2,A 2,2016-01-01,1,1\r\n",
        encoding="utf-8-sig",
        newline="",
    )

    assert land(path).code == 0

    assert _landed("source_id", "row_number") == [("1", 1), ("2", 2)]


# Identity and observations


def test_same_file_again_lands_nothing_and_says_so(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = _csv(tmp_path, "booli,1,A 1,2016-01-01,1000000,50")
    land(path)

    again = land(path)

    assert again.code == 0
    assert "this very file landed on " in again.out
    assert ": 0 new" in again.out
    assert len(_landed("source_id")) == 1


def test_same_rows_in_another_file_are_already_known(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    land(_csv(tmp_path, "booli,1,A 1,2016-01-01,1000000,50"))
    query = (
        "select 'booli' as platform, 1 as source_id, 'A 1' as address,"
        " date '2016-01-01' as sold_date, 1000000 as sold_price, 50 as living_area"
    )

    again = land(_parquet(tmp_path, query))

    assert "already known            1" in again.out
    assert len(_landed("source_id")) == 1


def test_changed_values_are_a_newer_observation_of_the_same_sale(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    land(_csv(tmp_path, "booli,1,A 1,2016-01-01,1000000,50", name="a.csv"))
    land(_csv(tmp_path, "booli,1,A 1,2016-01-01,1100000,50", name="b.csv"))

    assert _landed("source_id", "sold_price_sek") == [("1", 1000000), ("1", 1100000)]


def test_values_that_come_back_are_the_newest_again(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    land(_csv(tmp_path, "booli,1,A 1,2016-01-01,1000000,50", name="a.csv"))
    land(_csv(tmp_path, "booli,1,A 1,2016-01-01,1100000,50", name="b.csv"))
    header, comment = f"{HEADER},comment", ",back again"
    line = f"booli,1,A 1,2016-01-01,1000000,50{comment}"
    land(_csv(tmp_path, line, header=header, name="c.csv"))

    assert [price for (price,) in _landed("sold_price_sek")] == [
        1000000,
        1100000,
        1000000,
    ]


@pytest.mark.parametrize("prices", [(1, 2), (2, 1), (1, 2, 1), (1, 1, 2), (3, 1, 3, 2)])
def test_last_row_of_a_sale_in_a_file_is_the_newest_and_stays_it(
    land: Callable[..., Outcome], tmp_path: Path, prices: tuple[int, ...]
) -> None:
    lines = [f"booli,1,A 1,2016-01-01,{price}000000,50" for price in prices]
    land(_csv(tmp_path, *lines))
    first = _landed("sold_price_sek")

    again = land(_csv(tmp_path, *lines, "", name="with_a_blank_line.csv"))

    assert first[-1] == (prices[-1] * 1_000_000,)
    assert len(set(_landed("observed_at"))) == len(first)
    assert "landed                   0" in again.out
    assert _landed("sold_price_sek") == first


def test_sale_without_id_is_the_same_whatever_the_spelling_of_its_address(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    header = f"{HEADER[19:]},rooms"
    lines = [
        "Sveavägen 98,2016-01-01,1000000,50,2",
        f" SVEAVA\u0308GEN{NBSP} 98 ,2016-1-1,1000000.0,50.0,3",
        "Svea\u00advägen 98,2016-01-01,1000000,50,4",
        "Sveavägen 98,2016-01-01,1000001,50,2",
        "Sveavägen 98,2016-01-02,1000000,50,2",
        "Sveavägen 98,2016-01-01,1000000,50.5,2",
        "Sveavägen 9,2016-01-01,1000000,50,2",
    ]
    land(_csv(tmp_path, *lines, header=header))

    identities = _landed("source_id", "has_own_id")
    assert not any(has_own_id for _, has_own_id in identities)
    assert identities[0] == identities[1] == identities[2]
    assert len(set(identities)) == 5


def test_clock_set_back_does_not_make_new_observations_old(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    future = datetime(2099, 1, 1)
    line = "booli,1,A 1,2016-01-01,1000000,50"
    land_file(warehouse, recognise(_csv(tmp_path, line)))
    warehouse.execute("update raw.landed_sales set observed_at = ?", [future])

    changed = _csv(tmp_path, line.replace(",50", ",51"), name="b.csv")
    land_file(warehouse, recognise(changed))

    newest = warehouse.execute(
        "select arg_max(living_area_m2, observed_at) from raw.landed_sales"
    ).fetchall()
    assert newest == [(51.0,)]


# Bad rows

BAD_ROWS = [
    ("A 1,2016-13-40,1,1,,", "sold_date", "sold_date '2016-13-40': expected a date"),
    ("A 1,2015-02-29,1,1,,", "sold_date", "sold_date '2015-02-29': expected a date"),
    ("A 1,05/01/2016,1,1,,", "sold_date", "sold_date '05/01/2016': expected a date"),
    ("A 1,,1,1,,", "sold_date", "sold_date is missing"),
    (" ,2016-01-01,1,1,,", "address", "address is missing"),
    ("A 1,2016-01-01,-5,1,,", "sold_price", "sold_price '-5': expected whole kronor"),
    ("A 1,2016-01-01,0,1,,", "sold_price", "sold_price '0': expected whole kronor"),
    ("A 1,2016-01-01,1.5,1,,", "sold_price", "sold_price '1.5': expected whole kronor"),
    ("A 1,2016-01-01,NaN,1,,", "sold_price", "sold_price is missing"),
    ("A 1,2016-01-01,1e40,1,,", "sold_price", "sold_price '1e40': expected whole"),
    ("A 1,2016-01-01,3 000,1,,", "sold_price", "sold_price '3 000': expected whole"),
    ("A 1,2016-01-01,1,0,,", "living_area", "living_area '0': expected m² above 0"),
    ("A 1,2016-01-01,1,inf,,", "living_area", "living_area 'inf': expected m² above"),
    ("A 1,2016-01-01,1,1,abc,", "fee", "fee 'abc': expected kronor a month"),
    ("A 1,2016-01-01,1,1,,3 trr", "floor", "floor '3 trr': expected a number"),
    ("A 1,2016-01-01", None, "the row has 2 fields, expected 6 as in the header"),
    ("A 1,2016-01-01,1,1,,,,", None, "the row has 8 fields, expected 6"),
]


@pytest.mark.parametrize(("line", "field", "reason"), BAD_ROWS)
def test_bad_row_is_quarantined_with_its_reason_and_the_others_land(
    land: Callable[..., Outcome],
    tmp_path: Path,
    line: str,
    field: str | None,
    reason: str,
) -> None:
    good = "Good 1,2016-01-01,1000000,50,,"
    path = _csv(tmp_path, good, line, good, header=f"{HEADER[19:]},fee,floor")

    outcome = land(path)

    assert outcome.code == 0
    assert f"quarantined   {1:>12}" in outcome.out
    [(source, row_number, found_field, found_reason)] = _rows(
        "select source, row_number, field, reason from raw.quarantine"
    )
    assert (source, row_number, found_field) == ("s.csv", 2, field)
    assert found_reason.startswith(reason)
    assert _landed("address") == [("Good 1",)]


def test_quarantine_keeps_the_row_as_it_was_and_all_its_faults(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    header = f"{HEADER[19:]},it's"
    good = ["A 1,2016-01-01,1,1,"] * 3
    path = _csv(tmp_path, *good, "B 2,then,,7,x", "C,2016-01-01", header=header)

    land(path)

    rows = _rows("select reason, record from raw.quarantine order by row_number")
    assert rows[0][0] == (
        "sold_date 'then': expected a date of the calendar, as 2016-01-31; "
        "sold_price is missing"
    )
    assert json.loads(rows[0][1]) == {
        "address": "B 2",
        "sold_date": "then",
        "sold_price": "",
        "living_area": "7",
        "it's": "x",
    }
    assert json.loads(rows[1][1]) == ["C", "2016-01-01"]


def test_every_row_is_landed_known_or_quarantined(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [
        f"booli,{n % 60},A {n},2016-01-01,{-1 if n % 7 == 0 else 1000},{n % 3 + 1}"
        for n in range(200)
    ]

    landing = land_file(warehouse, recognise(_csv(tmp_path, *lines)))

    [(landed, quarantined)] = warehouse.execute(
        "select (select count(*) from raw.landed_sales),"
        " (select count(*) from raw.quarantine)"
    ).fetchall()
    assert (landing.landed_count, landing.quarantined_count) == (landed, quarantined)
    assert landing.row_count == 200
    assert landing.known_count == 200 - landed - quarantined
    assert quarantined == 29


def test_summary_counts_rows_as_swedes_write_numbers() -> None:
    assert grouped(1010058) == f"1{NBSP}010{NBSP}058"


# The seed's own CSV


def test_seed_rows_land_with_address_and_units_rebuilt(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = _csv(
        tmp_path,
        "0-/bostad/800001;VasastanOdenplan;ProvgatanB;12;52;2;5250000;4995000;+255000;"
        "2026-05-28;101000;9;3120;Lägenhet;450;3 tr;1929;BRF Provet 4;/b/1;E;Mäklarn",
        "1-/bostad/800001;VasastanOdenplan;ProvgatanB;12;52;2;4100000;;;"
        "2019-03-14;78800;12;;Lägenhet;;1½ tr;1929;BRF Provet 4;;E;",
        header=SEED_HEADER,
    )

    outcome = land(path)

    assert outcome.code == 0
    assert "(seed_csv)" in outcome.out
    assert _landed("platform", "url", "address", "area") == [
        ("booli", "/bostad/800001", "Provgatan 12B", "Vasastan Odenplan"),
        ("booli", "/bostad/800001", "Provgatan 12B", "Vasastan Odenplan"),
    ]
    assert set(_landed("brf_name", "energy_class")) == {("BRF Provet 4", "E")}
    numbers = ("sold_price_sek", "list_price_sek", "fee_sek_per_month")
    assert _landed(*numbers, "operating_cost_sek_per_year", "floor") == [
        (5250000, 4995000, 3120.0, 5400.0, 3.0),
        (4100000, None, None, None, 1.5),
    ]
    assert len({source_id for (source_id,) in _landed("source_id")}) == 2


@pytest.mark.parametrize(
    ("street", "number", "address"),
    [
        ("SanktEriksgatan", "63", "Sankt Eriksgatan 63"),
        ("TulegatanA", "32", "Tulegatan 32A"),
        ("Storgatan3", "1", "Storgatan 1-3"),
        ("S:tPaulsgatan", "5", "S:t Paulsgatan 5"),
        ("Adresssaknas", "", "Adress saknas"),
        ("Torget", "", "Torget"),
    ],
)
def test_seed_address_gets_back_what_the_seed_removed(
    land: Callable[..., Outcome],
    tmp_path: Path,
    street: str,
    number: str,
    address: str,
) -> None:
    line = f"0-/b/1;X;{street};{number};52;2;1000000;;;2020-01-01;;;;;;;;;;;"

    land(_csv(tmp_path, line, header=SEED_HEADER))

    assert _landed("address") == [(address,)]


@pytest.mark.parametrize(
    ("text", "floor"),
    [("BV", 0.0), ("3 tr", 3.0), ("1½ tr", 1.5), ("½ tr", 0.5), ("-1 tr", -1.0)],
)
def test_seed_floor_text_becomes_a_number(
    land: Callable[..., Outcome], tmp_path: Path, text: str, floor: float
) -> None:
    line = f"0-/b/1;X;Torget;1;52;2;1000000;;;2020-01-01;;;;;;{text};;;;;"

    land(_csv(tmp_path, line, header=SEED_HEADER))

    assert _landed("floor") == [(floor,)]


def test_seed_running_cost_that_is_no_number_is_quarantined(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    good = "0-/b/1;X;Torget;1;52;2;1000000;;;2020-01-01;;;;;450;;;;;;"

    land(_csv(tmp_path, good, good.replace("450", "much"), header=SEED_HEADER))

    assert _rows("select field, row_number from raw.quarantine") == [
        ("operating_cost_year", 2)
    ]


# Refusals


def test_missing_file_is_refused(land: Callable[..., Outcome], tmp_path: Path) -> None:
    assert "there is no file" in _refused(land(tmp_path / "none.csv"))


def test_folder_is_refused(land: Callable[..., Outcome], tmp_path: Path) -> None:
    assert "is a folder" in _refused(land(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("s.csv", b"", "is empty"),
        ("s.parquet", b"", "is empty"),
        ("s.parquet", b"\n<!DOCTYPE html><html>", "looks like HTML"),
        ("s.csv", b"<html><body>", "looks like HTML"),
        ("s.parquet", b"address,sold_date\n", "is not Parquet"),
        ("s.parquet", b"PAR1 and then it stops", "cannot be read"),
        ("s.csv", b"PAR1 and so on", "is Parquet named .csv"),
        ("s.xlsx", b"PK and so on", "expected .csv or .parquet"),
        ("s", b"address", "expected .csv or .parquet"),
        ("s.csv", f"{HEADER}\n".encode("utf-16"), "not UTF-8"),
        ("s.csv", f"{HEADER}\n1,1,Gr\xe5,".encode("latin-1"), "is not UTF-8"),
        ("s.csv", HEADER.replace(",", ";").encode(), "by semicolons; expected commas"),
        ("s.csv", HEADER.replace(",", "\t").encode(), "by tabs; expected commas"),
        ("s.csv", f"{HEADER}\n".encode(), "holds no rows"),
        ("s.csv", f"{HEADER},address\n".encode(), "has the column address twice"),
        ("s.csv", f'{HEADER}\na,b\n"c,d\n'.encode(), "begins on line 3"),
        (
            "s.csv",
            f"{SEED_HEADER.replace('sqm', 'x')}\n".encode(),
            "lacks the column sqm",
        ),
    ],
)
def test_file_of_another_kind_is_refused(
    land: Callable[..., Outcome],
    tmp_path: Path,
    name: str,
    content: bytes,
    reason: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    assert reason in _refused(land(path))


def test_missing_columns_are_told_with_those_it_has_and_needs(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    message = _refused(land(_parquet(tmp_path, "select 1 as address, 2 as price")))

    assert "lacks the columns sold_date, sold_price, living_area" in message
    assert "it has: address, price" in message
    assert "needed: address, sold_date, sold_price, living_area" in message


def test_mostly_bad_file_is_refused_whole(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    good, bad = "booli,1,A 1,2016-01-01,1,1", "booli,1,A 1,1 jan 2016,1,1"

    message = _refused(land(_csv(tmp_path, good, bad, bad)))

    assert "2 of 3 rows" in message
    assert "sold_date expected a date" in message


def test_half_bad_file_lands_its_good_half(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    good, bad = "booli,1,A 1,2016-01-01,1,1", "booli,1,A 1,1 jan 2016,1,1"

    assert land(_csv(tmp_path, good, bad)).code == 0


def test_second_file_that_is_no_file_keeps_the_first_from_landing(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = _csv(tmp_path, "booli,1,A 1,2016-01-01,1,1")

    _refused(land(path, tmp_path / "none.csv"))

    assert not Settings().warehouse_path.exists()


def test_refused_file_leaves_what_had_landed(
    land: Callable[..., Outcome], tmp_path: Path
) -> None:
    land(_csv(tmp_path, "booli,1,A 1,2016-01-01,1,1"))

    assert land(_csv(tmp_path, "booli,1,A 1,x,1,1", name="bad.csv")).code == 1

    assert len(_landed("source_id")) == 1
    assert _rows("select count(*) from raw.quarantine") == [(0,)]
    assert _rows("select file_name from raw.landed_files") == [("s.csv",)]


@pytest.mark.parametrize("folder", ["/proc/slutpris", "a_file"])
def test_data_folder_that_cannot_be_written_is_refused(
    land: Callable[..., Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
) -> None:
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("SLUTPRIS_DATA", str(tmp_path / folder))

    message = _refused(land(_csv(tmp_path, "booli,1,A 1,2016-01-01,1,1")))

    assert "set SLUTPRIS_DATA to a folder you may write to" in message


# Processes


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "warehouse.land", *map(str, arguments)]


def test_second_writer_is_refused_with_code_3(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = _csv(tmp_path, "booli,1,A 1,2016-01-01,1,1")

    done = subprocess.run(
        _command(path),
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT_ROOT,
    )

    assert done.returncode == 3
    assert done.stderr.startswith("error: another process is using ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("delay_s", [0.0, 0.2, 0.6])
def test_killed_landing_leaves_all_or_nothing_and_can_be_repeated(
    settings: Settings, tmp_path: Path, delay_s: float
) -> None:
    lines = [f"booli,{n},Gata {n},2016-01-01,{n + 1},50" for n in range(60_000)]
    path = _csv(tmp_path, *lines)
    settings.data.mkdir(parents=True)
    process = subprocess.Popen(
        _command(path), stdout=subprocess.DEVNULL, cwd=PROJECT_ROOT
    )
    while process.poll() is None and not settings.warehouse_path.exists():
        time.sleep(0.01)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()

    with connect(settings.warehouse_path) as connection:
        land_before = connection.execute(
            "select count(*) from information_schema.tables"
            " where table_name = 'landed_sales'"
        ).fetchall()
        counts = [(0,)]
        if land_before == [(1,)]:
            counts = connection.execute(
                "select count(*) from raw.landed_sales"
            ).fetchall()
        assert counts in ([(0,)], [(60_000,)])
        land_file(connection, recognise(path))
        assert connection.execute(
            "select count(*), count(distinct source_id) from raw.landed_sales"
        ).fetchall() == [(60_000, 60_000)]


def test_help_shows_an_example(land: Callable[..., Outcome]) -> None:
    outcome = land("--help")

    assert outcome.code == 0
    assert "example: python -m warehouse.land " in outcome.out


# Real sales


@pytest.mark.parametrize(
    ("name", "row_count", "sale_count"),
    [
        ("sales_booli_2012_2016.parquet", 48_098, 48_089),
        ("sales_hemnet_2012_2022.parquet", 45_215, None),
    ],
)
def test_real_sales_land_whole_and_once(
    warehouse: duckdb.DuckDBPyConnection,
    real_data_dir: Path,
    name: str,
    row_count: int,
    sale_count: int | None,
) -> None:
    file = recognise(real_data_dir / name)

    first, second = land_file(warehouse, file), land_file(warehouse, file)

    assert (first.landed_count, first.quarantined_count) == (row_count, 0)
    assert (second.landed_count, second.known_count) == (0, row_count)
    [(sales, with_own_id)] = warehouse.execute(
        "select count(distinct source_id), count(*) filter (has_own_id)"
        " from raw.landed_sales"
    ).fetchall()
    assert with_own_id == (48_098 if sale_count else 14_303)
    assert sale_count is None or sales == sale_count


def test_raw_answers_of_the_old_api_are_refused(
    land: Callable[..., Outcome], real_data_dir: Path
) -> None:
    message = _refused(land(real_data_dir / "booli_api_raw_2012_2016.parquet"))

    assert "location.address.streetAddress" in message
    assert "needed: address, sold_date, sold_price, living_area" in message
