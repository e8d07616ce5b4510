"""What is to be said of each entry beside the others: its rank, how sure that is, and whether it beats the controls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.evaluation.metrics import LOWER_IS_BETTER
from cxrbench.evaluation.ranking import resample, standings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.ranking import Resampled
    from cxrbench.leaderboard.store.entry import Entry

SHORTCUT = 0.75
"""AUC that the interval of a control must exceed to be called a shortcut: what sees no lung should not come near a reader."""

NAMED_MEMBERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How an entry stands; all None for one that is not complete or has no stored scores.

    Attributes:
        rank: by the value alone; equal values share one.
        rank_low, rank_high: 95 % interval of the rank.
        p_first: share of resamplings in which it comes first.
        tied: whether it is not told apart from the first.
        p_auc, p_accuracy: of a difference from the first, after Holm.
        remarks: what a reader should know.
    """

    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    p_first: float | None = None
    tied: bool | None = None
    p_auc: float | None = None
    p_accuracy: float | None = None
    remarks: tuple[str, ...] = ()


def give_verdicts(
    entries: Sequence[Entry], units: Mapping[str, tuple[Predictions, ...]], metric: str, protocol: Protocol
) -> dict[str, Verdict]:
    """Return how each entry stands among the others of its protocol, by recipe."""
    ranked = {entry.recipe: entry for entry in entries if entry.status == "complete" and metric in entry.metrics}
    scored = {recipe: units[recipe] for recipe in sorted(ranked) if units.get(recipe)}
    resampled = resample(scored, {metric, "auc"}, seed=protocol.seed, prevalence=protocol.prevalence)
    standing = standings(scored, resampled, metric=metric, seed=protocol.seed)
    controls = [recipe for recipe in scored if ranked[recipe].control]
    verdicts = dict.fromkeys((entry.recipe for entry in entries), Verdict())
    for recipe, entry in ranked.items():
        better = sum(_is_better(other.metrics[metric], entry.metrics[metric], metric) for other in ranked.values())
        verdicts[recipe] = Verdict(rank=better + 1, remarks=tuple(_own_remarks(entry)))
        if recipe in standing:
            found = standing[recipe]
            unbeaten = [] if entry.control else [one for one in controls if not _beats(resampled, recipe, one, metric)]
            verdicts[recipe] = replace(
                verdicts[recipe],
                rank_low=found.rank_low,
                rank_high=found.rank_high,
                p_first=found.p_first,
                tied=found.tied,
                p_auc=found.p_auc,
                p_accuracy=found.p_accuracy,
                remarks=(*verdicts[recipe].remarks, *_unbeaten(unbeaten, metric)),
            )
    return verdicts


def _is_better(value: float, other: float, metric: str) -> bool:
    return value < other if metric in LOWER_IS_BETTER else value > other


def _beats(resampled: Resampled, recipe: str, control: str, metric: str) -> bool:
    """Return whether the interval of the difference on the same resampled patients lies on the better side of 0."""
    difference = resampled.difference(recipe, control, metric)
    return difference.high < 0 if metric in LOWER_IS_BETTER else difference.low > 0


def _unbeaten(controls: Iterable[str], metric: str) -> Iterator[str]:
    if names := " and ".join(controls):
        yield f"does not beat {names} in {metric} beyond chance: it has not shown that it looks at lungs"


def _composition(members: Mapping[str, float]) -> str:
    """Return whose mean an ensemble is, the heaviest members by name."""
    named = ", ".join(f"{weight:.2f} {name}" for name, weight in list(members.items())[:NAMED_MEMBERS])
    rest = len(members) - NAMED_MEMBERS
    return f"mean of the scores of {len(members)} recipes: {named}{f' and {rest} more' if rest > 0 else ''}"


def _own_remarks(entry: Entry) -> Iterator[str]:
    low = entry.intervals.get("auc", (0.0, 1.0))[0]
    if entry.control and low > SHORTCUT:
        yield (
            f"SHORTCUT: what should not suffice for a diagnosis reaches AUC {entry.metrics['auc']:.3f} (at least {low:.3f}) "
            "on these images, so that a high AUC alone shows little"
        )
    heads = [head.confusion for fold in entry.folds for head in fold.heads]
    if entry.members:
        yield _composition(entry.members)
    if entry.kind != "majority" and any(one.tp + one.fp == 0 or one.fn + one.tn == 0 for one in heads):
        yield "collapsed: at its threshold it calls all images of a test part alike"
