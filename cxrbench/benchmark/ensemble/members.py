"""Choose the members of an ensemble on validation: a mean of stored scores, without any training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.config.recipe import name_in_table
from cxrbench.errors import ConfigError, CxrbenchError, unknown_name
from cxrbench.evaluation.predictions import of_subset
from cxrbench.evaluation.versions import choose_pooled_threshold, mean_search_metric
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
    Objective: TypeAlias = Callable[[Floats], float]

Method = Literal["soft-vote", "greedy"]
ROUNDS = 20
"""Rounds of greedy selection if no size is given."""
EQUAL_DECIMALS = 12
"""Values that differ by less are equal: the order of additions may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The candidates of an ensemble and the method that chooses among them.

    Attributes:
        size: number of members (soft-vote; the best on validation) or of rounds (greedy); None for all members or 20 rounds.
        candidates: complete recipes of one protocol, sorted by name.
    """

    protocol: Protocol
    method: Method
    size: int | None
    candidates: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """A readable name that is unique to method, size and candidates."""
        recipes = [entry.name for entry in self.candidates]
        return f"ensemble-{self.method}-{digest([self.method, self.size, recipes])[:6]}"

    @property
    def identity(self) -> str:
        """Hash of everything that the result depends on, including the frozen selections of the candidates."""
        frozen = {entry.name: entry.selections for entry in self.candidates}
        return digest([self.protocol.study_identity, self.method, self.size, frozen])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreStack:
    """The scores of all candidates for the same images, by the heads of one fold and seed.

    Attributes:
        images: keys, patients and labels of the images; its scores are those of the first candidate.
        scores: float ``[candidates, images]``.
    """

    images: Predictions
    scores: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSelection:
    """The members for one fold and seed, frozen before the test images are scored.

    Attributes:
        counts: int ``[candidates]``, how often each was taken; they are the weights of the mean.
        identity: hash of everything that was chosen.
    """

    fold: int
    seed: int
    counts: NDArray[np.int64]
    threshold: float
    identity: str


def candidates(entries: Sequence[Entry], names: Sequence[str]) -> tuple[Entry, ...]:
    """Return the entries that an ensemble may consist of: all complete recipes, or the named ones.

    Raises:
        ConfigError: a name that is not that of a complete recipe, or fewer than two entries.
    """
    eligible = {
        entry.name: entry for entry in entries if entry.status == "complete" and entry.kind == "recipe" and not entry.control
    }
    wanted = list(dict.fromkeys(name_in_table(name) for name in names)) or list(eligible)
    others = {entry.name: entry for entry in entries if entry.name not in eligible}
    for name in wanted:
        if name in others:
            what = "a control" if others[name].control else others[name].status if others[name].reason else "not a recipe"
            raise ConfigError(f"{name} cannot be a member of an ensemble: it is {what}")
        if name not in eligible:
            raise unknown_name("entry", name, eligible)
    if len(wanted) < 2:
        raise ConfigError(f"an ensemble needs at least two complete recipes; found {len(wanted)}: {', '.join(wanted) or '-'}")
    return tuple(eligible[name] for name in sorted(wanted))


def stack_scores(tables: Mapping[str, Sequence[Predictions]], subset: Subset) -> dict[tuple[int, int], ScoreStack]:
    """Return the scores of all candidates by fold and seed; raise CxrbenchError if they are of different images."""
    subsets = {recipe: of_subset(table, subset) for recipe, table in tables.items()}
    (first, reference), *others = subsets.items()
    for recipe, found in others:
        same = found.keys() == reference.keys() and all(np.array_equal(found[key].keys, reference[key].keys) for key in found)
        if not same:
            raise CxrbenchError(f"the stored {subset} scores of {recipe} and {first} are of different images, folds or seeds")
    return {
        key: ScoreStack(images=images, scores=np.stack([found[key].scores for found in subsets.values()]))
        for key, images in reference.items()
    }


def choose_members(ensemble: Ensemble, validation: ScoreStack, *shifted: ScoreStack) -> MemberSelection:
    """Choose members and threshold on the validation images of one fold and seed, as they are and under development shifts."""
    labels, protocol = validation.images.labels, ensemble.protocol
    everything = np.concatenate([validation.scores, *(stack.scores for stack in shifted)], axis=1)

    def threshold_of(versions: Floats) -> float:
        return choose_pooled_threshold(policy_of(protocol), labels, versions, validation.images.patients)

    def objective(scores: Floats) -> float:
        versions = scores.reshape(-1, len(labels))
        threshold = 0.5 if protocol.metric == "auc" else threshold_of(versions)
        return mean_search_metric(protocol.metric, labels, versions, threshold)

    size = ensemble.size or (ROUNDS if ensemble.method == "greedy" else len(everything))
    counts = (greedy if ensemble.method == "greedy" else best_of)(everything, objective, size)
    threshold = threshold_of(mean_of(everything, counts).reshape(-1, len(labels)))
    fold, seed = validation.images.fold, validation.images.seed
    return MemberSelection(
        fold=fold,
        seed=seed,
        counts=counts,
        threshold=threshold,
        identity=digest([ensemble.identity, fold, seed, counts.tolist(), threshold]),
    )


def policy_of(protocol: Protocol) -> str:
    """Return the threshold policy. There is no search here, so F1 decides where the search proposed the threshold."""
    return "max-f1" if protocol.threshold == SEARCHED_THRESHOLD else protocol.threshold


def best_of(scores: Floats, objective: Objective, size: int) -> NDArray[np.int64]:
    """Return 1 for each of the `size` best rows of scores ``[candidates, n]``, among equals the first ones, and 0 for others.

    With all of them: soft voting, the mean of the posteriors (Karim et al., DeepCOVIDExplainer, BIBM 2020, arXiv 2004.04582).
    """
    values = np.round([objective(row) for row in scores], EQUAL_DECIMALS)
    counts = np.zeros(len(scores), dtype=np.int64)
    counts[np.argsort(-values, kind="stable")[:size]] = 1
    return counts


def greedy(scores: Floats, objective: Objective, rounds: int) -> NDArray[np.int64]:
    """Return how often each row of scores ``[candidates, n]`` is taken by forward selection with replacement.

    Every round adds the row with which the mean of all taken has the largest value, among equals the first; of the nested
    ensembles that with the largest value is returned, among equals the smallest (Caruana et al., ICML 2004).
    """
    counts = np.zeros(len(scores), dtype=np.int64)
    best, best_value = counts, -np.inf
    for taken in range(rounds):
        total = (counts[:, None] * scores).sum(axis=0)
        values = np.round([objective((total + row) / (taken + 1)) for row in scores], EQUAL_DECIMALS)
        counts = counts + np.eye(len(scores), dtype=np.int64)[values.argmax()]
        if values.max() > best_value:
            best, best_value = counts, values.max()
    return best


def mean_of(scores: Floats, counts: NDArray[np.int64]) -> Floats:
    """Return the mean of the rows of scores ``[candidates, n]``, each as often as it was taken."""
    mean: Floats = (counts[:, None] * scores).sum(axis=0) / counts.sum()
    return mean
