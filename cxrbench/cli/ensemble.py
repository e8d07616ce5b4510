"""`cxrbench ensemble`: put entries of a leaderboard together, from their stored scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cxrbench.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.leaderboard.board import Board


def ensemble(
    entries: Annotated[
        list[str] | None,
        typer.Argument(metavar="ENTRY", help="Recipes as they stand in the table [all complete ones]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where leaderboards were written [leaderboard]", show_default=False)
    ] = None,
    protocol: Annotated[str, typer.Option(metavar="NAME", help="Which leaderboard, if there are several")] = "",
    method: Annotated[
        Literal["soft-vote", "greedy"],
        typer.Option(
            help="soft-vote: the mean of all; greedy: those that together are best on validation, some more than once"
        ),
    ] = "greedy",
    size: Annotated[
        int | None,
        typer.Option(min=1, help="soft-vote: take the best on validation [all]; greedy: rounds [20]", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON instead of a table")] = False,
) -> None:
    """Enter the mean of several entries' scores, chosen on their stored validation scores; nothing is trained."""
    from cxrbench.benchmark.ensemble.members import Ensemble, candidates
    from cxrbench.benchmark.ensemble.run import add_ensemble
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.publish import publish
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.plugin.host import load_host

    settings = read_settings({"out": out})
    board = _one_of(read_boards(settings.out), protocol)
    folder = ProtocolFolder(out=settings.out, protocol=board.protocol, attempt=board.attempt)
    host = load_host(settings.plugin, settings.blocked)
    found = candidates(board.entries, entries or ())
    plan = Ensemble(protocol=board.protocol, method=method, size=size, candidates=found)
    entry = add_ensemble(folder, plan, board.external)
    host.notify("on_entry", console.print_talk, entry=entry)
    board = publish(folder)
    host.notify("on_run_end", console.print_talk, board=board)
    if as_json:
        console.print_json(board.records())
    else:
        console.print_board(board)


def _one_of(boards: Sequence[Board], name: str) -> Board:
    """Return the board of that name, or the only one."""
    names = {board.name: board for board in boards}
    if name and name not in names:
        raise unknown_name("protocol", name, names)
    if not name and len(names) > 1:
        raise ConfigError(f"there are several leaderboards: say which one with --protocol {' or --protocol '.join(names)}")
    return names[name or next(iter(names))]
