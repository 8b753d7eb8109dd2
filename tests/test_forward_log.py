from __future__ import annotations

import logging
import multiprocessing
import time

import duckdb
import pytest
from forward_valuations import log_of, place, valuation

from ml.valuation.forward_log import matching_key, read_log, text_key
from ml.valuation.places import ADDRESS_SQL, TEXT_KEY_SQL
from warehouse.settings import Settings


def test_a_record_holds_the_valuation_and_nothing_of_the_asker(
    settings: Settings,
) -> None:
    log_of(settings).append(valuation(floor=3, agency="Notar"))

    (record,) = read_log(settings.forward_log_dir).records
    assert record["made_at"] == "2026-03-02T09:30:00.000000+00:00"
    assert record["facts"]["agency"] == "Notar"
    assert (record["model"], record["model_version"]) == ("xgboost", 4)
    assert record["snapshot_id"].startswith("20260301T")
    assert record["address_key"] == "sveavagen98a"
    assert set(record) == {
        *("valuation_id", "format", "made_at", "valuation_date", "mode", "value_sek"),
        *("low_sek", "high_sek", "confidence_class", "model", "model_version"),
        *("snapshot_id", "code_commit", "address_key", "place_level", "district"),
        *("municipality", "latitude", "longitude", "facts"),
    }


def test_the_same_record_twice_counts_once(settings: Settings) -> None:
    log = log_of(settings)
    log.append(valuation())
    log.append(valuation(), valuation(4_900_000))

    kept = read_log(settings.forward_log_dir)
    assert (len(kept.records), kept.duplicate_count) == (2, 1)


def test_torn_and_changed_lines_are_told_and_spoil_no_other(settings: Settings) -> None:
    log = log_of(settings)
    log.append(valuation())
    path = settings.forward_log_dir / "2026-03-02.jsonl"
    line = path.read_bytes().strip()
    with path.open("ab") as file:
        file.write(line[:100] + b"\xc3\x00")  # no line end: torn inside a record
    log.append(valuation(4_900_000))
    with path.open("ab") as file:
        file.write(line.replace(b"5000000", b"6000000") + b"\n[1]\n")

    kept = read_log(settings.forward_log_dir)
    assert {record["value_sek"] for record in kept.records} == {5_000_000, 4_900_000}
    assert [each.reason.split(":")[0] for each in kept.damaged] == [
        "torn",
        "changed",
        "not a valuation",
    ]
    assert kept.damaged[0].file == "2026-03-02.jsonl"


def _append_many(settings: Settings, first: int) -> None:
    log = log_of(settings)
    for number in range(100):
        log.append(valuation(first + number))


def test_processes_append_at_once_and_nothing_is_lost(settings: Settings) -> None:
    forked = multiprocessing.get_context("fork")
    processes = [
        forked.Process(target=_append_many, args=(settings, 1_000_000 * n))
        for n in range(1, 5)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    kept = read_log(settings.forward_log_dir)
    assert (len(kept.records), kept.damaged) == (400, [])
    assert len(list(settings.forward_log_dir.iterdir())) == 1


def test_a_folder_that_cannot_be_written_warns_once_and_fails_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.data.mkdir(parents=True)
    settings.forward_log_dir.write_text("a file where the folder should be")
    log = log_of(settings)

    with caplog.at_level(logging.WARNING):
        log.append(valuation())
        log.append(valuation())
    assert len(caplog.records) == 1
    assert "not logged: cannot write" in caplog.text


def test_switched_off_nothing_is_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_FORWARD_LOG", "false")
    log_of(Settings()).append(valuation())
    assert not settings.forward_log_dir.exists()


def test_appending_takes_less_than_a_millisecond(settings: Settings) -> None:
    log, made = log_of(settings), valuation()
    log.append(made)
    durations_s = []
    for _ in range(50):
        started = time.perf_counter()
        log.append(made)
        durations_s.append(time.perf_counter() - started)
    # the median: other processes may hold the disk for a moment
    assert sorted(durations_s)[25] < 0.001


@pytest.mark.parametrize(
    "address",
    ["Sveavägen 98", "S:t Eriksgatan 5 b", "Åsögatan 12, 3 tr", "Ängsvägen 3-5", "Ön"],
)
def test_keys_are_spelt_as_in_the_warehouse(address: str) -> None:
    sql = f"select {TEXT_KEY_SQL.format(ADDRESS_SQL)} from (select $address as address)"
    (key,) = duckdb.execute(sql, {"address": address}).fetchall()[0]
    ours = matching_key(address, place(street=None))
    assert (ours or text_key(address)) == key


def test_a_mended_street_keeps_the_number_that_was_asked() -> None:
    assert matching_key("Sveavagn 98 b", place("Sveavägen")) == "sveavagen98b"
    assert matching_key("Sveavägen", place("Sveavägen")) is None
