"""Strategies that repeat, leave out or invent rows, by imbalanced-learn; the SMOTE family works on feature vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.plugin import Balance, ConfigError

if TYPE_CHECKING:
    from cxrbench.plugin import Fold


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

    return _synthetic(SMOTE(k_neighbors=k_neighbors, random_state=seed), fold, k_neighbors)


def borderline_smote(fold: Fold, *, seed: int, k_neighbors: int = 5, m_neighbors: int = 10) -> Balance:
    """Invent rows only where the rarer class meets the commoner one (Han et al., ICIC 2005)."""
    from imblearn.over_sampling import BorderlineSMOTE

    return _synthetic(BorderlineSMOTE(k_neighbors=k_neighbors, m_neighbors=m_neighbors, random_state=seed), fold, k_neighbors)


def adasyn(fold: Fold, *, seed: int, n_neighbors: int = 5) -> Balance:
    """Invent more rows where the rarer class is harder to tell (He et al., IJCNN 2008)."""
    from imblearn.over_sampling import ADASYN

    return _synthetic(ADASYN(n_neighbors=n_neighbors, random_state=seed), fold, n_neighbors)


def _indices(sampler: Any, fold: Fold) -> Balance:
    sampler.fit_resample(np.zeros((len(fold.labels), 1)), fold.labels)
    return Balance(indices=np.asarray(sampler.sample_indices_))


def _synthetic(sampler: Any, fold: Fold, neighbours: int) -> Balance:
    """Return the invented rows; imbalanced-learn appends them to the fold's own."""
    rarer = int(np.bincount(fold.labels, minlength=2).min())
    if not 1 <= neighbours < rarer:
        raise ConfigError(f"{neighbours} neighbours of each row are asked for, but the rarer class has {rarer} training rows")
    features, labels = sampler.fit_resample(fold.features, fold.labels)
    own = len(fold.labels)
    return Balance(synthetic=(features[own:], labels[own:]))
