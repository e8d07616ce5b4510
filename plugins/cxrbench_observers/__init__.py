"""First-party observers: log to MLflow, if the extra `mlflow` is installed and MLFLOW_TRACKING_URI is set."""

from __future__ import annotations

from typing import Any

from cxrbench.plugin import hookimpl
from cxrbench_observers.session import active_session


@hookimpl
def on_run_start() -> None:
    """Check early that the tracking server answers."""
    if session := active_session():
        session.start()


@hookimpl
def on_entry(entry: Any) -> None:
    """Log an entry as an MLflow run."""
    if session := active_session():
        session.send(lambda client: _runs().find_or_log(client, entry))


@hookimpl
def on_run_end(board: Any) -> None:
    """Log each entry's rank and predictions, and the entries that were not logged before."""
    if session := active_session():
        session.send(lambda client: _runs().log_board(client, board))


def _runs() -> Any:
    """Import the module that logs; without a server it is not needed."""
    from cxrbench_observers import runs

    return runs
