"""Imbalance strategies that break one rule each."""

from cxrbench.plugin import Balance, Float, Imbalance, hookimpl

BROKEN = {
    "returns-weights": "balance",
    "index-too-far": "indices-in-range",
    "negative-weight": "weights",
    "flips-labels": "fold-untouched",
    "assumes-rare-positive": "minority-kept",
    "nan-rows": "synthetic",
    "remembers": "from-the-fold",
    "unseeded": "seeded",
}
NEED_FEATURES = {"nan-rows", "remembers"}
SEEN = []


@hookimpl
def register_imbalances():
    refuses = {"factory": f"{__name__}:refuses_own_space", "space": {"power": Float(low=0.0, high=1.0)}}
    return [
        *(
            Imbalance(
                name=name,
                factory=f"{__name__}:{name.replace('-', '_')}",
                needs_features=name in NEED_FEATURES,
                summary=f"breaks {rule}",
            )
            for name, rule in BROKEN.items()
        ),
        Imbalance(name="refuses-own-space", summary="breaks own-space", **refuses),
    ]


def rarer_of(fold):
    """Return the rarer class and its rows."""
    import numpy as np

    rarer = int(np.bincount(fold.labels).argmin())
    return rarer, np.flatnonzero(fold.labels == rarer)


def with_more(fold, rows):
    import numpy as np

    return Balance(indices=np.append(np.arange(len(fold.labels)), rows))


def returns_weights(fold, *, seed):
    """Return weights instead of a decision."""
    import numpy as np

    return np.ones(len(fold.labels))


def index_too_far(fold, *, seed):
    """Return an index after the last row."""
    return with_more(fold, len(fold.labels))


def negative_weight(fold, *, seed):
    """Give a row of the commoner class a negative weight."""
    import numpy as np

    weights = np.ones(len(fold.labels))
    weights[np.flatnonzero(fold.labels != rarer_of(fold)[0])[0]] = -1
    return Balance(sample_weight=weights)


def flips_labels(fold, *, seed):
    """Clean the labels in place."""
    fold.labels[0] = 1 - fold.labels[0]
    return Balance()


def assumes_rare_positive(fold, *, seed):
    """Assume that the positive class is the rarer one."""
    import numpy as np

    return Balance(sample_weight=np.where(fold.labels == 1, 3.0, 1.0))


def nan_rows(fold, *, seed):
    """Make synthetic rows of NaN."""
    import numpy as np

    rows = np.full((3, fold.features.shape[1]), np.nan, dtype=np.float32)
    return Balance(synthetic=(rows, np.full(3, rarer_of(fold)[0])))


def remembers(fold, *, seed):
    """Make rows from the first fold that it received."""
    import numpy as np

    SEEN.append(fold.features[:5].copy())
    return Balance(synthetic=(SEEN[0] + 0.01, np.full(len(SEEN[0]), rarer_of(fold)[0])))


def unseeded(fold, *, seed):
    """Draw from the process's own random numbers."""
    import numpy as np

    return with_more(fold, np.random.choice(rarer_of(fold)[1], 20))


def refuses_own_space(fold, *, seed, power):
    """Reject a part of its declared space."""
    import numpy as np

    if power > 0.9:
        raise ValueError(f"power={power} is too much")
    return Balance(sample_weight=np.ones(len(fold.labels)))
