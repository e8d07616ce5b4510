"""`cxrbench show`: explain one entry."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.errors import StudyDamaged

if TYPE_CHECKING:
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.plugin.contracts import Trial


def show(
    entry: Annotated[
        str, typer.Argument(metavar="ENTRY", help="A recipe as it stands in the table, its rank, or an entry's JSON file")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where leaderboards were written [leaderboard]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the entry as JSON")] = False,
) -> None:
    """Explain an entry: what it came to and how, or why it failed and what to do."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.describe import describe
    from cxrbench.leaderboard.lookup import find_entry
    from cxrbench.leaderboard.store.entry_files import read_entry

    path = find_entry(entry, read_settings({"out": out}).out)
    found = read_entry(path)
    if as_json:
        console.print_json(found.model_dump(mode="json"))
        return
    for section in describe(found, path, _trials(found, path)):
        console.print_section(section.title, section.facts)


def _trials(entry: Entry, path: Path) -> list[Trial]:
    """Return the trials of an entry's studies as far as their records lie beside its protocol's folder."""
    from cxrbench.leaderboard.store.attempts import attempt_of
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.search.record import read_trials

    place = path.parent.parent
    attempt = attempt_of(place.name, entry.protocol) or 1
    folder = ProtocolFolder(out=place.parent, protocol=entry.protocol, attempt=attempt)
    studies = [*(fold.study for fold in entry.folds if fold.study), *entry.begun]
    found: list[Trial] = []
    for record in filter(Path.is_file, map(folder.study, studies)):
        with suppress(StudyDamaged):  # which is then the reason why the entry failed
            found += read_trials(record, entry.recipe)
    return [trial for trial in found if trial.number < entry.protocol.trials]
