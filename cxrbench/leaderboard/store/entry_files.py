"""Entries, external results and protocols as JSON files: others may have written them, so reading checks them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cxrbench.config.recipe import stem_of
from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.paths import predictions_path
from cxrbench.leaderboard.store.schemas import ENTRY, EXTERNAL_RESULT, PROTOCOL
from cxrbench.leaderboard.store.validation import contradiction
from cxrbench.storage.files import write_json
from cxrbench.storage.json_records import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.config.protocol import Protocol
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.external_result import ExternalResult


def write_entry(path: Path, entry: Entry) -> None:
    """Write an entry as JSON."""
    write_json(path, entry.model_dump(mode="json"))


def read_entry(path: Path) -> Entry:
    """Read an entry from any file.

    Raises:
        CxrbenchError: the file is not a valid entry, or its numbers contradict each other; the message names the file.
    """
    entry = read_record(path, ENTRY, within=path.parent.parent)
    if problem := contradiction(entry) or _misnamed(entry):
        raise CxrbenchError(f"{path} is refused: {problem}")
    return entry


def read_placed_entry(path: Path) -> Entry:
    """Read ``PROTOCOL/entries/RECIPE.json``; raise CxrbenchError as `read_entry`, and for the entry of another recipe."""
    entry = read_entry(path)
    stem = stem_of(entry.name)
    if path.stem != stem:
        raise CxrbenchError(f"{path} is refused: it is the entry of {entry.name}, whose file name is {stem}.json")
    return entry


def read_external(path: Path) -> ExternalResult:
    """Read the result on an external test set, ``PROTOCOL/external/NAME/RECIPE.json``; raise CxrbenchError if it is invalid."""
    result = read_record(path, EXTERNAL_RESULT, within=path.parent.parent.parent)
    if path.stem != stem_of(result.recipe) or path.parent.name != result.name:
        raise CxrbenchError(f"{path} is refused: it is the result of {result.recipe} on {result.name}, and belongs elsewhere")
    return result


def read_protocol(path: Path) -> Protocol:
    """Read ``PROTOCOL/protocol.json``; raise CxrbenchError if it is not a valid protocol."""
    return read_record(path, PROTOCOL, within=path.parent)


def _misnamed(entry: Entry) -> str:
    """Return which names in an entry contradict each other, or ""."""
    parts = "+".join((entry.backbone, entry.augmentation, entry.imbalance))
    if entry.recipe not in {parts, entry.backbone}:  # the latter for the baseline and for ensembles
        return f"its name is {entry.recipe}, but its parts make {parts}"
    expected = predictions_path(stem_of(entry.name))
    known = {expected, str(PurePosixPath(expected).with_suffix(".csv"))}  # earlier versions wrote CSV
    if entry.predictions not in known and (entry.predictions or entry.status == "complete"):
        return f"it says that its predictions are in {entry.predictions or 'no file'}; they belong in {expected}"
    return ""
