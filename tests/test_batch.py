from __future__ import annotations

import io
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from openpyxl import Workbook, load_workbook
from tiny_market import publish_market, register_model

from ml.valuation.batch import (
    Outcome,
    checked,
    given_fields,
    valued_in_chunks,
    with_asking_price,
    with_results,
)
from ml.valuation.batch_files import BatchFileError, Limits, read_table
from ml.valuation.batch_output import as_csv, as_excel
from ml.valuation.batch_words import field_names, row_problem
from ml.valuation.request import InvalidRequestError, ValuationRequest
from ml.valuation.typed import as_date, as_number
from ml.valuation.value import Valuer
from ml.valuation.value_command import main

if TYPE_CHECKING:
    from pathlib import Path

    from ml.valuation.words import Language
    from warehouse.settings import Settings

SWEDISH = """\
Adress;Boarea (m²);Rum;Våning;Avgift kr/mån;Byggår;Mäklare;Datum;Anteckning
Sveavägen 11;52,5;2;3 tr;3 200 kr;1929;Notar;2024-06-15;balkong
Hornsgatan 11;50;två;BV;2100;1890;;2024-06-15;
Okändgatan 7;40;1;;;;;2024-06-15;
"""


def excel(*rows: tuple[object, ...]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings


@pytest.fixture(scope="module")
def valuer(settings: Settings) -> Valuer:
    return Valuer(settings)


def valued(valuer: Valuer, name: str, content: bytes) -> list[Outcome]:
    table = read_table(name, content)
    records = with_asking_price(given_fields(table.frame), is_used=False)
    chunks = valued_in_chunks(valuer, records, checked(records, table))
    return [each for part in chunks for each in part]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("52,5", "52.5"),
        ("3 200 kr", "3200"),
        ("3 av 5", "3"),
        ("BV", "0"),
        ("2 rok", "2"),
    ],
)
def test_swedish_numbers_are_read(typed: str, read: str) -> None:
    assert as_number(typed) == read


@pytest.mark.parametrize("typed", ["3,200", "3.200", "3 200:-", "3\u00a0200 kr/mån"])
def test_an_amount_is_never_read_as_thousandths(typed: str) -> None:
    assert as_number(typed, is_amount=True) == "3200"


@pytest.mark.parametrize("typed", ["2024-06-15", "20240615", "2024-06-15 00:00:00"])
def test_dates_of_spreadsheets_are_read(typed: str) -> None:
    assert as_date(typed) == "2024-06-15"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_csv_is_read_whatever_its_encoding_and_delimiter(
    encoding: str, delimiter: str
) -> None:
    text = SWEDISH.replace("52,5", "52.5").replace(";", delimiter)
    table = read_table("hem.CSV", text.encode(encoding))
    first = given_fields(table.frame)[0]
    assert first["address"] == "Sveavägen 11"
    assert first["living_area_m2"] == "52.5"
    assert first["fee_sek_per_month"] == "3200"
    assert first["floor"] == "3"
    assert table.unused_headings == ["Anteckning"]
    assert table.numbers == [2, 3, 4]


def test_an_excel_file_gives_what_its_csv_gives(valuer: Valuer) -> None:
    content = excel(
        ("Adress", "Boarea", "Byggår", "Datum"),
        ("Sveavägen 11", 52.5, 1929, pd.Timestamp(2024, 6, 15)),
        (None, None, None, None),
        ("Sveavägen 11", 50, 1929, "2024-06-15"),
    )
    table = read_table("hem.xlsx", content)
    assert table.numbers == [2, 4]
    csv = "Adress;Boarea;Byggår;Datum\nSveavägen 11;52,5;1929;2024-06-15\n".encode()
    of_excel, of_csv = (
        valued(valuer, *file)[0].value
        for file in (("hem.xlsx", content), ("hem.csv", csv))
    )
    assert of_excel is not None
    assert of_excel == of_csv


def test_good_rows_are_valued_and_bad_ones_explained(valuer: Valuer) -> None:
    good, bad_rooms, unknown = valued(valuer, "hem.csv", SWEDISH.encode())
    assert good.value is not None
    assert good.value.value_sek == pytest.approx(52.5 * 55_200, rel=0.05)
    assert bad_rooms.error is not None
    assert field_names(bad_rooms.error, "sv") == "Rum"
    assert row_problem(bad_rooms.error, "sv") == (
        "Rum går inte att läsa: ”två”. "
        "Skriv ett tal med siffror, eller lämna cellen tom."
    )
    assert row_problem(bad_rooms.error, "en").startswith("Cannot read Rooms: “två”.")
    assert unknown.error is not None
    assert "”Okändgatan 7” finns inte" in row_problem(unknown.error, "sv")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("sv", "Boarea m² ska vara 10 till 800, det står 5."),
        ("en", "Living area m² must be 10 to 800, it says 5."),
    ],
)
def test_a_number_out_of_range_is_told_with_the_range(
    language: Language, said: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        ValuationRequest.of(address="Sveavägen 11", living_area_m2="5")
    assert row_problem(refused.value, language) == said


def test_a_decimal_comma_among_commas_is_found_out(valuer: Valuer) -> None:
    text = "Adress,Boarea,Datum\nSveavägen 11,52,5,2024-06-15\n"
    (row,) = valued(valuer, "hem.csv", text.encode())
    assert row.value is None
    assert row.error is not None
    assert "Raden har 4 celler men filen 3 rubriker" in row_problem(row.error, "sv")


def test_a_model_that_is_not_there_stops_only_its_own_rows(valuer: Valuer) -> None:
    text = (
        "Adress;Boarea;Modell\nSveavägen 11;50;AutoGluon\nSveavägen 11;50;XGBoost\n"
        "Sveavägen 11;50;guess\n"
    )
    absent, there, unknown = valued(valuer, "hem.csv", text.encode())
    assert absent.error is not None
    assert "autogluon" in row_problem(absent.error, "sv")
    assert there.value is not None
    assert unknown.error is not None
    assert "Skriv xgboost, autogluon eller blend." in row_problem(unknown.error, "sv")


def test_an_asking_price_counts_only_when_asked_to() -> None:
    rows = [{"list_price_sek": "3000000"}, {}, {"mode": "listed"}]
    used = with_asking_price(rows, is_used=True)
    assert [row["mode"] for row in used] == ["listed", "before_listing", "listed"]
    assert with_asking_price(rows, is_used=False) == [{}, {}, {"mode": "listed"}]


def test_rows_are_valued_in_chunks_in_their_order(valuer: Valuer) -> None:
    area = [str(30 + n % 60) for n in range(450)]
    records = [{"address": "Sveavägen 11", "living_area_m2": each} for each in area]
    parts = list(valued_in_chunks(valuer, records))
    assert [len(part) for part in parts] == [200, 200, 50]
    requests = [each.request for part in parts for each in part]
    assert [request and request.living_area_m2 for request in requests] == [
        float(each) for each in area
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("hem.pdf", b"%PDF", "”hem.pdf” är ingetdera"),
        ("hem.xlsx", b"PK\x03\x04 no archive", "går inte att läsa som Excel"),
        ("hem.xlsx", b"<html>", "går inte att läsa som Excel"),
        ("hem.csv", b"", "saknar kolumnen"),
        ("hem.csv", b"Adress;Rum\nSveav 1;2", "saknar kolumnen ”Boarea m²”"),
        ("hem.csv", b"Adress;Boarea\n;\n\n", "inga rader under rubrikraden"),
        ("hem.csv", b"Adress;Boarea;kvm\na;1;2", "betyder samma sak: Boarea, kvm"),
        ("hem.csv", b"Adress;Boarea\n" + b"a" * 200_000, "går inte att läsa som CSV"),
        ("hem.csv", b";".join(b"x%d" % n for n in range(200)), "fler än 100 kolumner"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(
    name: str, content: bytes, said: str
) -> None:
    with pytest.raises(BatchFileError) as refused:
        read_table(name, content)
    assert said in refused.value.words.sv
    assert refused.value.words.en != refused.value.words.sv


def test_a_file_too_large_or_too_long_is_refused_with_the_limit() -> None:
    with pytest.raises(BatchFileError, match=r"is 5\.0 MB; at most 5\.0 MB"):
        read_table("hem.csv", b"x" * 5_000_001)
    rows = "Adress;Boarea\n" + "Sveavägen 1;50\n" * 4
    with pytest.raises(BatchFileError, match="more than 3 rows"):
        read_table("hem.csv", rows.encode(), Limits(most_rows=3))
    assert len(read_table("hem.csv", rows.encode(), Limits(most_rows=4)).frame) == 4


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = io.BytesIO(excel(("Adress", "Boarea"), ("Sveavägen 1", 50)))
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet2.xml", b" " * 200_000_000)
    assert len(bomb.getvalue()) < 300_000
    with pytest.raises(BatchFileError, match="too large when unpacked"):
        read_table("hem.xlsx", bomb.getvalue())


def test_a_sheet_of_two_cells_far_apart_costs_no_memory() -> None:
    rows = excel(("Adress", "Boarea"), ("Sveavägen 1", 50))
    book = load_workbook(io.BytesIO(rows))
    book.active["XFD1048576"] = "far"
    out = io.BytesIO()
    book.save(out)
    tracemalloc.start()
    assert len(read_table("hem.xlsx", out.getvalue()).frame) == 1
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 20_000_000


def test_text_that_looks_like_a_formula_stays_text() -> None:
    evil = ["=cmd|' /C calc'!A0", "+46 8", "@SUM(A1)", "-2+3", "-1", "plain"]
    frame = pd.DataFrame({"=note": evil, "floor": [-1.5] * 6})
    lines = as_csv(frame).decode("utf-8-sig").splitlines()
    assert lines[0] == "'=note,floor"
    assert [line.split(",")[0][0] for line in lines[1:]] == [
        "'",
        "'",
        "'",
        "'",
        "-",
        "p",
    ]
    assert lines[1].endswith(",-1.5")
    sheet = load_workbook(io.BytesIO(as_excel(frame))).active
    assert [cell.value for cell in sheet["A"]][1:] == evil
    assert {cell.data_type for cell in sheet["A"]} == {"s"}


def test_results_can_be_written_whatever_a_cell_holds() -> None:
    frame = pd.DataFrame({"a": ["x\x00\x08y", "å" * 40_000, None], "n": [1, None, 3]})
    sheet = load_workbook(io.BytesIO(as_excel(frame))).active
    assert sheet["A2"].value == "xy"
    assert len(sheet["A3"].value) == 32_767
    assert sheet["A4"].value is None


def test_results_are_headed_and_told_in_the_language(valuer: Valuer) -> None:
    table = read_table("hem.csv", SWEDISH.encode())
    outcomes = valued(valuer, "hem.csv", SWEDISH.encode())
    results = with_results(table.frame, outcomes, "sv")
    assert list(results.columns)[:3] == ["Adress", "Boarea (m²)", "Rum"]
    assert results["Värde kr"].notna().tolist() == [True, False, False]
    assert results["Fel i raden"].str.startswith("Rum går inte").tolist()[1]
    swedish = as_csv(results, "sv").decode("utf-8-sig").splitlines()
    assert swedish[0].startswith("Adress;Boarea (m²);Rum")
    (_, good, *_) = load_workbook(io.BytesIO(as_excel(results))).active.values
    assert good[list(results.columns).index("Värde kr")] == results["Värde kr"][0]
    again = read_table("again.csv", as_csv(results, "sv"))
    assert (
        list(with_results(again.frame, outcomes, "en").columns).count("Value SEK") == 1
    )
    assert "Värde kr" not in with_results(again.frame, outcomes, "en")


def test_the_command_line_takes_and_gives_excel(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_DATA", str(settings.data))
    batch, out = tmp_path / "hem.xlsx", tmp_path / "valued.xlsx"
    batch.write_bytes(
        excel(("Adress", "Boarea", "Datum"), ("Sveavägen 11", 50, "2024-06-15"))
    )
    assert main(["--batch", str(batch), "--out", str(out)]) == 0
    (headings, row) = load_workbook(out).active.iter_rows(values_only=True)
    valued_row = dict(zip(headings, row, strict=True))
    assert valued_row["row_number"] == 1
    assert valued_row["value_sek"] == pytest.approx(50 * 55_200, rel=0.03)
    assert valued_row["error"] is None
