"""The page of a board, and the page that lists several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.board import GALLERY
from cxrbench.leaderboard.render import footer, title
from cxrbench.leaderboard.report.cost_figures import cost_figures
from cxrbench.leaderboard.report.data_section import findings, image_table
from cxrbench.leaderboard.report.environment import render
from cxrbench.leaderboard.report.figures import curve_figures, distinct
from cxrbench.leaderboard.report.heat_map import heat_map
from cxrbench.leaderboard.report.row_details import row_details
from cxrbench.leaderboard.report.summary import sentences, warnings
from cxrbench.leaderboard.report.table import board_table

if TYPE_CHECKING:
    from cxrbench.leaderboard.board import Board


def board_as_html(board: Board, sort: str = "") -> str:
    """Return a board as one HTML file, ranked by `sort` or by the metric that the search maximised.

    Equal boards give equal pages. Parts that need what a board lacks (stored scores, shifts, curves, trials) are left out.
    """
    numbered = dict(enumerate(board.rows(sort), start=1))
    scored = {number: (row, heads) for number, row in numbered.items() if (heads := board.predictions.get(row.name))}
    details = [row_details(number, row, board.predictions.get(row.name, ())) for number, row in numbered.items()]
    images = image_table(board)
    return render(
        "page.html.j2",
        name=board.name,
        dataset=board.protocol.dataset,
        protocol=board.protocol,
        subtitle=title(board),
        sentences=sentences(board),
        warnings=warnings(board),
        table=board_table(board, numbered, sort),
        heat=heat_map(numbered),
        curves=curve_figures(scored, board.protocol.seed),
        picked={number: (row.name, number in distinct(scored)) for number, (row, _) in scored.items()},
        figures=tuple(cost_figures(numbered)),
        details=details,
        gallery=GALLERY if board.has_gallery else "",
        counts={str(one.number): one.thresholds.counts for one in details if one.thresholds},
        images=images,
        findings=findings(board),
        footer=footer(board)[:-1] if images else footer(board),  # the last line is that table
    )
