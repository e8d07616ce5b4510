"""Entries of a leaderboard as runs of MLflow: an experiment for each protocol, a run for each entry."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTITY = "cxrbench.entry"
"""Tag with the SHA-256 of the entry: the same entry is logged once, however often it is heard of."""
PREDICTIONS = "cxrbench.predictions"
"""Tag that says that the predictions were stored with the run."""
PARAMS_A_CALL = 100
"""MLflow takes no more."""
STANDING = ("rank", "rank_low", "rank_high", "p_first", "p_auc", "p_accuracy")


def find_or_log(client: Any, entry: Any) -> Any:
    """Return the run of an entry, which is logged unless it was before."""
    text = entry.model_dump_json(indent=2)
    identity = hashlib.sha256(text.encode()).hexdigest()
    experiment = _experiment(client, entry.protocol.name)
    found = client.search_runs([experiment], f"tags.`{IDENTITY}` = '{identity}'", max_results=1)
    return found[0] if found else _log(client, experiment, entry, text, {**dict(_tags(entry)), IDENTITY: identity})


def log_board(client: Any, board: Any) -> None:
    """Log where each entry stands, and its predictions; log the entries that have no run yet."""
    rows = {row["recipe"]: row for row in board.rows()}
    for entry in board.entries:
        run = find_or_log(client, entry)
        standing = {name: rows[entry.recipe][name] for name in STANDING}
        _log_metrics(client, run.info.run_id, {name: float(value) for name, value in standing.items() if value is not None})
        if entry.predictions and board.folder and PREDICTIONS not in run.data.tags:
            client.log_artifact(run.info.run_id, str(board.folder / entry.predictions), "predictions")
            client.set_tag(run.info.run_id, PREDICTIONS, entry.predictions)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _log(client: Any, experiment: str, entry: Any, text: str, tags: dict[str, str]) -> Any:
    from mlflow.entities import Param

    run = client.create_run(experiment, run_name=entry.recipe, tags=tags)
    number = run.info.run_id
    _log_metrics(client, number, dict(_metrics(entry)))
    params = [Param(_name(name), str(value)) for name, value in _params(entry)]
    for start in range(0, len(params), PARAMS_A_CALL):
        client.log_batch(number, params=params[start : start + PARAMS_A_CALL])
    client.log_text(number, text, "entry.json")
    client.set_terminated(number, "FINISHED" if entry.status == "complete" else "FAILED")
    return client.get_run(number)


def _log_metrics(client: Any, run: str, values: dict[str, float]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(run, metrics=[Metric(_name(name), value, now, 0) for name, value in values.items()])


def _metrics(entry: Any) -> Iterator[tuple[str, float]]:
    yield from entry.metrics.items()
    for name, (low, high) in entry.intervals.items():
        yield f"{name}_low", low
        yield f"{name}_high", high
    for name, spread in entry.seed_spread.items():
        yield f"{name}_seed_sd", spread
    for stage, seconds in entry.seconds.items():
        yield f"seconds_{stage}", seconds
    if (value := entry.validation(entry.selected_by)) is not None:
        yield f"validation_{entry.selected_by}", value


def _params(entry: Any) -> Iterator[tuple[str, Any]]:
    """Yield recipe, protocol, and what was chosen: of several folds or seeds, with their numbers before it."""
    for name in ("backbone", "augmentation", "imbalance"):
        yield name, getattr(entry, name)
    for name, value in entry.protocol.model_dump().items():
        yield f"protocol.{name}", value
    for fold in entry.folds:
        before = f"fold{fold.fold}." if len(entry.folds) > 1 else ""
        yield from ((f"{before}{name}", value) for name, value in fold.params.items())
        for head in fold.heads:
            yield f"{before}{f'seed{head.seed}.' if len(fold.heads) > 1 else ''}threshold", head.threshold


def _tags(entry: Any) -> Iterator[tuple[str, str]]:
    yield "cxrbench.kind", entry.kind
    yield "cxrbench.control", str(entry.control).lower()
    yield "cxrbench.status", entry.status
    yield "cxrbench.data", entry.data
    yield "cxrbench.audit", entry.audit.verdict
    if entry.reason:
        yield "cxrbench.reason", entry.reason[:5000]
    for package, version in entry.versions.items():
        yield f"version.{package}", version


def _name(text: str) -> str:
    """Return a name that MLflow takes: ``recall@0.7`` becomes ``recall_at_0.7``."""
    return re.sub(r"[^\w\-./ ]", "_", text.replace("@", "_at_"), flags=re.ASCII)
