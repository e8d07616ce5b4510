"""The figures of `left_out.py`: what each criterion selects, how it orders backbones, and what each threshold loses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from machine import describe
from scipy.stats import kendalltau

from cxrbench.evaluation.metrics import search_metric
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import of_subset
from cxrbench.evaluation.ranking import resample
from cxrbench.evaluation.shifted import best_accuracy
from cxrbench.evaluation.threshold import choose_threshold
from cxrbench.leaderboard.board import read_boards

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import Entry

POLICIES = ("max-f1", "median-f1", "youden", "median-youden", "max-accuracy", "median-accuracy", "fixed=0.5")
SELECTIONS = ("validation", "robust")
PLAIN = "+none+none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A recipe of one task: what each criterion says of it, and its scores.

    Attributes:
        control: whether it sees no lung; a threshold of it tells nothing.
        criteria: value by name of the criterion; the highest is selected.
        validated, tested, left_out: the scores of its head.
    """

    control: bool
    criteria: Mapping[str, float]
    validated: Predictions
    tested: Predictions
    left_out: Predictions


def read_rows(folder: Path, task: str) -> dict[str, Row]:
    """Return the rows of a task by recipe; those of `--select robust` have names that say so."""
    rows = {}
    for select in SELECTIONS:
        if (folder / select / task).is_dir():
            (board,) = read_boards(folder / select / task)
            for entry in board.entries:
                if entry.kind == "recipe" and entry.status == "complete":
                    name = entry.name if select == "validation" else f"{entry.name} (robust)"
                    rows[name] = read_row(board, entry, select)
    return rows


def read_row(board: Board, entry: Entry, select: str) -> Row:
    """Return an entry's values and scores."""
    assert board.folder
    (result,) = [path for path in (board.folder / "external" / "left-out").glob("*.npz") if path.stem == stem(entry)]
    table = read_predictions(board.folder / entry.predictions)
    (head,) = entry.folds[0].heads
    found = {part: of_subset(table, part)[0, 0].at(head.threshold) for part in ("validation", "test")}
    validated, tested = found["validation"], found["test"]
    if select == "robust":
        criteria = {"--select robust": entry.folds[0].validation["auc"]}
    else:
        criteria = {
            "validation AUC": search_metric("auc", validated.labels, validated.scores, 0.5),
            "test AUC": entry.metrics["auc"],
            "auc_shifted": board.shifts[entry.name].metrics["auc"],
            "auc_worst": board.shifts[entry.name].by_name[board.shifts[entry.name].worst].metrics["auc"],
        }
    (left_out,) = of_subset(read_predictions(result), "external").values()
    return Row(
        control=entry.control, criteria=criteria, validated=validated, tested=tested, left_out=left_out.at(head.threshold)
    )


def stem(entry: Entry) -> str:
    """Return the file name of an entry's results."""
    return entry.predictions.rpartition("/")[2].removesuffix(".npz")


def auc(predictions: Predictions) -> float:
    """Return the AUC of the scores."""
    return search_metric("auc", predictions.labels, predictions.scores, 0.5)


def regrets(task: str, rows: Mapping[str, Row]) -> None:
    """Print what each criterion selects, and what is lost against the best row of the task."""
    alike = {name: [replace(row.left_out, subset="test", fold=0, seed=0)] for name, row in rows.items()}
    resampled = resample(alike, {"auc"}, seed=0, prevalence=0.1)
    reached = {name: auc(row.left_out) for name, row in rows.items()}
    best = max(reached, key=lambda name: reached[name])
    print(f"| {task} | (the best row) | {best} | {reached[best]:.4f} | |")
    for criterion in dict.fromkeys(name for row in rows.values() for name in row.criteria):
        candidates = {name: row.criteria[criterion] for name, row in rows.items() if criterion in row.criteria}
        chosen = max(candidates, key=lambda name: candidates[name])
        lost = resampled.difference(best, chosen, "auc")
        print(
            f"| | {criterion} | {chosen} | {reached[chosen]:.4f} | {lost.difference:.4f} ({lost.low:.4f} to {lost.high:.4f}) |"
        )


def agreement(rows: Mapping[str, Row]) -> dict[str, tuple[int, int, float]]:
    """Return by criterion: pairs of backbones ordered as the left-out images order them, all pairs, Kendall's tau of rows."""
    found = {}
    for criterion in dict.fromkeys(name for row in rows.values() for name in row.criteria):
        of = {name: (row.criteria[criterion], auc(row.left_out)) for name, row in rows.items() if criterion in row.criteria}
        plain = [values for name, values in of.items() if name.removesuffix(" (robust)").endswith(PLAIN)]
        pairs = list(combinations(plain, 2))
        same = sum((first[0] > second[0]) == (first[1] > second[1]) for first, second in pairs)
        found[criterion] = same, len(pairs), float(kendalltau(*zip(*of.values(), strict=True)).statistic)
    return found


def lost_accuracy(rows: Mapping[str, Row], policy: str) -> tuple[float, float, float]:
    """Return the mean over rows: accuracy on test images, on left-out ones, and what the best threshold there would add."""
    found = []
    for row in (row for row in rows.values() if not row.control):
        validated = row.validated
        threshold = choose_threshold(policy, validated.labels, validated.scores, validated.patients)
        tested, left_out = (accuracy(one, threshold) for one in (row.tested, row.left_out))
        found.append((tested, left_out, best_accuracy(row.left_out.labels, row.left_out.scores) - left_out))
    first, second, third = np.mean(found, axis=0).tolist()
    return first, second, third


def accuracy(predictions: Predictions, threshold: float) -> float:
    """Return the accuracy at a threshold."""
    return search_metric("accuracy", predictions.labels, predictions.scores, threshold)


def report(folder: Path, tasks: Sequence[str]) -> None:
    """Print every table as Markdown."""
    print(describe())
    found = {task: read_rows(folder, task) for task in tasks}
    print("\n| task | criterion | it selects | AUC on the left-out pair | regret (95 %) |\n|---|---|---|---|---|")
    for task, rows in found.items():
        regrets(task, rows)
    print("\n| criterion | " + " | ".join(f"{task}: pairs, tau" for task in tasks) + " |")
    print("|---" * (1 + len(tasks)) + "|")
    agreements = {task: agreement(rows) for task, rows in found.items()}
    for criterion in next(iter(agreements.values())):
        cells = [agreements[task][criterion] for task in tasks]
        print(f"| {criterion} | " + " | ".join(f"{same} of {pairs}, {tau:.2f}" for same, pairs, tau in cells) + " |")
    print("\n| threshold | " + " | ".join(f"{task}: test, left out (lost)" for task in tasks) + " |")
    print("|---" * (1 + len(tasks)) + "|")
    for policy in POLICIES:
        cells = [lost_accuracy(rows, policy) for rows in found.values()]
        print(f"| {policy} | " + " | ".join(f"{test:.3f}, {left:.3f} ({lost:.3f})" for test, left, lost in cells) + " |")
