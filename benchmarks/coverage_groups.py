"""Measure how often the interval of a group's difference from all test images contains the true difference in AUC.

Simulated test sets of one head: one or two images a patient, whose errors are correlated by 0.5. The group has few images, and
its true AUC is that of the others or lower. Beside it stands the interval from the standard error of the drawn differences.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.groups import all_images, measure_group
from cxrbench.evaluation.metrics import auc
from cxrbench.evaluation.paired_tests import holm
from cxrbench.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 500
"""A quarter of an entry's, to save time."""
AREAS = (0.90, 0.96, 0.99)
LARGE = 400_000
SECOND_IMAGES = 0.5
"""Share of the patients with two images."""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of test set: its images, the share of the group, the AUC within it and among the others, and the positives."""

    images: int
    share: float
    inside: float
    outside: float
    prevalence: float

    def draw(self, seed: int, images: int) -> Predictions:
        """Return the predictions of a head."""
        generator = np.random.default_rng(seed)
        is_second = generator.random(images) < SECOND_IMAGES / (1 + SECOND_IMAGES)
        patient = np.cumsum(~is_second)
        of_patient = patient[-1] + 1
        labels = (generator.random(of_patient) < self.prevalence).astype(np.int64)[patient]
        group = np.where(generator.random(of_patient) < self.share, "in", "out")[patient]
        noise = np.sqrt(0.5) * (generator.normal(size=of_patient)[patient] + generator.normal(size=images))
        distance = np.sqrt(2) * ndtri(np.where(group == "in", self.inside, self.outside))
        names = np.char.mod("%07d", patient)
        return Predictions(
            subset="test",
            fold=0,
            seed=0,
            keys=names,
            patients=names,
            labels=labels,
            scores=ndtr(distance * (labels - 0.5) + noise),
            threshold=0.5,
            groups={"group": group},
        )


CASES = (
    Case(400, 0.15, 0.92, 0.96, 0.3),
    Case(400, 0.15, 0.76, 0.96, 0.5),
    Case(600, 0.10, 0.96, 0.96, 0.3),
    Case(1000, 0.06, 0.85, 0.98, 0.25),
    Case(600, 0.10, 0.99, 0.99, 0.3),
    Case(600, 0.50, 0.96, 0.96, 0.3),
    Case(600, 0.50, 0.92, 0.98, 0.5),
    Case(1000, 0.90, 0.96, 0.90, 0.3),
)


def difference(head: Predictions) -> float:
    """Return the AUC of the group less that of all images."""
    inside = head.only(head.groups["group"] == "in")
    return auc(inside.labels, inside.scores) - auc(head.labels, head.scores)


def of_standard_error(head: Predictions, inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the interval from the standard error of the drawn differences."""
    draws = draw_patients([head], 0, DRAWS)
    group, numbers = draws[0].within(head.only(inside))
    of_group, of_all = (
        bootstrap_values([one], {0: drawn}, prevalence=0.1, names=["auc"])["auc"]
        for one, drawn in ((head.only(inside), group), (head, draws[0]))
    )
    half = 1.96 * float((of_group - of_all[numbers]).std(ddof=1))
    return difference(head) - half, difference(head) + half


def false_alarms(area: float, repeats: int) -> float:
    """Return the share of data sets, in %, whose worst of nine equally good groups is called worse by more than chance."""
    alarms = 0
    for seed in range(repeats):
        head = Case(1000, 0.5, area, area, 0.3).draw(seed, 1000)
        patients, of_image = np.unique(head.patients, return_inverse=True)
        drawn = np.random.default_rng([seed, 1]).integers(3, size=(3, len(patients)))
        groups = {f"column {number}": of_patient.astype(str)[of_image] for number, of_patient in enumerate(drawn)}
        head = replace(head, groups=groups)
        everything = all_images([head], draw_patients([head], 0, DRAWS), 0.1)
        measured = [measure_group(everything, column, group) for column in groups for group in "012"]
        found = [one.difference for one in measured if one.difference]
        worst = int(np.argmin([one.difference for one in found]))
        alarms += holm([one.p for one in found])[worst] < 0.05
    return 100 * alarms / repeats


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400)
    repeats = parser.parse_args().repeats
    print("case; truth; measured; contains it, %: cxrbench, standard error; of cxrbench, %: lies below it, lies above it")
    for case in CASES:
        truth = difference(case.draw(-1 % 2**32, LARGE))
        found, other = [], []
        for seed in range(repeats):
            head = case.draw(seed, case.images)
            compared = measure_group(all_images([head], draw_patients([head], 0, DRAWS), 0.1), "group", "in").difference
            if compared:
                found.append((compared.low, compared.high))
                other.append(of_standard_error(head, head.groups["group"] == "in"))
        low, high = np.array(found).T
        low_se, high_se = np.array(other).T
        shares = (
            100 * np.mean(one)
            for one in ((low <= truth) & (truth <= high), (low_se <= truth) & (truth <= high_se), high < truth, low > truth)
        )
        print(case, f"{truth:+.3f}", len(found), *(f"{share:.1f}" for share in shares), flush=True)
    for area in AREAS:
        print(
            f"nine equal groups of 1,000 images, AUC {area}: the worst is called so in {false_alarms(area, repeats):.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
