"""`cxrbench reproduce`: run an entry once more from its file alone, and say what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrbench.errors import ConfigError

DIFFERS = 1


def reproduce(
    entry: Annotated[
        Path, typer.Argument(metavar="ENTRY", help="An entry's JSON file, leaderboard/PROTOCOL/entries/RECIPE.json")
    ],
    data: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Where its images lie, unless they are drawn or fetched")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes; 0 computes in this one")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A one-file plugin, repeatable")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing and probe nothing")] = False,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Run code that the entry names, such as hypermodel:class=PACKAGE.CLASS")
    ] = False,
) -> None:
    """Run an entry once more from what its file says, and report every number that comes out otherwise.

    Exit code 0 if nothing does, 1 if something does.
    """
    from cxrbench.benchmark.reproduce import reproduce as run_again
    from cxrbench.benchmark.reproduce import require_no_code, settings_of
    from cxrbench.cli import console
    from cxrbench.leaderboard.store.entry_files import read_entry
    from cxrbench.plugin.host import load_host

    if not entry.is_file():
        raise ConfigError(f"{entry}: there is no such file; entries lie in leaderboard/PROTOCOL/entries/")
    stored = read_entry(entry)
    given = {"data": data, "workers": workers, "plugin": plugin, "offline": offline or None}
    settings = settings_of(stored, {name: value for name, value in given.items() if value not in (None, [])})
    host = load_host(settings.plugin, settings.blocked)
    if not trust_code:
        require_no_code(stored, host)
    predictions = entry.parent.parent / stored.predictions
    with console.ConsoleProgress() as progress:
        found = run_again(stored, predictions, settings, host, progress)
    if not found:
        compared = "metric, threshold and prediction" if predictions.is_file() else "metric and threshold"
        console.print_text(f"{stored.recipe}: reproduced exactly, every {compared}\n")
        if not predictions.is_file():
            console.print_talk(f"{predictions} is not there: single predictions were not compared")
        return
    console.print_table(("what", "stored", "now"), [(one.what, one.stored, one.now) for one in found])
    raise typer.Exit(DIFFERS)
