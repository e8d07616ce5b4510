"""`cxrbench show`: explain one entry."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.options import AsJson
from cxrbench.errors import StudyDamaged

if TYPE_CHECKING:
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.leaderboard.store.shift_result import ShiftResult
    from cxrbench.plugin.contracts import Trial


def show(
    context: typer.Context,
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="Recipe as shown in the table, rank, or JSON file of an entry")],
    as_json: AsJson = False,
) -> None:
    """Explain the result or the failure of an entry."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.describe import describe, study_facts
    from cxrbench.leaderboard.group_table import group_tables
    from cxrbench.leaderboard.lookup import find_entry
    from cxrbench.leaderboard.shift_table import SHIFT_HEADINGS, shift_rows
    from cxrbench.leaderboard.store.entry_files import read_entry

    settings = read_settings(context.obj)
    path = find_entry(entry, settings.out, console.print_message)
    stored = read_entry(path)
    if as_json:
        console.print_json(stored.model_dump(mode="json"))
        return
    folder = _folder_of(stored, path)
    for title, facts in describe(stored, path, _trials_of(stored, folder)).items():
        console.print_section(title, facts)
    if facts := list(study_facts(stored, folder, in_database=bool(settings.storage))):
        console.print_section("studies, for Optuna's own tools", facts)
    for table in group_tables(stored):
        console.print_section(table.title, ())
        console.print_table(table.headings, (tuple("\n".join(filter(None, cell)) for cell in row) for row in table.rows))
    if result := _result_under_shifts(stored, path):
        console.print_section("test images under shifts", ())
        console.print_table(SHIFT_HEADINGS, shift_rows(stored, result))


def _result_under_shifts(entry: Entry, path: Path) -> ShiftResult | None:
    """Return the result of the entry's present heads on shifted test images, if there is one beside it."""
    from cxrbench.leaderboard.store.shift_result import read_shift_result

    beside = path.parent.parent / "shifts" / path.name
    result = read_shift_result(beside) if beside.is_file() else None
    return result if result and result.selections == entry.selections else None


def _folder_of(entry: Entry, path: Path) -> ProtocolFolder:
    """Return the protocol's folder that holds an entry's file."""
    from cxrbench.leaderboard.store.attempts import attempt_of
    from cxrbench.leaderboard.store.folder import ProtocolFolder

    protocol_folder = path.parent.parent
    attempt = attempt_of(protocol_folder.name, entry.protocol) or 1
    return ProtocolFolder(out=protocol_folder.parent, protocol=entry.protocol, attempt=attempt)


def _trials_of(entry: Entry, folder: ProtocolFolder) -> list[Trial]:
    """Return the trials that an entry holds, else those of its studies whose record is neither missing nor damaged."""
    from cxrbench.search.record import read_trials

    if held := [trial for fold in entry.folds for trial in fold.history.trials()]:
        return held
    trials: list[Trial] = []
    for record in filter(Path.is_file, map(folder.study, entry.studies.values())):
        with suppress(StudyDamaged):  # the entry gives this as its failure reason
            trials += read_trials(record, entry.name)
    return [trial for trial in trials if trial.number < entry.protocol.trials]
