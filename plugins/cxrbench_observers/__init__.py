"""First-party observers: MLflow, where the extra `mlflow` is installed and MLFLOW_TRACKING_URI says where it is."""

from __future__ import annotations

from typing import Any

from cxrbench.plugin import hookimpl
from cxrbench_observers.session import active_session


@hookimpl
def on_run_start() -> None:
    """Find out early whether the tracking server answers."""
    if session := active_session():
        session.begin()


@hookimpl
def on_entry(entry: Any) -> None:
    """Log an entry as a run."""
    if session := active_session():
        session.tell(lambda client: _runs().find_or_log(client, entry))


@hookimpl
def on_run_end(board: Any) -> None:
    """Log the entries that nobody has told of, and where each one stands."""
    if session := active_session():
        session.tell(lambda client: _runs().log_board(client, board))


def _runs() -> Any:
    """Import what is needed only where there is a server."""
    from cxrbench_observers import runs

    return runs
