"""How each entry stands among the others: its rank, how certain it is, and whether it beats the controls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cxrbench.evaluation.metrics import LOWER_IS_BETTER
from cxrbench.evaluation.ranking import Standing, resample, standings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.ranking import Resampled
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.group_result import GroupResult

SHORTCUT = 0.75
"""Lower end of a control's AUC interval above which it is called a shortcut: without a detail of a lung it should do badly."""
NAMED_MEMBERS = 5


def rank_entries(
    entries: Sequence[Entry], predictions: Mapping[str, tuple[Predictions, ...]], metric: str, protocol: Protocol
) -> dict[str, Standing]:
    """Return the standing of each entry among those of its protocol, by recipe."""
    ranked = {entry.name: entry for entry in entries if entry.status == "complete" and metric in entry.metrics}
    scored = {recipe: predictions[recipe] for recipe in sorted(ranked) if predictions.get(recipe)}
    resampled = resample(scored, {metric, "auc"}, seed=protocol.seed, prevalence=protocol.prevalence)
    computed = standings(scored, resampled, metric=metric, seed=protocol.seed)
    controls = [recipe for recipe in scored if ranked[recipe].control]
    found = dict.fromkeys((entry.name for entry in entries), Standing())
    for recipe, entry in ranked.items():
        better = sum(_is_better(other.metrics[metric], entry.metrics[metric], metric) for other in ranked.values())
        rivals = controls if recipe in scored and not entry.control else []
        unbeaten = tuple(control for control in rivals if not _beats(resampled, recipe, control, metric))
        ahead = {name for name in unbeaten if not _is_better(entry.metrics[metric], ranked[name].metrics[metric], metric)}
        remarks = (*_remarks(entry), *_unbeaten(unbeaten, ahead, metric))
        found[recipe] = replace(computed.get(recipe, Standing()), rank=better + 1, unbeaten=unbeaten, remarks=remarks)
    return found


def in_place_of(standing: Standing, by_shifts: Standing | None) -> Standing:
    """Return the standing under shifts, with what else a reader should know of the entry."""
    return replace(by_shifts or Standing(), unbeaten=standing.unbeaten, remarks=standing.remarks)


def is_shortcut(entry: Entry) -> bool:
    """Return whether an entry is a control that does too well: its images can be told apart by a shortcut."""
    return entry.control and _surest_auc(entry)[1] > SHORTCUT


def _surest_auc(entry: Entry) -> tuple[float, float, str]:
    """Return the AUC whose interval has the highest low end, this end, and its group; groups that are left out count alone."""
    results: Mapping[str, Entry | GroupResult] = entry.by_left_out or {"": entry}
    found = [(one.metrics["auc"], one.intervals["auc"][0], group) for group, one in results.items() if "auc" in one.intervals]
    return max(found, key=lambda one: one[1], default=(0.0, 0.0, ""))


def _is_better(value: float, other: float, metric: str) -> bool:
    return value < other if metric in LOWER_IS_BETTER else value > other


def _beats(resampled: Resampled, recipe: str, control: str, metric: str) -> bool:
    """Return whether the interval of the difference, on the same resampled patients, lies on the better side of 0."""
    difference = resampled.difference(recipe, control, metric)
    return difference.high < 0 if metric in LOWER_IS_BETTER else difference.low > 0


def _unbeaten(controls: Sequence[str], ahead: Collection[str], metric: str) -> Iterator[str]:
    """Yield what follows from controls that an entry does not beat; its value is no better than that of those `ahead`."""
    if equalled := [control for control in controls if control in ahead]:
        see = "see" if len(equalled) > 1 else "sees"
        yield (
            f"does no better in {metric} than {' and '.join(equalled)}, which {see} no detail of a lung: "
            "it may be using a shortcut, or have learnt little"
        )
    if names := " and ".join(control for control in controls if control not in ahead):
        yield f"does not beat {names} in {metric} beyond chance: it may be using a shortcut"


def _composition(members: Mapping[str, float]) -> str:
    """Return the members of an ensemble in words, the heaviest by name."""
    named = ", ".join(f"{weight:.2f} {name}" for name, weight in list(members.items())[:NAMED_MEMBERS])
    rest = len(members) - NAMED_MEMBERS
    return f"mean of the scores of {len(members)} recipes: {named}{f' and {rest} more' if rest > 0 else ''}"


def _remarks(entry: Entry) -> Iterator[str]:
    if is_shortcut(entry):
        auc, low, group = _surest_auc(entry)
        where = f"the images of {entry.protocol.left_out_by} {group}" if group else "these images"
        yield (
            f"SHORTCUT: this control sees no detail of a lung and still reaches AUC {auc:.3f} (at least {low:.3f}) on {where}. "
            "A high AUC alone proves little here"
        )
    heads = [head.confusion for fold in entry.folds for head in fold.heads]
    if entry.members:
        yield _composition(entry.members)
    if entry.kind != "baseline" and any(one.tp + one.fp == 0 or one.fn + one.tn == 0 for one in heads):
        yield "collapsed: at its threshold it assigns all images of a test part to one class"
