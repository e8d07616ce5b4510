"""Entries and external results as JSON files, checked when they are read: they may be somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.protocol import Protocol
from cxrbench.config.recipe import stem_of
from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.entry import Entry, ExternalResult
from cxrbench.leaderboard.store.validation import contradiction
from cxrbench.storage.files import write_json
from cxrbench.storage.json_records import read_record

if TYPE_CHECKING:
    from pathlib import Path


def write_entry(path: Path, entry: Entry) -> None:
    """Write an entry as JSON, having checked it once more: records that were copied with changes have not been."""
    write_json(path, Entry.model_validate(entry.model_dump()).model_dump(mode="json"))


def read_entry(path: Path) -> Entry:
    """Read an entry from whatever file.

    Raises:
        CxrbenchError: it is no entry of this version, or no test images can have given its numbers; the message names the file.
    """
    entry = read_record(path, Entry, within=path.parent.parent, what="entry")
    if problem := contradiction(entry) or _misnamed(entry):
        raise CxrbenchError(f"{path} is refused: {problem}")
    return entry


def read_placed_entry(path: Path) -> Entry:
    """Read ``PROTOCOL/entries/RECIPE.json``; raise CxrbenchError as `read_entry`, and if it is another recipe's entry."""
    entry = read_entry(path)
    stem = stem_of(entry.recipe)
    if path.stem != stem:
        raise CxrbenchError(f"{path} is refused: it is the entry of {entry.recipe}, whose file is called {stem}.json")
    return entry


def read_external(path: Path) -> ExternalResult:
    """Read a result on an external test set, ``PROTOCOL/external/NAME/RECIPE.json``; raise CxrbenchError if it is none."""
    result = read_record(path, ExternalResult, within=path.parent.parent.parent, what="external result")
    if path.stem != stem_of(result.recipe) or path.parent.name != result.name:
        raise CxrbenchError(f"{path} is refused: it is the result of {result.recipe} on {result.name}, whose file it is not")
    return result


def read_protocol(path: Path) -> Protocol:
    """Read ``PROTOCOL/protocol.json``; raise CxrbenchError if it is no protocol of this version."""
    return read_record(path, Protocol, within=path.parent, what="protocol")


def _misnamed(entry: Entry) -> str:
    """Return which names in an entry do not fit each other, or ""."""
    parts = "+".join((entry.backbone, entry.augmentation, entry.imbalance))
    if entry.recipe not in {parts, entry.backbone}:  # the latter for what is no combination, such as an ensemble
        return f"it calls itself {entry.recipe}, but its parts make {parts}"
    expected = f"predictions/{stem_of(entry.recipe)}.csv"
    if entry.predictions != expected and (entry.predictions or entry.status == "complete"):
        return f"its predictions are said to be {entry.predictions or 'nowhere'}; they belong in {expected}"
    return ""
