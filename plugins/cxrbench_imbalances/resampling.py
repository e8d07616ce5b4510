"""Strategies that repeat, leave out or invent rows, by imbalanced-learn; the SMOTE family works on feature vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.plugin import Balance, ConfigError
from cxrbench_imbalances.nothing_to_balance import NOTHING, why_nothing

if TYPE_CHECKING:
    from cxrbench.plugin import Fold

REFUSALS = {
    "Not any neigbours belong to the majority": "no row of the rarer class has a neighbour of the commoner one",
    "No samples will be generated": "the classes are almost equal",
}
"""What ADASYN says where it has nothing to do, and that in our words."""


def random_oversample(fold: Fold, *, seed: int) -> Balance:
    """Repeat rows of the rarer class at random until both classes are equal."""
    from imblearn.over_sampling import RandomOverSampler

    return _indices(RandomOverSampler(random_state=seed), fold)


def random_undersample(fold: Fold, *, seed: int) -> Balance:
    """Leave out rows of the commoner class at random until both classes are equal."""
    from imblearn.under_sampling import RandomUnderSampler

    return _indices(RandomUnderSampler(random_state=seed), fold)


def smote(fold: Fold, *, seed: int, k_neighbors: int = 5) -> Balance:
    """Invent rows between neighbours of the rarer class (Chawla et al., JAIR 2002)."""
    from imblearn.over_sampling import SMOTE

    reason = _too_few(fold, k_neighbors)
    return _synthetic(SMOTE(k_neighbors=k_neighbors, random_state=seed), fold, reason)


def borderline_smote(fold: Fold, *, seed: int, k_neighbors: int = 5, m_neighbors: int = 10) -> Balance:
    """Invent rows only where the rarer class meets the commoner one (Han et al., ICIC 2005)."""
    from imblearn.over_sampling import BorderlineSMOTE

    reason = _too_few(fold, k_neighbors, of_all=m_neighbors)
    sampler = BorderlineSMOTE(k_neighbors=k_neighbors, m_neighbors=m_neighbors, random_state=seed)
    balance = _synthetic(sampler, fold, reason)
    if not balance.synthetic or len(balance.synthetic[1]) or balance.note:
        return balance
    return replace(balance, note=f"no row of the rarer class is near the commoner one: {NOTHING}")


def adasyn(fold: Fold, *, seed: int, n_neighbors: int = 5) -> Balance:
    """Invent more rows where the rarer class is harder to tell (He et al., IJCNN 2008)."""
    from imblearn.over_sampling import ADASYN

    reason = _too_few(fold, n_neighbors)
    try:
        return _synthetic(ADASYN(n_neighbors=n_neighbors, random_state=seed), fold, reason)
    except (RuntimeError, ValueError) as error:
        reason = next((ours for theirs, ours in REFUSALS.items() if theirs in str(error)), "")
        if not reason:
            raise
        return Balance(note=f"{reason}: {NOTHING}")


def _indices(sampler: Any, fold: Fold) -> Balance:
    reason = why_nothing(fold.labels)
    if np.unique(fold.labels).size < 2:
        return Balance(note=reason)
    sampler.fit_resample(np.zeros((len(fold.labels), 1)), fold.labels)
    return Balance(indices=np.asarray(sampler.sample_indices_), note=reason)


def _too_few(fold: Fold, neighbours: int, of_all: int = 1) -> str:
    """Return why there are too few rows for so many neighbours in the rarer class and in both, or an empty string."""
    rows = len(fold.labels)
    rarer = int(np.bincount(fold.labels, minlength=2).min())
    if min(neighbours, of_all) < 1:
        raise ConfigError(f"{min(neighbours, of_all)} neighbours of each row are asked for; at least 1 is needed")
    if neighbours >= rarer:
        return f"{neighbours} neighbours of each row are asked for, but the rarer class has {rarer} training rows: {NOTHING}"
    if of_all >= rows:
        return f"{of_all} neighbours of each row are asked for, but there are {rows} training rows: {NOTHING}"
    return ""


def _synthetic(sampler: Any, fold: Fold, reason: str) -> Balance:
    """Return the invented rows, or none for a reason; imbalanced-learn appends them to the fold's own."""
    if reason := why_nothing(fold.labels) or reason:
        return Balance(note=reason)
    features, labels = sampler.fit_resample(fold.features, fold.labels)
    own = len(fold.labels)
    return Balance(synthetic=(features[own:], labels[own:]))
