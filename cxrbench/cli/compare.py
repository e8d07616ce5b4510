"""`cxrbench compare`: compare two entries of one leaderboard, metric by metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxrbench.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.leaderboard.comparison import Difference

COMPARISON_HEADINGS = ("metric", "A", "B", "A - B", "95 % interval", "p", "test")


def compare(
    context: typer.Context,
    first: Annotated[
        str,
        typer.Argument(metavar="A", help="First recipe, as shown in the table (backbone+augmentation+imbalance), or its rank"),
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="Second recipe, or its rank")],
    as_json: AsJson = False,
) -> None:
    """Compare two recipes on the same test images.

    For each metric: both values, the difference, its 95 % interval and the p-value.
    """
    from dataclasses import asdict

    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.comparison import compare_entries, find_pair
    from cxrbench.leaderboard.lookup import find_names

    boards, names = find_names((first, second), read_settings(context.obj).out, console.print_message)
    compared = [(board, compare_entries(board, entry, other)) for board, entry, other in find_pair(boards, *names)]
    if as_json:
        rows: list[dict[str, Any]] = [
            {"protocol": board.name, "a": names[0], "b": names[1], **asdict(difference)}
            for board, differences in compared
            for difference in differences
        ]
        console.print_json(rows)
        return
    for board, differences in compared:
        console.print_facts({"protocol": board.name, "A": names[0], "B": names[1]})
        console.print_table(COMPARISON_HEADINGS, _comparison_rows(differences))


def _comparison_rows(differences: Sequence[Difference]) -> list[tuple[str, ...]]:
    return [
        (
            row.metric,
            f"{row.first:.4f}",
            f"{row.second:.4f}",
            f"{row.difference:+.4f}",
            f"{row.low:+.4f} to {row.high:+.4f}",
            f"{row.p:.4f}" if row.p >= 1e-4 else f"{row.p:.1e}",
            row.test,
        )
        for row in differences
    ]
