"""Compare two entries of one protocol: is one better, or is the difference chance?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError
from cxrbench.evaluation.metrics import METRICS
from cxrbench.evaluation.paired_tests import delong, mcnemar_exact, one_image_per_patient, permutation_accuracy
from cxrbench.evaluation.ranking import resample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import Entry

COMPARED = (*METRICS, "specificity", "balanced-accuracy", "brier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric of two entries on the same images.

    Attributes:
        first, second: the two values.
        difference, low, high: first minus second, and its 95 % interval from resampled patients.
        p: two-sided p-value.
        test: the test that it comes from.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    test: str


def compare_entries(board: Board, first: Entry, second: Entry) -> list[Difference]:
    """Return the difference of two complete entries of a board in every metric.

    The test is the paired bootstrap of patients, and for accuracy a permutation of patients. If every patient has one image and
    there is one head, DeLong's test and McNemar's exact test follow.
    """
    pair = {"first": board.predictions[first.name], "second": board.predictions[second.name]}
    protocol = board.protocol
    resampled = resample(pair, COMPARED, seed=protocol.seed, prevalence=protocol.prevalence)
    found = []
    for metric in COMPARED:
        one = resampled.difference("first", "second", metric)
        p, test = one.p, "bootstrap of patients"
        if metric == "accuracy":
            p, test = permutation_accuracy(pair["first"], pair["second"], protocol.seed), "exchange of patients"
        points = [resampled.points[name][metric] for name in pair]
        found.append(
            Difference(
                metric=metric,
                first=points[0],
                second=points[1],
                difference=one.difference,
                low=one.low,
                high=one.high,
                p=p,
                test=test,
            )
        )
    return [*found, *_classical(pair["first"], pair["second"], {one.metric: one for one in found})]


def _classical(
    first: Sequence[Predictions], second: Sequence[Predictions], found: dict[str, Difference]
) -> Iterator[Difference]:
    """Yield the tests that assume independent images, if they are independent."""
    if len(first) != 1 or not one_image_per_patient(first):
        return
    one, other = first[0], second[0]
    auc = delong(one.labels, one.scores, other.scores)
    yield replace(found["auc"], difference=auc.difference, low=auc.low, high=auc.high, p=auc.p, test="DeLong")
    calls = [head.scores >= head.chosen_threshold for head in (one, other)]
    yield replace(found["accuracy"], p=mcnemar_exact(one.labels, *calls), test="McNemar, exact")


def find_pair(boards: Sequence[Board], first: str, second: str) -> list[tuple[Board, Entry, Entry]]:
    """Return every board on which both recipes are complete, with their entries.

    Raises:
        ConfigError: there is no such board; the message names the complete recipes.
    """
    complete = [(board, {entry.name: entry for entry in board.entries if entry.status == "complete"}) for board in boards]
    if found := [(board, of[first], of[second]) for board, of in complete if first in of and second in of]:
        return found
    known = ", ".join(sorted({recipe for _, of in complete for recipe in of}))
    raise ConfigError(f"{first} and {second} are not both complete on any leaderboard. Complete recipes: {known or 'none'}")
