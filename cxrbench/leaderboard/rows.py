"""One entry as a flat row: what scripts read and tables show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrbench.evaluation.metrics import METRICS, metric_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.leaderboard.standings import Verdict
    from cxrbench.leaderboard.store.entry import Entry, ExternalResult


def row_of(entry: Entry, verdict: Verdict, external: Mapping[str, ExternalResult | None]) -> dict[str, Any]:
    """Return the row of an entry; what it does not have is None.

    Every metric has its interval beside it, as ``auc``, ``auc_low`` and ``auc_high``; with several seeds the five main ones
    have their spread, ``auc_seed_sd``; external test sets are prefixed, ``external_NAME_auc``.
    """
    return {
        "protocol": entry.protocol.name,
        "rank": verdict.rank,
        "rank_low": verdict.rank_low,
        "rank_high": verdict.rank_high,
        "p_first": verdict.p_first,
        "tied_with_first": verdict.tied,
        "p_auc": verdict.p_auc,
        "p_accuracy": verdict.p_accuracy,
        "recipe": entry.recipe,
        "backbone": entry.backbone,
        "augmentation": entry.augmentation,
        "imbalance": entry.imbalance,
        "kind": entry.kind,
        "control": entry.control,
        "status": entry.status,
        **_metrics(entry.metrics, entry.intervals, metric_names(entry.protocol.also_at)),
        **{f"{metric}_seed_sd": entry.seed_spread.get(metric) for metric in METRICS},
        **_externals(entry, external),
        **_selection(entry),
        "seconds": round(entry.seconds.get("features", 0.0) + entry.seconds.get("elapsed", 0.0), 2),
        "reason": entry.reason,
        **({"failure": entry.failure} if entry.failure else {}),
        "audit": entry.audit.verdict,
        "warnings": [*entry.warnings, *verdict.remarks],
        "notice": entry.protocol.notice,
    }


def _metrics(
    values: Mapping[str, float], intervals: Mapping[str, tuple[float, float]], names: tuple[str, ...], prefix: str = ""
) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in names:
        low, high = intervals.get(name, (None, None))
        found |= {f"{prefix}{name}": values.get(name), f"{prefix}{name}_low": low, f"{prefix}{name}_high": high}
    return found


def _externals(entry: Entry, external: Mapping[str, ExternalResult | None]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    names = metric_names(entry.protocol.also_at)
    for name, result in external.items():
        values, intervals = (result.metrics, result.intervals) if result else ({}, {})
        found |= _metrics(values, intervals, names, f"external_{name}_")
    return found


def _selection(entry: Entry) -> dict[str, Any]:
    """Return what validation chose, and on how many images; of several folds the mean threshold and the smallest counts."""
    thresholds, trials = entry.thresholds, entry.trials
    parts = entry.dataset.folds if entry.dataset else ()
    params = entry.folds[0].params if len(entry.folds) == 1 else {}
    return {
        "threshold": sum(thresholds) / len(thresholds) if thresholds else None,
        "validation_normal": min((part.validation_normal for part in parts), default=None),
        "validation_pneumonia": min((part.validation_pneumonia for part in parts), default=None),
        "folds": entry.protocol.folds,
        "seeds": entry.protocol.seeds,
        "trials": sum(trials.values()),
        "trials_pruned": trials.get("pruned", 0),
        "trials_failed": trials.get("failed", 0),
        "validation": entry.validation(entry.selected_by),
        "learning_rate": params.get("learning_rate"),
        "dropout": params.get("dropout"),
    }
