"""What a board says, in sentences for people who do not train models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.data.audit.findings import STOPS, Audit
from cxrbench.leaderboard.render import notes, reasons
from cxrbench.leaderboard.report.table import shown_estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.rows import Row
    from cxrbench.leaderboard.store.entry import DatasetFacts

NOT_SHIFTED = (
    "No images that were made differently, such as with another exposure, were scored: nothing here tells whether it stays "
    "first on images of another hospital."
)

CLEAN = f"data audit: {Audit().verdict}"
NEW = "Each image was scored by classifiers that had not learnt from it."
APART = "Each image was scored by classifiers that had learnt from images of other patients alone."
"""Where the split keeps the images of a patient together."""
LEAKED = "Some of these images or their patients were also used for training, so the numbers are too good: see the warnings."
LEAST = 0.0005
"""Lead that is 0.001 when rounded."""


def sentences(board: Board) -> tuple[str, ...]:
    """Return what was compared on which images, who wins and by how much, and whether the winner stays first under shifts."""
    rows = board.rows()
    ranked = [row for row in rows if row.rank and row.entry.kind != "baseline" and not row.entry.control]
    if not ranked:
        return (_compared(board, rows), "No recipe has a result yet.")
    return (_compared(board, rows), _winner(board, ranked), _under_shifts(board, ranked))


def warnings(board: Board) -> tuple[str, ...]:
    """Return what must be read before the numbers: notices, leaks, shortcuts, failures and small validation parts."""
    said = [note for note in notes(board, board.rows()) if note != CLEAN]
    return (*_leaks(board), *said, *reasons(board.rows()))


def _leaks(board: Board) -> list[str]:
    """Return the findings of the audits that would have stopped the run, each once."""
    found = (finding for entry in board.entries for finding in entry.audit.findings if finding.severity in STOPS)
    return list(dict.fromkeys(f"{finding.severity.upper()}: {finding.message}" for finding in found))


def _compared(board: Board, rows: Sequence[Row]) -> str:
    recipes = [row for row in rows if row.entry.kind != "baseline" and not row.entry.control]
    controls = len(rows) - len(recipes)
    beside = f", beside {_counted(controls, 'control')} that see no detail of a lung and should do badly" if controls else ""
    facts = next((row.entry.dataset for row in rows if row.is_complete and row.entry.dataset), None)
    images = _images(facts) if facts else "test images"
    leaked = any(finding.severity == "leak" for row in rows for finding in row.entry.audit.findings)
    compared = "was scored" if len(recipes) == 1 else "were compared"
    unseen = APART if board.protocol.split == "grouped" or board.protocol.left_out else NEW
    return (
        f"{_counted(len(recipes), 'way')} of building an image classifier (a recipe) {compared} on {images} of the dataset "
        f"{board.protocol.dataset}{beside}. {LEAKED if leaked else unseen}"
    )


def _images(facts: DatasetFacts) -> str:
    negative, positive = (sum(getattr(fold, f"test_{name}") for fold in facts.folds) for name in ("negative", "positive"))
    names, total = facts.class_names, negative + positive
    each = f", each of them tested in one of {len(facts.folds)} folds," if len(facts.folds) > 1 else ""
    return f"{total:,} test images ({negative:,} {names.negative}, {positive:,} {names.positive}){each}"


def _winner(board: Board, ranked: Sequence[Row]) -> str:
    metric = board.protocol.metric
    first, *others = ranked
    said = f"{first.name} is first, with {_name(metric)} {shown_estimate(first, metric)}{_meaning(first, metric)}."
    return f"{said} {' '.join(_lead(first, others, metric))}"


def _meaning(first: Row, metric: str) -> str:
    value, facts = first.entry.metrics[metric], first.entry.dataset
    if metric != "auc" or not facts:
        return ""
    names = facts.class_names
    return f": given one {names.positive} and one {names.negative} image, it scores the former higher {value:.1%} of the time"


def _lead(first: Row, others: Sequence[Row], metric: str) -> Iterator[str]:
    if not others:
        yield "There is no other recipe to compare it with."
        return
    lead = first.entry.metrics[metric] - others[0].entry.metrics[metric]
    tied = sum(bool(row.standing.tied) for row in others)
    by = f"It leads {others[0].name} by {f'{lead:.3f}' if lead >= LEAST else 'less than 0.001'}"
    if others[0].standing.tied is None:
        yield f"{by}; whether that is more than chance is not known, because scores are missing."
    elif tied:
        yield f"{by}, which may be chance: {tied} of the {_counted(len(others), 'other recipe')} cannot be told apart from it."
    else:
        yield f"{by}, which is more than chance (at 5 %, corrected for the number of recipes)."
    if first.standing.unbeaten:
        controls = " and ".join(first.standing.unbeaten)
        yield f"It does not beat {controls} beyond chance, a control that sees no detail of a lung: it may be using a shortcut."


def _under_shifts(board: Board, complete: Sequence[Row]) -> str:
    first = complete[0]
    shifted = first.shifted("auc")[0]
    ranked = [row for row in complete if "auc_shifted" in row.shifted_ranks]
    if shifted is None or first not in ranked or not first.shifts:
        return NOT_SHIFTED
    leader = min(ranked, key=lambda row: row.shifted_ranks["auc_shifted"].rank)
    kinds = ", ".join(dict.fromkeys(score.shift.replace("-", " ") for score in first.shifts.standard))
    clean = first.estimate("auc")[0]
    fall = f"its AUC goes from {'-' if clean is None else f'{clean:.3f}'} to {shifted:.3f} on average"
    if leader is first:
        return f"When the test images are changed as other machines might ({kinds}), it stays first; {fall}."
    ahead = (leader.shifted("auc")[0] or 0.0) - shifted
    by = f"{ahead:.3f}" if ahead >= LEAST else "less than 0.001"
    chance = ", which may be chance" if first.shifted_ranks["auc_shifted"].low == 1 else ""
    return (
        f"When the test images are changed as other machines might ({kinds}), it does not stay first; {fall}, and "
        f"{leader.name} is ahead by {by}{chance}."
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _name(metric: str) -> str:
    return "AUC" if metric == "auc" else metric
