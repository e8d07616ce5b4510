"""`cxrbench reproduce`: run an entry again from its file alone, and report what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrbench.errors import ConfigError

EXIT_DIFFERENT = 1


def reproduce(
    context: typer.Context,
    entry: Annotated[
        Path, typer.Argument(metavar="ENTRY", help="JSON file of the entry: leaderboard/PROTOCOL/entries/RECIPE.json")
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Where its images are; not needed if they are generated or downloaded"),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="File that an option of the recipe names, such as weights; repeatable"),
    ] = None,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Allow code that the entry names, such as hypermodel:class=PACKAGE.CLASS")
    ] = False,
) -> None:
    """Run an entry again and report what differs.

    All settings come from the entry's file. Exit code 0: nothing differs. Exit code 1: something differs.
    """
    from cxrbench.benchmark.reproduce import reproduce_entry, settings_of
    from cxrbench.benchmark.requirements import require_no_code
    from cxrbench.cli import console
    from cxrbench.leaderboard.store.entry_files import read_entry
    from cxrbench.plugin.host import load_host

    if not entry.is_file():
        raise ConfigError(f"{entry}: no such file. Entries are in leaderboard/PROTOCOL/entries/")
    stored = read_entry(entry)
    settings = settings_of(stored, {**context.obj, **({"data": data} if data else {})}, file or ())
    host = load_host(settings.plugin, settings.blocked)
    if not trust_code:
        require_no_code(stored, host)
    predictions = entry.parent.parent / stored.predictions
    with console.ConsoleProgress() as progress:
        deviations = reproduce_entry(stored, predictions, settings, host, progress)
    if not deviations:
        compared = "metric, threshold and prediction" if predictions.is_file() else "metric and threshold"
        console.print_text(f"{stored.name}: reproduced exactly, every {compared}\n")
        if not predictions.is_file():
            console.print_message(f"{predictions}: no such file, so predictions were not compared")
        return
    console.print_table(
        ("what", "stored", "now"), [(deviation.what, deviation.stored, deviation.now) for deviation in deviations]
    )
    raise typer.Exit(EXIT_DIFFERENT)
