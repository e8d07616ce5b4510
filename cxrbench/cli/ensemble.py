"""`cxrbench ensemble`: add the mean of several entries' stored scores to a leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cxrbench.cli.options import AsJson
from cxrbench.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.leaderboard.board import Board


def ensemble(
    context: typer.Context,
    entries: Annotated[
        list[str] | None,
        typer.Argument(metavar="ENTRY", help="Recipes, as shown in the table [default: all complete]", show_default=False),
    ] = None,
    protocol: Annotated[str, typer.Option(metavar="NAME", help="Leaderboard to use; needed if there are several")] = "",
    method: Annotated[
        Literal["soft-vote", "greedy"],
        typer.Option(help="soft-vote: mean of all; greedy: add the best next recipe on validation, repeats allowed"),
    ] = "greedy",
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="soft-vote: use the N best on validation [default: all]; greedy: rounds [default: 20]",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add the mean of several entries' scores to a leaderboard.

    Members are chosen by their stored validation scores. Nothing is trained.
    """
    from cxrbench.benchmark.ensemble.members import Ensemble, candidates
    from cxrbench.benchmark.ensemble.run import add_ensemble
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.publish import publish
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.plugin.host import load_host

    settings = read_settings(context.obj)
    board = _board_named(read_boards(settings.out), protocol)
    folder = ProtocolFolder(out=settings.out, protocol=board.protocol, attempt=board.attempt)
    host = load_host(settings.plugin, settings.blocked)
    found = candidates(board.entries, entries or ())
    plan = Ensemble(protocol=board.protocol, method=method, size=size, candidates=found)
    entry = add_ensemble(folder, plan, board.external)
    host.notify("on_entry", console.print_message, entry=entry)
    board = publish(folder)
    host.notify("on_run_end", console.print_message, board=board)
    if as_json:
        console.print_json(board.records())
    else:
        console.print_board(board)


def _board_named(boards: Sequence[Board], name: str) -> Board:
    """Return the board of that protocol, or the only board if no name is given."""
    names = {board.name: board for board in boards}
    if name and name not in names:
        raise unknown_name("protocol", name, names)
    if not name and len(names) > 1:
        raise ConfigError(f"there are several leaderboards: choose one with --protocol {' or --protocol '.join(names)}")
    return names[name or next(iter(names))]
