"""What holds for an imbalance strategy: a decision about the training fold and nothing else, by the seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.plugin.contracts import Balance, CrossEntropy, Focal, Fold
from cxrbench.plugin.specs import Choice
from cxrbench.testing.check import ContractBroken, NotCheckable, checks_of, require
from cxrbench.testing.subject import one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.plugin.specs import Parameter, Value
    from cxrbench.testing.subject import Subject

FEW, MANY, WIDTH = 30, 90, 6
SEED = 7
FAR = 1000.0


def build(subject: Subject) -> Balance:
    """Return what the strategy decides about the first fold."""
    return _decision(subject, "rare-0", _fold(subject, rare=0))


def _fold(subject: Subject, *, rare: int, offset: float = 0.0, few: int = FEW, seed: int = 0) -> Fold:
    """Return a fold whose rarer class is `rare`; its features lie around `offset`, if the strategy asks for features."""
    generator = np.random.default_rng([seed, rare])
    labels = generator.permutation([rare] * few + [1 - rare] * MANY).astype(np.int64)
    if not subject.part.spec.needs_features:
        return Fold(labels=labels)
    features = generator.normal(size=(len(labels), WIDTH)) + 0.7 * labels[:, None] + offset
    return Fold(labels=labels, features=features.astype(np.float32))


def _decision(subject: Subject, what: str, fold: Fold) -> Balance:
    decided: Balance = subject.once(what, lambda: _ask(subject, fold))
    return decided


def _ask(subject: Subject, fold: Fold, **own: Value) -> Any:
    """Call the strategy with the lowest of each parameter of its own, or with the given ones."""
    space = {name: _ends(parameter)[0] for name, parameter in subject.part.spec.space.items()}
    chosen = {name: value for name, value in {**space, **own}.items() if name not in subject.part.arguments}
    return subject.part.build(fold, seed=SEED, **chosen)


def _ends(parameter: Parameter) -> tuple[Value, ...]:
    return parameter.options if isinstance(parameter, Choice) else (parameter.low, parameter.high)


def _decided(subject: Subject, rare: int = 0) -> tuple[Fold, Balance]:
    """Return a fold and a well-formed decision about it; skip the check otherwise."""
    fold = _fold(subject, rare=rare)
    balance = subject.build(f"asked {rare}", lambda: _decision(subject, f"rare-{rare}", fold))
    if not isinstance(balance, Balance):
        raise NotCheckable("it returns no Balance: see the check balance")
    return fold, balance


def _indices(fold: Fold, balance: Balance) -> NDArray[np.int64]:
    return np.arange(len(fold.labels)) if balance.indices is None else np.asarray(balance.indices)


def _in_range(fold: Fold, indices: NDArray[np.int64]) -> bool:
    whole = indices.ndim == 1 and indices.dtype.kind in "iu"
    return bool(whole and (not len(indices) or 0 <= indices.min() <= indices.max() < len(fold.labels)))


def _balance(subject: Subject) -> None:
    balance = subject.build("any answer", lambda: build(subject))
    require(isinstance(balance, Balance), f"it returned {type(balance).__name__}, not Balance")
    require(isinstance(balance.loss, CrossEntropy | Focal), f"its loss {balance.loss!r} is neither CrossEntropy() nor Focal()")


def _indices_in_range(subject: Subject) -> None:
    for rare in (0, 1):
        fold, balance = _decided(subject, rare)
        require(
            _in_range(fold, _indices(fold, balance)),
            f"its indices are no whole numbers in 0..{len(fold.labels) - 1}, the rows of the fold",
        )


def _weights(subject: Subject) -> None:
    for rare in (0, 1):
        fold, balance = _decided(subject, rare)
        if balance.sample_weight is None:
            continue
        weights = np.asarray(balance.sample_weight)
        invented = len(balance.synthetic[1]) if balance.synthetic else 0
        expected = len(_indices(fold, balance)) + invented
        require(weights.shape == (expected,), f"sample_weight has shape {weights.shape} for {expected} rows")
        require(np.isfinite(weights).all(), "sample_weight holds infinite values or no numbers")
        require((weights >= 0).all(), f"sample_weight holds {weights.min():.3g}, which is negative")
        require(weights.any(), "every sample_weight is zero")


def _fold_untouched(subject: Subject) -> None:
    fold = _fold(subject, rare=0)
    subject.build("asked once more", lambda: _ask(subject, fold))
    fresh = _fold(subject, rare=0)
    require(np.array_equal(fold.labels, fresh.labels), "it altered the labels that it was given")
    if fold.features is not None and fresh.features is not None:
        require(np.array_equal(fold.features, fresh.features), "it altered the features that it was given")


def _minority(subject: Subject) -> None:
    """Compare the rarer class's share of the weight before and after, for either class being the rarer one."""
    for rare in (0, 1):
        fold, balance = _decided(subject, rare)
        indices = _indices(fold, balance)
        if not _in_range(fold, indices):
            raise NotCheckable("its indices point nowhere: see the check indices-in-range")
        kept = set(indices.tolist()) & set(np.flatnonzero(fold.labels == rare).tolist())
        lost = FEW - len(kept)
        require(not lost, f"of {FEW} rows of the rarer class (label {rare}), it leaves out {lost}")
        labels = fold.labels[indices]
        if balance.synthetic:
            labels = np.concatenate([labels, np.asarray(balance.synthetic[1])])
        weights = np.ones(len(labels)) if balance.sample_weight is None else np.asarray(balance.sample_weight)
        if weights.shape != labels.shape or not np.isfinite(weights).all() or not weights.sum() > 0:
            raise NotCheckable("its weights fit no rows: see the check weights")
        share = float(weights[labels == rare].sum() / weights.sum())
        require(
            share >= FEW / (FEW + MANY) - 1e-9,
            f"the rarer class (label {rare}) has {FEW / (FEW + MANY):.0%} of the fold and {share:.0%} of what it makes of it",
        )


def _synthetic(subject: Subject) -> None:
    for rare in (0, 1):
        _, balance = _decided(subject, rare)
        if balance.synthetic is None:
            raise NotCheckable("it invents no rows")
        require(
            isinstance(balance.synthetic, tuple) and len(balance.synthetic) == 2,
            f"synthetic is {type(balance.synthetic).__name__}, not a pair (features, labels)",
        )
        features, labels = (np.asarray(part) for part in balance.synthetic)
        require(
            features.shape == (len(labels), WIDTH),
            f"synthetic features have shape {features.shape}; expected ({len(labels)}, {WIDTH})",
        )
        require(np.isfinite(features).all(), "synthetic features are infinite or no numbers")
        require(np.isin(labels, (0, 1)).all(), f"synthetic labels are {sorted(set(labels.tolist()))}; there are 0 and 1 only")


def _from_the_fold(subject: Subject) -> None:
    """Ask about one fold and then about one far away: what it invents must lie near the fold that it was asked about."""
    _decided(subject)
    fold = _fold(subject, rare=0, offset=FAR, seed=1)
    balance = subject.build("asked far away", lambda: _ask(subject, fold))
    if not balance.synthetic or fold.features is None:
        raise NotCheckable("it invents no rows")
    features = np.asarray(balance.synthetic[0], dtype=np.float64)
    if features.ndim != 2 or features.shape[1:] != (WIDTH,) or not np.isfinite(features).all():
        raise NotCheckable("its rows are no finite features: see the check synthetic")
    low, high = fold.features.min(axis=0), fold.features.max(axis=0)
    strange = ((features < 2 * low - high) | (features > 2 * high - low)).any(axis=1).sum()
    require(not strange, f"{strange} of {len(features)} invented rows lie far from every row of the fold that it was given")


def _seeded(subject: Subject) -> None:
    fold, balance = _decided(subject)
    again = subject.build("asked again", lambda: _ask(subject, _fold(subject, rare=0)))
    require(
        _written(balance) == _written(again), f"asked twice about the same {len(fold.labels)} rows with seed {SEED}, it differs"
    )


def _written(balance: Balance) -> tuple[Any, ...]:
    arrays = (balance.indices, *(balance.synthetic or ()), balance.sample_weight)
    return (*(None if array is None else np.asarray(array).tobytes() for array in arrays), balance.loss)


def _few_rows(subject: Subject) -> None:
    fold = _fold(subject, rare=1, few=2)
    _decided(subject)
    try:
        _ask(subject, fold)
    except CxrbenchError:
        return
    except Exception as error:
        raise ContractBroken(f"with 2 rows of the rarer class it raises {one_line(error)}") from None


def _own_space(subject: Subject) -> None:
    space = subject.part.spec.space
    if not space:
        raise NotCheckable("it declares no parameters of its own")
    _decided(subject)
    for name, parameter in space.items():
        for value in _ends(parameter):
            try:
                _ask(subject, _fold(subject, rare=0), **{name: value})
            except Exception as error:
                raise ContractBroken(f"with {name}={value}, which its space allows, it raises {one_line(error)}") from None


_check = checks_of("imbalance")


CHECKS = (
    _check("balance", _balance, "the harness applies decisions of one form", "return cxrbench.plugin.Balance(...)"),
    _check(
        "indices-in-range",
        _indices_in_range,
        "there are no rows but the fold's",
        "count rows from 0 within the fold that was given, as whole numbers",
    ),
    _check(
        "weights",
        _weights,
        "a weight that is negative, infinite or missing spoils the training",
        "return one finite number >= 0 for each index and then for each synthetic row; mind classes without rows",
    ),
    _check("fold-untouched", _fold_untouched, "a strategy decides; it alters nothing", "copy arrays before you change them"),
    _check(
        "minority-kept",
        _minority,
        "a strategy against imbalance must not take from the rarer class, whichever that is",
        "find the rarer class by counting: in most collections of films it is the normal one, label 0",
    ),
    _check(
        "synthetic",
        _synthetic,
        "invented rows are trained on like real ones",
        "return (float32 [s, D], int [s]) with finite features as wide as the fold's and labels 0 or 1",
    ),
    _check(
        "from-the-fold",
        _from_the_fold,
        "rows of another fold would carry held-out images into training",
        "make rows from the fold's own features alone; keep nothing between two calls",
    ),
    _check(
        "seeded",
        _seeded,
        "the same command must give the same row",
        "draw from numpy.random.default_rng(seed), and from nothing else",
    ),
    _check(
        "few-rows",
        _few_rows,
        "small folds happen, and the reason must be readable",
        "raise cxrbench.plugin.ConfigError with what is needed and what there is",
    ),
    _check("own-space", _own_space, "the search tries every value that is declared", "accept both ends of each parameter"),
)
