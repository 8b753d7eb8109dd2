"""Which version of each model serves: promoting, refusing, rolling back, falling back.

What belongs here: the decisions that a gate or a person takes, and what serves when a
champion's files are damaged. What does not: judging a version (the gate of a domain),
how decisions are kept (``decision_log``) and how versions are (``folder_registry``).

``python -m ml.champions --help`` shows, promotes and rolls back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, TypeVar

from ml.decision_log import GATE, Action, Entry, History, append, read_history
from ml.file_lock import file_lock
from ml.folder_registry import FolderRegistry
from ml.model_versions import check_name, verify
from ml.registry import ModelVersion, RegistryError
from warehouse.errors import SlutprisError, exit_with

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from warehouse.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")
LOCK = ".lock"
LOCK_WAIT_S = 30.0


class ChampionsError(SlutprisError):
    """A version cannot be promoted or rolled back; the message says why."""


@dataclass(frozen=True)
class Served:
    """The version that serves, and what is out of the ordinary about it."""

    version: ModelVersion
    note: str = ""


class Champions:
    """The decisions on the models of one registry.

    Parameters
    ----------
    folder
        Where the logs are; made with the first decision.
    registry
        Whose versions they are about.
    """

    def __init__(self, folder: Path, registry: FolderRegistry) -> None:
        self.folder = folder
        self.registry = registry

    @classmethod
    def of(cls, settings: Settings) -> Champions:
        """Give those of the embedded registry."""
        return cls(settings.champions_dir, FolderRegistry(settings.registry_dir))

    def path(self, name: str) -> Path:
        """Give the file of a model's log."""
        check_name(name)
        return self.folder / f"{name}.jsonl"

    def history(self, name: str) -> History:
        """Read the decisions on a model."""
        return read_history(self.path(name))

    def served(self, name: str) -> Served:
        """Give the champion; where its record is damaged, the one before it.

        The newest version where none was ever decided on.

        Raises
        ------
        RegistryError
            When there is no version that can be read.
        """
        served, _ = self._first(name, self._candidates(name), lambda _number: None)
        return served

    def verified(self, name: str) -> Served:
        """Give what a process that starts now would serve: every file is verified.

        Raises
        ------
        RegistryError
            When none is what was registered; it is that of the champion.
        """
        served, _ = self._first(
            name,
            self._candidates(name),
            lambda number: self._verify(self.registry.get(name, number)),
        )
        return served

    def fetch_served(self, name: str, folder: Path) -> tuple[Served, Path]:
        """Copy the verified files of what serves to a folder of their own below one.

        A champion whose files are not what was registered is passed over for the one
        before it, which is said in the log.

        Raises
        ------
        RegistryError
            When none is what was registered; it is that of the champion.
        """
        return self._fetch_first(name, self._candidates(name), folder)

    def fetch_incumbent(
        self, name: str, challenger: int, folder: Path
    ) -> tuple[Served, Path] | None:
        """The same of what a challenger has to beat; None where nothing served before.

        Where nothing was ever decided on, that is the version before the challenger.

        Raises
        ------
        RegistryError
            When something served before, and none of it is what was registered.
        """
        if self.history(name).last is not None:
            return self.fetch_served(name, folder)
        older = [n for n in self.registry.numbers(name) if n < challenger]
        return self._fetch_first(name, older[::-1], folder) if older else None

    def incumbent(self, name: str, challenger: int) -> ModelVersion | None:
        """Give what a challenger has to beat, and what serves if it does not.

        None where nothing served before.

        Raises
        ------
        RegistryError
            When something served before, and none of it is what was registered.
        """
        if self.history(name).last is not None:
            return self.verified(name).version
        older = [n for n in self.registry.numbers(name) if n < challenger]
        return self.registry.get(name, older[-1]) if older else None

    def promote(
        self,
        name: str,
        version: int | None = None,
        *,
        by: str,
        reason: str,
        figures: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Let a version serve, the newest when None; its files are verified first.

        A version that is the champion already stays it, and nothing is logged.

        Raises
        ------
        SlutprisError
            When there is no such version, its files are not what was registered, or no
            reason is given.
        """
        found = self.registry.get(name, version)
        self._verify(found)
        entry = self._new("promote", found, found, by, reason, figures)
        with self._locked():
            history = self.history(name)
            last = history.last
            chosen = history.passed_over(found.version)
            if by == GATE and chosen is not None:
                raise ChampionsError(
                    f"{chosen.by} chose {name} version {chosen.to_version} meanwhile; "
                    "judge again: materialize its champion"
                )
            is_champion = last is not None and history.has_passed(found.version)
            if last is not None and is_champion and self._is_served(last, found):
                return last
            return self._append(entry)

    def keep(
        self,
        challenger: ModelVersion,
        serves: ModelVersion,
        *,
        by: str,
        reason: str,
        figures: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Log that a challenger was refused; once as long as it is so."""
        entry = self._new("keep", challenger, serves, by, reason, figures)
        with self._locked():
            last = self.history(challenger.name).last
            if last is not None and last.says_the_same(entry):
                return last
            return self._append(entry)

    def roll_back(self, name: str, *, by: str, reason: str) -> Entry:
        """Let the version serve that did before.

        Raises
        ------
        SlutprisError
            When none served before whose files are what was registered, or no reason is
            given.
        """
        self.registry.get(name)
        with self._locked():
            now, *before = self.history(name).succession or [None]
            before = [entry for entry in before if entry and self._is_same(entry)]
            if now is None or not before:
                raise ChampionsError(
                    f"no version of {name} served before the present one, so there is "
                    "none to roll back to; promote one by its number: "
                    f"python -m ml.champions promote {name} VERSION --reason TEXT"
                )
            there = self._first_whole(name, before)
            withdrawn = self._record_of(now)
            return self._append(
                self._new("roll_back", withdrawn, there, by, reason, None)
            )

    def _fetch_first(
        self, name: str, numbers: list[int], folder: Path
    ) -> tuple[Served, Path]:
        def copied(number: int) -> Path:
            into = Path(mkdtemp(prefix=f"{name}-{number}-", dir=folder))
            return self.registry.fetch(name, number, into)

        served, copy = self._first(name, numbers, copied)
        if served.note:
            logger.warning("%s", served.note)
        return served, copy

    def _first(
        self, name: str, numbers: list[int], look: Callable[[int], T]
    ) -> tuple[Served, T]:
        """Give the first version that nothing is wrong with, and what was found."""
        problems: list[RegistryError] = []
        for number in numbers:
            try:
                found = look(number)
                version = self.registry.get(name, number)
            except RegistryError as error:
                problems.append(error)
            else:
                return Served(version, self._note(name, number, problems)), found
        raise problems[0]

    def _candidates(self, name: str) -> list[int]:
        """Give the versions to serve, the champion first, then those before it."""
        succession = self.history(name).succession
        named = [entry.to_version for entry in succession if self._is_same(entry)]
        return list(dict.fromkeys(named)) or [self.registry.get(name).version]

    def _is_same(self, entry: Entry) -> bool:
        """Tell whether the registry's version is the one that was decided on."""
        if entry.to_version not in self.registry.numbers(entry.name):
            return False
        try:
            found = self.registry.get(entry.name, entry.to_version)
        except RegistryError:
            return True  # damaged, but no other: who asks for it is told
        return self._is_served(entry, found)

    def _is_served(self, entry: Entry, version: ModelVersion) -> bool:
        return (entry.to_version, entry.to_sha256) == (
            version.version,
            version.content_sha256,
        )

    def _note(self, name: str, number: int, problems: list[RegistryError]) -> str:
        last = self.history(name).last
        if problems:
            return f"{problems[0]}. Serving {name} version {number} instead"
        if last is None or last.to_version == number:
            return ""
        return (
            f"the champion of {name}, version {last.to_version}, is not in "
            f"{self.registry.root} any more; serving version {number}"
        )

    def _first_whole(self, name: str, entries: list[Entry]) -> ModelVersion:
        problems = []
        for entry in entries:
            try:
                version = self.registry.get(name, entry.to_version)
                self._verify(version)
            except RegistryError as error:
                problems.append(str(error))
            else:
                return version
        raise ChampionsError(
            f"none of the versions of {name} that served before is whole: "
            f"{'; '.join(problems)}"
        )

    def _record_of(self, entry: Entry) -> ModelVersion:
        """Give a version's record, or its number alone where that is lost."""
        try:
            return self.registry.get(entry.name, entry.to_version)
        except RegistryError:
            lost: dict[str, Any] = {}
            return ModelVersion(
                entry.name, entry.to_version, "", "", lost, lost, lost, lost, []
            )

    def _verify(self, version: ModelVersion) -> None:
        title = f"{version.name} version {version.version}"
        verify(self.registry.folder(version.name, version.version), title)

    def _new(
        self,
        action: Action,
        about: ModelVersion,
        serves: ModelVersion,
        by: str,
        reason: str,
        figures: Mapping[str, Any] | None,
    ) -> Entry:
        if not by.strip() or not reason.strip():
            raise ChampionsError(
                "a decision needs who takes it and a reason: the log keeps both"
            )
        last = self.history(about.name).last
        return Entry(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            by=by.strip(),
            name=about.name,
            action=action,
            version=about.version,
            from_version=last.to_version if last else None,
            to_version=serves.version,
            to_sha256=serves.content_sha256,
            newest=self.registry.numbers(about.name)[-1],
            reason=" ".join(reason.split()),
            figures=dict(figures or {}),
        )

    def _append(self, entry: Entry) -> Entry:
        append(self.path(entry.name), entry)
        return entry

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(self.folder / LOCK, LOCK_WAIT_S)


if __name__ == "__main__":
    from ml.champions_command import main

    exit_with(main)
