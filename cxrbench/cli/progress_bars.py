"""The bars of a run's stages: how many steps are done, how fast, and the time left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

MEASURED_SECONDS = 600.0
"""The last seconds whose steps tell the speed: a slow step must be among them."""
WIDTH_OF_BARS = 60
"""Columns from which a terminal has room for the bars themselves."""
BAR_WIDTH = 20


class PaceColumn(ProgressColumn):
    """How fast a stage goes and the time left, as in ``2.1/s, 5 min left``; of a finished stage, the time that it took."""

    def render(self, task: Task) -> Text:
        """Return the text of one stage."""
        return Text(pace(task), style="dim" if task.finished else "")


def pace(task: Task) -> str:
    """Return how fast a stage goes and the time left; before its second step, for how long it has been running."""
    if task.finished:
        return f"in {duration(task.finished_time or 0.0)}"
    if not task.speed or task.time_remaining is None:
        return f"for {duration(task.elapsed or 0.0)}"
    return f"{_rate(task.speed)}, {duration(task.time_remaining)} left"


def progress_bars(console: Console) -> Progress:
    """Return the bars for a terminal; a narrow one has the numbers alone. Without a terminal nothing is shown."""
    bar = (BarColumn(bar_width=BAR_WIDTH),) if console.width >= WIDTH_OF_BARS else ()
    return Progress(
        TextColumn("{task.description}"),
        *bar,
        MofNCompleteColumn(),
        PaceColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        speed_estimate_period=MEASURED_SECONDS,
    )


def duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has more than one."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _rate(speed: float) -> str:
    """Return a number of steps per second, minute or hour."""
    if speed >= 1:
        return f"{speed:.1f}/s"
    return f"{60 * speed:.1f}/min" if 60 * speed >= 1 else f"{3600 * speed:.1f}/h"
