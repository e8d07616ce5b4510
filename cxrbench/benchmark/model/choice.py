"""Which heads of an entry a model consists of, and their stored scores and threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.ensemble.members import policy_of
from cxrbench.config.recipe import unit_of
from cxrbench.errors import ConfigError
from cxrbench.evaluation.predictions import means_of_seeds, of_subset
from cxrbench.evaluation.versions import choose_pooled_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.config.values import Stage
    from cxrbench.evaluation.predictions import Predictions, Subset
    from cxrbench.leaderboard.store.entry import Entry, FoldResult, HeadResult, MeanResult


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadChoice:
    """What the user asks for.

    Attributes:
        fold: whose heads; None for those of all folds.
        seed: of the one head to take; None for the heads of all seeds.
    """

    fold: int | None = 0
    seed: int | None = None

    def text(self, stage: Stage) -> str:
        """Return the choice in words, for a row of this stage."""
        single = unit_of(stage)
        if self.fold is None:
            return f"the {single}s of all folds and seeds"
        of_seeds = f"the {single}s of all seeds" if self.seed is None else f"the {single} of seed {self.seed}"
        return f"fold {self.fold}, {of_seeds}"

    @property
    def flags(self) -> str:
        """The choice as options of the command line."""
        if self.fold is None:
            return "--all-folds"
        return "--fold" if self.seed is None else "--fold and --seed"


def head_choice(fold: int | None, seed: int | None, all_folds: bool) -> HeadChoice | None:
    """Return the choice of heads that was given, or None if none was; raise ConfigError if it contradicts itself."""
    if all_folds and not fold == seed is None:
        raise ConfigError("--all-folds takes all folds and seeds: leave --fold and --seed out")
    if all_folds:
        return HeadChoice(fold=None)
    return None if fold == seed is None else HeadChoice(fold=fold or 0, seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The heads of an entry that were chosen.

    Attributes:
        heads: fold and result of each.
        temperatures: what the logits of each are divided by, before or after the mean, which is the same.
        threshold: of their mean.
        rule: the threshold's policy, and the scores that it was applied to.
        validation, test: the scores of their mean; None for heads of all folds, which have learnt from every image.
    """

    choice: HeadChoice
    heads: tuple[tuple[FoldResult, HeadResult], ...]
    temperatures: tuple[float, ...]
    threshold: float
    rule: str
    validation: Predictions | None
    test: Predictions | None


def choose_heads(entry: Entry, tables: Sequence[Sequence[Predictions]], choice: HeadChoice) -> Chosen:
    """Return the chosen heads of a complete entry with their threshold and their stored scores.

    Args:
        entry: whose heads.
        tables: its stored predictions, and those of the validation images under each development shift.
        choice: what the user asks for.

    Raises:
        ConfigError: there is no such fold or seed, or the entry is from a version that scored no mean of heads.
    """
    heads = _heads(entry, choice)
    if choice.fold is None:
        threshold, rule = _threshold_of_all_folds(entry, tables)
        own = tuple(_temperature(fold.mean or head) for fold, head in heads)  # of the scores behind the threshold
        return Chosen(choice=choice, heads=heads, temperatures=own, threshold=threshold, rule=rule, validation=None, test=None)
    fold, first = heads[0]
    result = first if len(heads) == 1 else fold.mean
    if result is None:
        raise ConfigError(
            f"{entry.name}: the mean of its seeds was not scored. Use --seed for one of them, or run with --fresh"
        )
    validation, test = (_scores(tables[0], subset, heads).at(result.threshold) for subset in ("validation", "test"))
    of_whom = "its own" if len(heads) == 1 else "the mean's own"
    rule = f"{entry.protocol.threshold} on {of_whom} scores of the {len(validation.labels):,} validation images{_under(entry)}"
    return Chosen(
        choice=choice,
        heads=heads,
        temperatures=(_temperature(result),) * len(heads),
        threshold=result.threshold,
        rule=rule + ("" if result.temperature is None else f", at temperature {result.temperature:.4g}"),
        validation=validation,
        test=test,
    )


def _temperature(result: HeadResult | MeanResult) -> float:
    return 1.0 if result.temperature is None else result.temperature


def _heads(entry: Entry, choice: HeadChoice) -> tuple[tuple[FoldResult, HeadResult], ...]:
    if choice.fold is not None and choice.fold >= len(entry.folds):
        raise ConfigError(f"--fold {choice.fold}: {entry.name} has {_counted(len(entry.folds), 'fold')}, counted from 0")
    if choice.seed is not None and choice.seed >= entry.protocol.seeds:
        raise ConfigError(f"--seed {choice.seed}: {entry.name} has {_counted(entry.protocol.seeds, 'seed')}, counted from 0")
    return tuple(
        (fold, head)
        for fold in entry.folds
        for head in fold.heads
        if choice.fold in {None, fold.fold} and choice.seed in {None, head.seed}
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _scores(table: Sequence[Predictions], subset: Subset, heads: Sequence[tuple[FoldResult, HeadResult]]) -> Predictions:
    fold, head = heads[0]
    if len(heads) > 1:
        return means_of_seeds(table, subset)[fold.fold]
    return of_subset(table, subset)[fold.fold, head.seed]


def _under(entry: Entry) -> str:
    return f", as they are and under {', '.join(entry.development)}" if entry.development else ""


def _threshold_of_all_folds(entry: Entry, tables: Sequence[Sequence[Predictions]]) -> tuple[float, str]:
    """Apply the policy to the validation scores of every fold together, each from the heads that did not train on the image."""
    one_seed = entry.protocol.seeds == 1
    means = [(of_subset(table, "validation") if one_seed else means_of_seeds(table, "validation")).values() for table in tables]
    if any(len(pooled) != len(entry.folds) for pooled in means):
        raise ConfigError(f"{entry.name}: the means of its seeds were not scored. Run with --fresh")
    labels, patients = (np.concatenate([getattr(one, name) for one in means[0]]) for name in ("labels", "patients"))
    scores = np.stack([np.concatenate([one.scores for one in pooled]) for pooled in means])
    policy = policy_of(entry.protocol)
    whose = "each from its own fold"
    rule = f"{policy} on the {len(labels):,} validation scores of all folds{_under(entry)}, {whose}"
    return choose_pooled_threshold(policy, labels, scores, patients), rule
