"""Log a leaderboard to MLflow: one experiment per protocol, one run per entry, and one for the page."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Any

from cxrbench_observers.trials import curve_points, log_trials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from cxrbench_observers.trials import Point, SeenTrial

IDENTITY_TAG = "cxrbench.entry"
"""Tag with the SHA-256 of the entry, so that the same entry is logged only once."""
PREDICTIONS_TAG = "cxrbench.predictions"
"""Tag that marks a run with stored predictions."""
MODEL_TAG = "cxrbench.model"
"""Tag that marks a run with its trained weights."""
PAGE_TAG = "cxrbench.page"
"""Tag with the SHA-256 of the page, so that the same page is logged only once."""
PAGE_RUN = "leaderboard"
PAGE, PAGES = "index.html", ("index.html", "LEADERBOARD.md", "leaderboard.csv")
PARAMS_PER_CALL = 100
METRICS_PER_CALL = 1000
"""MLflow accepts at most so many."""
RANKING_COLUMNS = ("rank", "rank_low", "rank_high", "p_first", "p_auc", "p_accuracy")


def find_or_log(client: Any, entry: Any, seen: Sequence[SeenTrial] = ()) -> Any:
    """Return the run of an entry; if it has none, log the entry first, and the trials that this process saw below it."""
    text = entry.model_dump_json(indent=2)
    identity = _sha256(text.encode())
    experiment = _experiment(client, entry.protocol.name)
    runs = client.search_runs([experiment], f"tags.`{IDENTITY_TAG}` = '{identity}'", max_results=1)
    if runs:
        return runs[0]
    run = _log(client, experiment, entry, text, {**dict(_tags(entry)), IDENTITY_TAG: identity})
    log_trials(client, run, entry, seen)
    return run


def log_board(client: Any, board: Any) -> None:
    """Log each entry's rank, model and predictions, the entries that have no run yet, and the page of the board."""
    rows = {row.name: row for row in board.rows()}
    for entry in board.entries:
        run = find_or_log(client, entry)
        ranking = {name: rows[entry.name][name] for name in RANKING_COLUMNS}
        _log_metrics(client, run.info.run_id, ((name, float(value), 0) for name, value in ranking.items() if value is not None))
        if entry.predictions and board.folder:
            _log_files(client, run, board.folder, entry)
    if board.folder and (board.folder / PAGE).is_file():
        _log_page(client, _experiment(client, board.protocol.name), board.folder)


def _log_files(client: Any, run: Any, folder: Path, entry: Any) -> None:
    """Log the table of predictions and the trained weights, each once."""
    if PREDICTIONS_TAG not in run.data.tags:
        client.log_artifact(run.info.run_id, str(folder / entry.predictions), "predictions")
        client.set_tag(run.info.run_id, PREDICTIONS_TAG, entry.predictions)
    model = folder / entry.models
    if MODEL_TAG not in run.data.tags and model.is_dir():
        client.log_artifacts(run.info.run_id, str(model), "model")
        client.set_tag(run.info.run_id, MODEL_TAG, entry.models)


def _log_page(client: Any, experiment: str, folder: Path) -> None:
    """Log the page of a board and its tables to a run of their own, unless it has this page."""
    digest = _sha256((folder / PAGE).read_bytes())
    runs = client.search_runs([experiment], f"tags.`{PAGE_TAG}` LIKE '%'", max_results=1)
    run = runs[0] if runs else client.create_run(experiment, run_name=PAGE_RUN, tags={PAGE_TAG: ""})
    if run.data.tags.get(PAGE_TAG) == digest:
        return
    for name in PAGES:
        client.log_artifact(run.info.run_id, str(folder / name))
    client.set_tag(run.info.run_id, PAGE_TAG, digest)
    client.set_terminated(run.info.run_id)


def _experiment(client: Any, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    return str(experiment.experiment_id if experiment else client.create_experiment(name))


def _log(client: Any, experiment: str, entry: Any, text: str, tags: dict[str, str]) -> Any:
    from mlflow.entities import Param

    seconds = entry.seconds.get("elapsed", 0.0)
    started = int(1000 * (time.time() - seconds))
    run = client.create_run(experiment, start_time=started, run_name=entry.name, tags=tags)
    run_id = run.info.run_id
    _log_metrics(client, run_id, ((name, value, 0) for name, value in _metrics(entry)))
    _log_metrics(client, run_id, curve_points(entry))
    params = [Param(_mlflow_name(name), str(value)) for name, value in _params(entry)]
    for start in range(0, len(params), PARAMS_PER_CALL):
        client.log_batch(run_id, params=params[start : start + PARAMS_PER_CALL])
    client.log_text(run_id, text, "entry.json")
    client.set_terminated(run_id, "FINISHED" if entry.status == "complete" else "FAILED")
    return client.get_run(run_id)


def _log_metrics(client: Any, run_id: str, points: Iterable[Point]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [Metric(_mlflow_name(name), value, now, step) for name, value, step in points]
    for start in range(0, len(metrics), METRICS_PER_CALL):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_CALL])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
    """Yield recipe, protocol and selected parameters, with a prefix where there are several folds or seeds."""
    for name in ("backbone", "augmentation", "imbalance", "stage"):
        yield name, getattr(entry, name)
    yield from ((f"budget.{name}", value) for name, value in entry.budget.items())
    for name, value in entry.protocol.model_dump().items():
        yield f"protocol.{name}", value
    for fold in entry.folds:
        prefix = f"fold{fold.fold}." if len(entry.folds) > 1 else ""
        yield from ((f"{prefix}{name}", value) for name, value in fold.params.items())
        for head in fold.heads:
            yield f"{prefix}{f'seed{head.seed}.' if len(fold.heads) > 1 else ''}threshold", head.threshold


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


def _mlflow_name(text: str) -> str:
    """Return a name that MLflow accepts: ``recall@0.7`` becomes ``recall_at_0.7``."""
    return re.sub(r"[^\w\-./ ]", "_", text.replace("@", "_at_"), flags=re.ASCII)
