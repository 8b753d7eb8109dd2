"""Which version serves: decided once, logged, undone, and never lost half-way."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from registry_contract import register

from ml.champions import Champions, ChampionsError
from ml.champions_command import main
from ml.decision_log import GATE
from ml.registry import RegistryError
from ml.serving_models import ServingRegistry
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.settings import Settings


@pytest.fixture
def champions(settings: Settings, tmp_path: Path) -> Champions:
    """Three versions of the model tiny, none of which was decided on."""
    champions = Champions.of(settings)
    for text in ("one", "two", "three"):
        register(champions.registry, tmp_path, text)
    return champions


def promote(champions: Champions, version: int) -> None:
    champions.promote("tiny", version, by=GATE, reason="better")


def refuse(champions: Champions, version: int, serves: int) -> None:
    registry = champions.registry
    challenger, champion = registry.get("tiny", version), registry.get("tiny", serves)
    champions.keep(challenger, champion, by=GATE, reason="worse")


def damage(champions: Champions, version: int) -> None:
    path = champions.registry.folder("tiny", version) / "model" / "model.json"
    path.write_text("spoilt", encoding="utf-8")


def lose_record(champions: Champions, version: int) -> None:
    path = champions.registry.folder("tiny", version) / "version.json"
    path.write_text("{", encoding="utf-8")


def serves(champions: Champions) -> int:
    return champions.served("tiny").version.version


def test_without_a_decision_the_newest_serves(champions: Champions) -> None:
    assert serves(champions) == 3
    assert champions.served("tiny").note == ""


def test_the_champion_serves_whatever_is_newer(
    champions: Champions, settings: Settings, tmp_path: Path
) -> None:
    promote(champions, 2)
    refuse(champions, 3, serves=2)

    registry = ServingRegistry(settings)
    assert registry.get("tiny").version == 2
    version, copy = registry.fetch_served("tiny", tmp_path)
    assert version.version == 2
    assert (copy / "trees" / "0.bin").read_text() == "two"


def test_a_refused_version_stands_in_only_where_nothing_else_can_serve(
    champions: Champions,
) -> None:
    refuse(champions, 1, serves=1)
    refuse(champions, 2, serves=1)
    assert serves(champions) == 1
    assert not champions.history("tiny").has_passed(1)


def test_rolling_back_goes_through_those_that_served_and_back_no_further(
    champions: Champions,
) -> None:
    for version in (1, 2, 3):
        promote(champions, version)
    back = [
        champions.roll_back("tiny", by="Ada", reason="odd values").to_version
        for _ in range(2)
    ]
    assert back == [2, 1]
    with pytest.raises(ChampionsError, match="none to roll back to"):
        champions.roll_back("tiny", by="Ada", reason="odd values")
    assert serves(champions) == 1


def test_a_version_promoted_after_a_roll_back_goes_back_to_what_served_then(
    champions: Champions,
) -> None:
    promote(champions, 1)
    promote(champions, 2)
    champions.roll_back("tiny", by="Ada", reason="odd values")
    champions.promote("tiny", 3, by="Bo", reason="mended")
    assert champions.roll_back("tiny", by="Ada", reason="again").to_version == 1


def test_the_log_says_who_when_what_and_why(champions: Champions) -> None:
    champions.promote("tiny", 2, by=GATE, reason="better", figures={"mape_pct": 7.0})
    champions.promote("tiny", 3, by="Ada", reason="it knows\nthe new street")
    lines = champions.path("tiny").read_text(encoding="utf-8").splitlines()
    first, second = (json.loads(line) for line in lines)
    assert first["figures"] == {"mape_pct": 7.0}
    assert (first["by"], first["action"], first["from_version"]) == (
        "gate",
        "promote",
        None,
    )
    assert (second["by"], second["from_version"], second["to_version"]) == ("Ada", 2, 3)
    assert second["reason"] == "it knows the new street"
    assert second["at"].endswith("+00:00")


def test_the_same_decision_twice_is_one_line(champions: Champions) -> None:
    for _ in range(2):
        promote(champions, 2)
    for _ in range(2):
        refuse(champions, 3, serves=2)
    actions = [entry.action for entry in champions.history("tiny").entries]
    assert actions == ["promote", "keep"]


def test_what_a_person_passed_over_is_known_until_a_newer_version(
    champions: Champions, tmp_path: Path
) -> None:
    promote(champions, 2)
    promote(champions, 3)
    champions.roll_back("tiny", by="Ada", reason="odd values")
    register(champions.registry, tmp_path, "four")
    history = champions.history("tiny")
    passed_over = [history.passed_over(version) for version in (2, 3, 4)]
    assert [bool(entry) for entry in passed_over] == [False, True, False]


@pytest.mark.parametrize("spoil", [damage, lose_record])
def test_a_damaged_champion_gives_way_to_the_one_before_and_says_so(
    spoil: object, champions: Champions, tmp_path: Path
) -> None:
    promote(champions, 1)
    promote(champions, 3)
    assert callable(spoil)
    spoil(champions, 3)

    served, copy = champions.fetch_served("tiny", tmp_path)

    assert served.version.version == 1
    assert (copy / "trees" / "0.bin").read_text() == "one"
    assert "Serving tiny version 1 instead" in served.note
    assert champions.verified("tiny") == served
    assert serves(champions) == (1 if spoil is lose_record else 3)


def test_the_gate_does_not_overrule_a_person_who_decided_meanwhile(
    champions: Champions,
) -> None:
    champions.promote("tiny", 2, by="Ada", reason="three is odd")
    with pytest.raises(ChampionsError, match="Ada chose tiny version 2 meanwhile"):
        promote(champions, 3)
    assert serves(champions) == 2


def test_a_damaged_champion_with_none_before_it_is_an_error(
    champions: Champions, tmp_path: Path
) -> None:
    promote(champions, 3)
    damage(champions, 3)
    with pytest.raises(RegistryError, match="version 3 is not what was registered"):
        champions.fetch_served("tiny", tmp_path)


def test_a_damaged_version_is_neither_promoted_nor_rolled_back_to(
    champions: Champions,
) -> None:
    for version in (1, 2, 3):
        promote(champions, version)
    damage(champions, 2)
    assert champions.roll_back("tiny", by="Ada", reason="odd").to_version == 1
    with pytest.raises(RegistryError, match="not what was registered"):
        promote(champions, 2)


def test_a_registry_made_anew_is_not_taken_for_the_old_one(
    champions: Champions, tmp_path: Path
) -> None:
    promote(champions, 2)
    for version in (1, 2, 3):
        folder = champions.registry.folder("tiny", version)
        folder.rename(tmp_path / f"old-{version}")
    for text in ("other", "another", "last"):
        register(champions.registry, tmp_path, text)
    served = champions.served("tiny")
    assert served.version.version == 3
    assert "the champion of tiny, version 2, is not in" in served.note


@pytest.mark.parametrize("kept_bytes", [0, 1, 40, -1])
def test_half_a_line_is_no_decision_and_the_next_is_whole(
    kept_bytes: int, champions: Champions
) -> None:
    promote(champions, 1)
    path = champions.path("tiny")
    before = path.read_bytes()
    promote(champions, 2)
    added = path.read_bytes()[len(before) :].rstrip(b"\n")
    path.write_bytes(before + added[: len(added) + min(kept_bytes, 0)][:kept_bytes])

    assert serves(champions) == 1
    promote(champions, 3)
    assert serves(champions) == 3
    assert len(champions.history("tiny").entries) == 2


def test_a_line_that_is_no_decision_is_passed_over_and_told(
    champions: Champions, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(champions, 1)
    with champions.path("tiny").open("a", encoding="utf-8") as file:
        file.write('{"to_version": "two"}\n\nnull\n')
    promote(champions, 2)
    assert serves(champions) == 2
    assert main(["status", "tiny"]) == 0
    assert "unreadable in" in (out := capsys.readouterr().out)
    assert "line 2, 4" in out


def promote_forever(settings: Settings) -> None:
    champions = Champions.of(settings)
    while True:
        for version in (1, 2, 3):
            champions.promote("tiny", version, by=GATE, reason="better")


def test_a_killed_promotion_leaves_the_old_champion_or_the_new(
    champions: Champions, settings: Settings, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    for round_ in range(5):
        process = context.Process(target=promote_forever, args=(settings,))
        process.start()
        time.sleep(0.02 * (round_ + 1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        served, _ = champions.fetch_served("tiny", tmp_path)
        last = champions.history("tiny").last
        assert served.note == ""
        assert served.version.version == (last.to_version if last else 3)
    champions.promote("tiny", 2, by="Ada", reason="after all that")
    assert serves(champions) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "tiny", "9", "--reason", "x"], "no version 9; it has 1, 2, 3"),
        (["promote", "huge", "--reason", "x"], "no model 'huge'.*registered: tiny"),
        (["status", "huge"], "no model 'huge'"),
        (["promote", "tiny"], "--reason"),
        (["promote", "tiny", "--reason", " "], "a reason"),
        (["promote", "tiny", "--reason", "x", "--by", "gate"], "nobody's name"),
        (["roll-back", "tiny", "--reason", "x"], "none to roll back to"),
        (["promote", "../tiny", "--reason", "x"], "not a model name"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], message: str, champions: Champions
) -> None:
    with pytest.raises(SlutprisError, match=message):
        main(arguments)
    assert champions.history("tiny").last is None


def test_the_command_promotes_rolls_back_and_shows(
    champions: Champions, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(champions, 1)
    assert main(["promote", "tiny", "--reason", "try it", "--by", "Ada"]) == 0
    assert "tiny version 3 promoted by Ada; serves: 1 -> 3; try it" in (
        capsys.readouterr().out
    )
    main(["roll-back", "tiny", "--reason", "no good", "--by", "Ada"])
    assert "version 3 rolled back by Ada; serves: 3 -> 1" in capsys.readouterr().out
    main(["status"])
    shown = capsys.readouterr().out
    assert "tiny: version 1 serves (the champion); newest is version 3" in shown
    main(["log"])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_status_without_a_decision_says_why_the_newest_serves(
    champions: Champions, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["status"])
    assert "since no version was judged yet" in capsys.readouterr().out
