"""`cxrbench compare`: two entries of one leaderboard, metric by metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.leaderboard.comparison import Difference

HEADINGS = ("metric", "A", "B", "A - B", "95 % interval", "p", "test")


def compare(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A recipe as it stands in the table: backbone+augmentation+imbalance")
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="The recipe to compare it with")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where leaderboards were written [leaderboard]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON")] = False,
) -> None:
    """Say how two recipes differ on the same test images, and whether that is more than chance."""
    from dataclasses import asdict

    from cxrbench.cli import console
    from cxrbench.config.recipe import name_in_table
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.comparison import compare as compare_entries
    from cxrbench.leaderboard.comparison import find_pair

    names = [name_in_table(text) for text in (first, second)]
    found = [
        (board, compare_entries(board, one, other))
        for board, one, other in find_pair(read_boards(read_settings({"out": out}).out), *names)
    ]
    if as_json:
        rows: list[dict[str, Any]] = [
            {"protocol": board.name, "a": names[0], "b": names[1], **asdict(one)}
            for board, differences in found
            for one in differences
        ]
        console.print_json(rows)
        return
    for board, differences in found:
        console.print_facts({"protocol": board.name, "A": names[0], "B": names[1]})
        console.print_table(HEADINGS, _cells(differences))


def _cells(differences: Sequence[Difference]) -> list[tuple[str, ...]]:
    return [
        (
            one.metric,
            f"{one.first:.4f}",
            f"{one.second:.4f}",
            f"{one.difference:+.4f}",
            f"{one.low:+.4f} to {one.high:+.4f}",
            f"{one.p:.4f}" if one.p >= 1e-4 else f"{one.p:.1e}",
            one.test,
        )
        for one in differences
    ]
