"""`cxrbench run`: give every recipe the same search under one protocol and print the ranked table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.interrupts import interruptible
from cxrbench.cli.options import AsJson
from cxrbench.errors import Interrupted, NothingFinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.benchmark.run import RunOutcome
    from cxrbench.leaderboard.board import Board

SOME_FAILED = 1


def run(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file of settings", show_default="cxrbench.toml, if it exists"),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be run and how long it takes, and run nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Give every recipe the same search and print the ranked leaderboard.

    Every flag is also a key of cxrbench.toml and an environment variable, such as CXRBENCH_TRIALS=50. C is a component:
    name, or name:key=value,key=value.
    """
    from cxrbench.benchmark.run import run_benchmark
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.plugin.host import load_host

    settings = read_settings(context.obj, config)
    host = load_host(settings.plugin, settings.blocked)
    if plan:
        from cxrbench.cli.plan import print_plan

        print_plan(settings, host, as_json=as_json)
        return
    try:
        with interruptible(), console.ConsoleProgress() as progress:
            outcome = run_benchmark(settings, host, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted. Finished work is kept; run the same command again to resume") from None
    if as_json:
        console.print_json(outcome.board.records())
    else:
        console.print_result(outcome.board, _places_and_commands(outcome.board))
    for line in _closing_lines(outcome):
        console.print_message(line)
    _exit(outcome)


def _places_and_commands(board: Board) -> Iterator[str]:
    """Yield where page, table and the first row's model are, and which command comes next."""
    from cxrbench.config.recipe import stem_of

    first = next((row for row in board.rows() if row.is_complete and not row.entry.control), None)
    if board.folder is None:
        return
    yield f"Page:  {board.folder / 'index.html'}"
    yield f"Table: {board.folder / 'leaderboard.csv'}"
    if first is None:
        return
    model = board.folder / first.entry.models
    if model.is_dir():
        yield f"Model: {model}"
    entry = board.folder / "entries" / f"{stem_of(first.name)}.json"
    yield f"Next:  cxrbench show {shlex.quote(str(entry))}    # how it was made, and how to repeat it"
    if board.protocol.notice:
        yield "       cxrbench run --data FOLDER    # your own images"


def _closing_lines(outcome: RunOutcome) -> Iterator[str]:
    for entry in outcome.entries:
        if entry.status != "complete" and entry not in outcome.board.entries:
            yield f"{entry.name} is {entry.status} now: {entry.reason}. The board still shows its earlier result"
    if outcome.skipped_backbones:
        names = ", ".join(outcome.skipped_backbones)
        yield f"Skipped (weights not found): {names}. Run with --download to fetch them: cxrbench run --download"


def _exit(outcome: RunOutcome) -> None:
    complete = sum(entry.status == "complete" for entry in outcome.entries)
    if not complete:
        raise NothingFinished("no recipe was completed; the reasons are below the table")
    if complete < len(outcome.entries):
        raise typer.Exit(SOME_FAILED)
