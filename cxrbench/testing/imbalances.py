"""Checks of imbalance strategies: a valid decision about the training fold that depends on the fold and the seed only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.plugin.contracts import Balance, Fold, Loss
from cxrbench.plugin.specs import Choice
from cxrbench.testing.check import CHECK_SEED, Check
from cxrbench.testing.outcome import ContractBroken, NotCheckable, require
from cxrbench.testing.subject import error_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.plugin.specs import Parameter, Value
    from cxrbench.testing.subject import Subject

MINORITY_ROWS, MAJORITY_ROWS, FEATURE_COUNT = 30, 90, 6
MINORITY_SHARE = MINORITY_ROWS / (MINORITY_ROWS + MAJORITY_ROWS)
DISTANT_OFFSET = 1000.0


def first_decision(subject: Subject) -> Balance:
    """Return the strategy's decision about the first fold."""
    return _decision(subject, "minority-0", _make_fold(subject, minority=0))


def _make_fold(
    subject: Subject, *, minority: int, offset: float = 0.0, minority_rows: int = MINORITY_ROWS, seed: int = 0
) -> Fold:
    """Return a fold whose rarer class has the label `minority`; with features around `offset` if the strategy needs them."""
    generator = np.random.default_rng([seed, minority])
    labels = generator.permutation([minority] * minority_rows + [1 - minority] * MAJORITY_ROWS).astype(np.int64)
    if not subject.part.spec.needs_features:
        return Fold(labels=labels)
    features = generator.normal(size=(len(labels), FEATURE_COUNT)) + 0.7 * labels[:, None] + offset
    return Fold(labels=labels, features=features.astype(np.float32))


def _decision(subject: Subject, what: str, fold: Fold) -> Balance:
    decision: Balance = subject.once(what, lambda: _decide(subject, fold))
    return decision


def _decide(subject: Subject, fold: Fold, **params: Value) -> Any:
    """Call the strategy with the given searched parameters; the others have the lowest value of their range."""
    lowest = {name: _range_ends(parameter)[0] for name, parameter in subject.part.spec.space.items()}
    searched = {name: value for name, value in {**lowest, **params}.items() if name not in subject.part.arguments}
    return subject.part.build(fold, seed=CHECK_SEED, **searched)


def _range_ends(parameter: Parameter) -> tuple[Value, ...]:
    return parameter.options if isinstance(parameter, Choice) else (parameter.low, parameter.high)


def _fold_and_decision(subject: Subject, minority: int = 0) -> tuple[Fold, Balance]:
    """Return a fold and the decision about it; skip the check if the decision is not a Balance."""
    fold = _make_fold(subject, minority=minority)
    balance = subject.once_or_skip(f"decision {minority}", lambda: _decision(subject, f"minority-{minority}", fold))
    if not isinstance(balance, Balance):
        raise NotCheckable("it does not return a Balance: see the check balance")
    return fold, balance


def _chosen_rows(fold: Fold, balance: Balance) -> NDArray[np.int64]:
    return np.arange(len(fold.labels)) if balance.indices is None else np.asarray(balance.indices)


def _are_rows(fold: Fold, indices: NDArray[np.int64]) -> bool:
    are_integers = indices.ndim == 1 and indices.dtype.kind in "iu"
    return bool(are_integers and (not len(indices) or 0 <= indices.min() <= indices.max() < len(fold.labels)))


def _check_balance(subject: Subject) -> None:
    balance = subject.once_or_skip("any answer", lambda: first_decision(subject))
    require(isinstance(balance, Balance), f"it returned {type(balance).__name__}; expected Balance")
    require(isinstance(balance.loss, Loss), f"its loss is {balance.loss!r}; expected CrossEntropy() or Focal()")
    require(isinstance(balance.note, str), f"its note is {type(balance.note).__name__}; expected text")


def _check_indices_in_range(subject: Subject) -> None:
    for minority in (0, 1):
        fold, balance = _fold_and_decision(subject, minority)
        require(
            _are_rows(fold, _chosen_rows(fold, balance)),
            f"its indices must be integers in 0..{len(fold.labels) - 1}, the rows of the fold",
        )


def _check_sample_weights(subject: Subject) -> None:
    for minority in (0, 1):
        fold, balance = _fold_and_decision(subject, minority)
        if balance.sample_weight is None:
            continue
        weights = np.asarray(balance.sample_weight)
        synthetic = len(balance.synthetic[1]) if balance.synthetic else 0
        expected = len(_chosen_rows(fold, balance)) + synthetic
        require(weights.shape == (expected,), f"sample_weight has shape {weights.shape} for {expected} rows")
        require(np.isfinite(weights).all(), "sample_weight contains infinite values or NaN")
        require((weights >= 0).all(), f"sample_weight contains {weights.min():.3g}, which is negative")
        require(weights.any(), "every sample_weight is zero")


def _check_fold_untouched(subject: Subject) -> None:
    fold = _make_fold(subject, minority=0)
    subject.once_or_skip("decision once more", lambda: _decide(subject, fold))
    original = _make_fold(subject, minority=0)
    require(np.array_equal(fold.labels, original.labels), "it changed the labels of the fold")
    if fold.features is not None and original.features is not None:
        require(np.array_equal(fold.features, original.features), "it changed the features of the fold")


def _check_minority_kept(subject: Subject) -> None:
    """Compare the rarer class's share of the total weight before and after, with either class as the rarer one."""
    for minority in (0, 1):
        fold, balance = _fold_and_decision(subject, minority)
        indices = _chosen_rows(fold, balance)
        if not _are_rows(fold, indices):
            raise NotCheckable("its indices are invalid: see the check indices-in-range")
        kept = set(indices.tolist()) & set(np.flatnonzero(fold.labels == minority).tolist())
        lost = MINORITY_ROWS - len(kept)
        require(not lost, f"it leaves out {lost} of {MINORITY_ROWS} rows of the rarer class (label {minority})")
        labels = fold.labels[indices]
        if balance.synthetic:
            labels = np.concatenate([labels, np.asarray(balance.synthetic[1])])
        weights = np.ones(len(labels)) if balance.sample_weight is None else np.asarray(balance.sample_weight)
        if weights.shape != labels.shape or not np.isfinite(weights).all() or not weights.sum() > 0:
            raise NotCheckable("its weights are invalid: see the check weights")
        share = float(weights[labels == minority].sum() / weights.sum())
        require(
            share >= MINORITY_SHARE - 1e-9,
            f"the rarer class (label {minority}) has {MINORITY_SHARE:.0%} of the fold, but {share:.0%} of the weighted result",
        )


def _check_synthetic(subject: Subject) -> None:
    for minority in (0, 1):
        _, balance = _fold_and_decision(subject, minority)
        if balance.synthetic is None:
            raise NotCheckable("it makes no synthetic rows")
        require(
            isinstance(balance.synthetic, tuple) and len(balance.synthetic) == 2,
            f"synthetic is {type(balance.synthetic).__name__}; expected a pair (features, labels)",
        )
        features, labels = (np.asarray(part) for part in balance.synthetic)
        require(
            features.shape == (len(labels), FEATURE_COUNT),
            f"synthetic features have shape {features.shape}; expected ({len(labels)}, {FEATURE_COUNT})",
        )
        require(np.isfinite(features).all(), "synthetic features are infinite or NaN")
        require(np.isin(labels, (0, 1)).all(), f"synthetic labels are {sorted(set(labels.tolist()))}; expected 0 and 1 only")


def _check_from_the_fold(subject: Subject) -> None:
    """Pass one fold and then a distant one: synthetic rows must lie near the second fold."""
    _fold_and_decision(subject)
    fold = _make_fold(subject, minority=0, offset=DISTANT_OFFSET, seed=1)
    balance = subject.once_or_skip("decision on distant fold", lambda: _decide(subject, fold))
    if not balance.synthetic or fold.features is None:
        raise NotCheckable("it makes no synthetic rows")
    features = np.asarray(balance.synthetic[0], dtype=np.float64)
    if features.ndim != 2 or features.shape[1:] != (FEATURE_COUNT,) or not np.isfinite(features).all():
        raise NotCheckable("its synthetic rows are invalid: see the check synthetic")
    low, high = fold.features.min(axis=0), fold.features.max(axis=0)
    distant = ((features < 2 * low - high) | (features > 2 * high - low)).any(axis=1).sum()
    require(not distant, f"{distant} of {len(features)} synthetic rows lie far from every row of the fold")


def _check_seeded_decision(subject: Subject) -> None:
    _, balance = _fold_and_decision(subject)
    again = subject.once_or_skip("decision again", lambda: _decide(subject, _make_fold(subject, minority=0)))
    require(_as_bytes(balance) == _as_bytes(again), f"called twice with the same fold and seed {CHECK_SEED}, it differs")


def _as_bytes(balance: Balance) -> tuple[Any, ...]:
    arrays = (balance.indices, *(balance.synthetic or ()), balance.sample_weight)
    return (*(None if array is None else np.asarray(array).tobytes() for array in arrays), balance.loss)


def _check_few_rows(subject: Subject) -> None:
    fold = _make_fold(subject, minority=1, minority_rows=2)
    _fold_and_decision(subject)
    try:
        _decide(subject, fold)
    except CxrbenchError:
        return
    except Exception as error:
        raise ContractBroken(f"with 2 rows of the rarer class, it raises {error_line(error)}") from None


def _check_strategy_space(subject: Subject) -> None:
    space = subject.part.spec.space
    if not space:
        raise NotCheckable("it declares no search space")
    _fold_and_decision(subject)
    for name, parameter in space.items():
        for value in _range_ends(parameter):
            try:
                _decide(subject, _make_fold(subject, minority=0), **{name: value})
            except Exception as error:
                message = f"with {name}={value}, inside its search space, it raises {error_line(error)}"
                raise ContractBroken(message) from None


imbalance_check = partial(Check, kind="imbalance")

IMBALANCE_CHECKS = (
    imbalance_check("balance", _check_balance, "the harness applies every decision", "return cxrbench.plugin.Balance(...)"),
    imbalance_check(
        "indices-in-range",
        _check_indices_in_range,
        "indices select rows of the fold",
        "return integers that count the rows of the fold from 0",
    ),
    imbalance_check(
        "weights",
        _check_sample_weights,
        "a negative, infinite or missing weight spoils the training",
        "return one finite number >= 0 for each index and then for each synthetic row; allow for classes without rows",
    ),
    imbalance_check(
        "fold-untouched", _check_fold_untouched, "the harness applies the decision itself", "copy arrays before you change them"
    ),
    imbalance_check(
        "minority-kept",
        _check_minority_kept,
        "a strategy against imbalance must not reduce the rarer class, whichever label it has",
        "find the rarer class by counting labels: in many chest X-ray datasets it is the negative class",
    ),
    imbalance_check(
        "synthetic",
        _check_synthetic,
        "synthetic rows are trained on like real rows",
        "return (float32 [s, D], int [s]) with finite features as wide as the fold's and labels 0 or 1",
    ),
    imbalance_check(
        "from-the-fold",
        _check_from_the_fold,
        "rows made from another fold would leak held-out images into training",
        "make rows from the fold's own features only; keep no state between calls",
    ),
    imbalance_check(
        "seeded",
        _check_seeded_decision,
        "the same command must give the same row",
        "draw from numpy.random.default_rng(seed) only",
    ),
    imbalance_check(
        "few-rows",
        _check_few_rows,
        "small folds occur, and the error must be readable",
        "raise cxrbench.plugin.ConfigError with the number of rows needed and found, or return Balance(note=...) with them",
    ),
    imbalance_check(
        "own-space",
        _check_strategy_space,
        "the search tries values of the whole declared space",
        "accept both ends of each parameter",
    ),
)
