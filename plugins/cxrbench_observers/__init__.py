"""First-party observers: log to MLflow, if the extra `mlflow` is installed and MLFLOW_TRACKING_URI is set."""

from __future__ import annotations

from typing import Any

from cxrbench.plugin import Trial, hookimpl
from cxrbench_observers.session import active_session


@hookimpl
def on_run_start() -> None:
    """Check early that the tracking server answers."""
    if session := active_session():
        session.start()


@hookimpl
def on_trial_end(recipe: Any, stage: str, trial: Trial) -> None:
    """Keep a trial until its recipe has an entry of the stage."""
    if session := active_session():
        session.keep((str(recipe), stage), trial)


@hookimpl
def on_entry(entry: Any) -> None:
    """Log an entry as an MLflow run, and the trials that this process saw as runs below it."""
    if session := active_session():
        seen = session.seen.pop((entry.recipe, entry.stage), [])
        session.send_later(lambda client: _runs().find_or_log(client, entry, seen))


@hookimpl
def on_run_end(board: Any) -> None:
    """Log each entry's rank, model and predictions, the entries that were not logged before, and the page."""
    if session := active_session():
        session.finish()
        session.send(lambda client: _runs().log_board(client, board))


def _runs() -> Any:
    """Import the module that logs; without a server it is not needed."""
    from cxrbench_observers import runs

    return runs
