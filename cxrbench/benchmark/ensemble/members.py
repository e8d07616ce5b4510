"""Ensembles: the mean of scores that entries of a board have stored, chosen on validation, at no training cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.config.recipe import name_in_table
from cxrbench.errors import ConfigError, CxrbenchError, unknown_name
from cxrbench.evaluation.metrics import search_metric
from cxrbench.evaluation.predictions import of_subset
from cxrbench.evaluation.threshold import choose_threshold
from cxrbench.search.study import SEARCHED_THRESHOLD
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions, Subset
    from cxrbench.leaderboard.store.entry import Entry

    Floats: TypeAlias = NDArray[np.float64]
    Value: TypeAlias = Callable[[Floats], float]

Method = Literal["soft-vote", "greedy"]
ROUNDS = 20
"""Of greedy selection, where no size is given."""
DECIMALS = 12
"""Values that differ by less are equal: the order of additions may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """What is to be put together, and how.

    Attributes:
        size: of soft-vote the number of members, the best on validation; of greedy the number of rounds; None for all, or 20.
        candidates: complete recipes of one protocol, sorted by name.
    """

    protocol: Protocol
    method: Method
    size: int | None
    candidates: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """A readable name that no other method, size or set of candidates has."""
        recipes = [entry.recipe for entry in self.candidates]
        return f"ensemble-{self.method}-{digest([self.method, self.size, recipes])[:6]}"

    @property
    def study(self) -> str:
        """What the result depends on: what was frozen of each candidate, too."""
        frozen = {entry.recipe: entry.selections for entry in self.candidates}
        return digest([self.protocol.study_identity, self.method, self.size, frozen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The scores of the candidates for the images of one set, by the heads of one fold and seed.

    Attributes:
        images: what is known of the images; its scores are the first candidate's.
        scores: float ``[candidates, images]``.
    """

    images: Predictions
    scores: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What validation chose for one fold and seed, frozen before the test images are scored.

    Attributes:
        counts: int ``[candidates]``, how often each was taken; the mean is weighted by it.
        identity: hash of all that was chosen.
    """

    fold: int
    seed: int
    counts: NDArray[np.int64]
    threshold: float
    identity: str


def candidates(entries: Sequence[Entry], names: Sequence[str]) -> tuple[Entry, ...]:
    """Return the entries that an ensemble may consist of: all complete recipes, or those of the given names.

    Raises:
        ConfigError: a name that is none of a complete recipe, or fewer than two entries.
    """
    fit = {
        entry.recipe: entry for entry in entries if entry.status == "complete" and entry.kind == "recipe" and not entry.control
    }
    wanted = list(dict.fromkeys(name_in_table(name) for name in names)) or list(fit)
    others = {entry.recipe: entry for entry in entries if entry.recipe not in fit}
    for name in wanted:
        if name in others:
            what = "a control" if others[name].control else others[name].status if others[name].reason else "no recipe"
            raise ConfigError(f"{name} cannot be part of an ensemble: it is {what}")
        if name not in fit:
            raise unknown_name("entry", name, fit)
    if len(wanted) < 2:
        raise ConfigError(
            f"an ensemble needs two complete recipes at least; there is {len(wanted)}: {', '.join(wanted) or '-'}"
        )
    return tuple(fit[name] for name in sorted(wanted))


def stack(tables: Mapping[str, Sequence[Predictions]], part: Subset) -> dict[tuple[int, int], Stack]:
    """Put the scores of one set side by side, by fold and seed; raise CxrbenchError if they are not of the same images."""
    parts = {recipe: of_subset(table, part) for recipe, table in tables.items()}
    (first, reference), *others = parts.items()
    for recipe, found in others:
        same = found.keys() == reference.keys() and all(np.array_equal(found[key].keys, reference[key].keys) for key in found)
        if not same:
            raise CxrbenchError(f"{recipe} and {first} have stored {part} scores of other images, folds or seeds")
    return {
        key: Stack(images=images, scores=np.stack([found[key].scores for found in parts.values()]))
        for key, images in reference.items()
    }


def choose(ensemble: Ensemble, validation: Stack) -> Choice:
    """Choose members and threshold on the validation images of one fold and seed."""
    labels, protocol = validation.images.labels, ensemble.protocol

    def value(scores: Floats) -> float:
        threshold = 0.5 if protocol.metric == "auc" else choose_threshold(policy_of(protocol), labels, scores)
        return search_metric(protocol.metric, labels, scores, threshold)

    size = ensemble.size or (ROUNDS if ensemble.method == "greedy" else len(validation.scores))
    counts = (greedy if ensemble.method == "greedy" else best_of)(validation.scores, value, size)
    threshold = choose_threshold(policy_of(protocol), labels, mean_of(validation.scores, counts))
    fold, seed = validation.images.fold, validation.images.seed
    return Choice(
        fold=fold,
        seed=seed,
        counts=counts,
        threshold=threshold,
        identity=digest([ensemble.study, fold, seed, counts.tolist(), threshold]),
    )


def policy_of(protocol: Protocol) -> str:
    """Return the policy for the threshold; where the search proposed it, no search does here, and F1 decides."""
    return "max-f1" if protocol.threshold == SEARCHED_THRESHOLD else protocol.threshold


def best_of(scores: Floats, value: Value, size: int) -> NDArray[np.int64]:
    """Return 1 for each of the `size` best rows of scores ``[candidates, n]``, among equals the first ones, and 0 for others.

    With all of them: soft voting, the mean of the posteriors (Karim et al., DeepCOVIDExplainer, BIBM 2020, arXiv 2004.04582).
    """
    values = np.round([value(row) for row in scores], DECIMALS)
    counts = np.zeros(len(scores), dtype=np.int64)
    counts[np.argsort(-values, kind="stable")[:size]] = 1
    return counts


def greedy(scores: Floats, value: Value, rounds: int) -> NDArray[np.int64]:
    """Return how often each row of scores ``[candidates, n]`` is taken by forward selection with replacement.

    Every round adds the row with which the mean of all taken has the largest value, among equals the first; of the nested
    ensembles that with the largest value is returned, among equals the smallest (Caruana et al., ICML 2004).
    """
    counts = np.zeros(len(scores), dtype=np.int64)
    best, best_value = counts, -np.inf
    for taken in range(rounds):
        total = (counts[:, None] * scores).sum(axis=0)
        values = np.round([value((total + row) / (taken + 1)) for row in scores], DECIMALS)
        counts = counts + np.eye(len(scores), dtype=np.int64)[values.argmax()]
        if values.max() > best_value:
            best, best_value = counts, values.max()
    return best


def mean_of(scores: Floats, counts: NDArray[np.int64]) -> Floats:
    """Return the mean of the rows of scores ``[candidates, n]``, each as often as it was taken."""
    mean: Floats = (counts[:, None] * scores).sum(axis=0) / counts.sum()
    return mean
