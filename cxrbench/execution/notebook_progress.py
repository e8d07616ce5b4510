"""Progress bars in a notebook.

rich draws them, into an output of the cell that is replaced as they advance. Its own live display would need ipywidgets, and a
saved notebook would not have it.
"""

from __future__ import annotations

import time
import warnings
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBars
from rich.text import Text

from cxrbench.execution.progress import Progress
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from rich.progress import Task, TaskID

REDRAWN_AFTER = 0.2
"""Seconds between two drawings of unfinished bars."""


def is_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return Console().is_jupyter


class NotebookProgress(Progress):
    """Bars of the stages, and messages below them, in the output of the cell that runs."""

    def __init__(self) -> None:
        """Show nothing yet."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna imports it, too, and it tells every notebook to install ipywidgets
            import_module("tqdm.auto")
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = ProgressBars(*columns, auto_refresh=False)
        self._tasks: dict[str, TaskID] = {}
        self._lock = Lock()
        self._output: Any = None
        self._drawn = 0.0

    def say(self, line: str) -> None:
        """Show a message below the bars."""
        _display(Text(as_line(line)))

    def warn(self, line: str) -> None:
        """Show a warning below the bars."""
        _display(Text(f"warning: {as_line(line)}"))

    def begin(self, stage: str, total: int, taken: float = 0.0) -> None:
        """Show a bar for a stage, unless there is nothing to do."""
        if total:
            with self._lock:
                self._tasks[stage] = self._bars.add_task(as_line(stage), total=total)
                self._task(stage).start_time = self._bars.get_time() - taken
                self._draw()

    def advance(self, stage: str, steps: int = 1) -> None:
        """Advance a stage's bar, if it has one."""
        if steps and stage in self._tasks:
            with self._lock:
                self._bars.advance(self._tasks[stage], steps)
                self._draw_if_due(stage)

    def skip(self, stage: str, steps: int) -> None:
        """Remove steps from a stage's total, so that the bar counts only the work left to do."""
        if steps and stage in self._tasks:
            with self._lock:
                self._bars.update(self._tasks[stage], total=(self._task(stage).total or 0) - steps)
                self._draw_if_due(stage)

    def _task(self, stage: str) -> Task:
        return self._bars.tasks[self._tasks[stage]]

    def _draw_if_due(self, stage: str) -> None:
        if self._task(stage).finished or time.monotonic() - self._drawn > REDRAWN_AFTER:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._output is None:
            self._output = _display(self._bars, display_id=True)
        else:
            self._output.update(self._bars)


def _display(shown: Text | ProgressBars, **options: bool) -> Any:
    """Show what rich draws in the output of the present cell."""
    from IPython.display import display

    return display(shown, **options)
