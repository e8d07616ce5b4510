"""Write to the terminal: tables on stdout; messages and progress on stderr. No other module does."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape as escape_markup
from rich.table import Table

from cxrbench.cli.progress_bars import progress_bars
from cxrbench.execution.progress import Progress
from cxrbench.storage.safe_text import as_json, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from rich.progress import TaskID

    from cxrbench.leaderboard.board import Board

PIPE_WIDTH = 140
SECONDS_PER_LINE = 60.0
"""Seconds between two lines about a stage that is under way, where there are no bars."""


def escape(text: str) -> str:
    """Escape text of any origin: rich markup and terminal control characters are shown, not interpreted."""
    return escape_markup(as_text(text))


class ConsoleProgress(Progress):
    """Progress bars on a terminal, elsewhere at most a plain line a minute, and one plain line when a stage is done."""

    def __init__(self) -> None:
        """Write to stderr."""
        self._console = Console(stderr=True, highlight=False, emoji=False)
        self._bars = progress_bars(self._console)
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._mentioned: dict[str, float] = {}
        self._reported: set[TaskID] = set()
        self._lock = Lock()

    def __enter__(self) -> ConsoleProgress:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a message."""
        self._print(escape(line))

    def warn(self, line: str) -> None:
        """Print a warning."""
        self._print(f"[yellow]warning:[/] {escape(line)}")

    def _print(self, markup: str) -> None:
        """Print a line; a terminal gets it in lines that end between words."""
        self._console.print(markup, soft_wrap=not self._console.is_terminal)

    def begin(self, stage: str, total: int, taken: float = 0.0) -> None:
        """Show a bar for a stage, unless there is nothing to do."""
        if total:
            self._started[stage] = self._mentioned[stage] = time.monotonic() - taken
            self._totals[stage] = total
            self._tasks[stage] = self._bars.add_task(escape(stage), total=total)

    def advance(self, stage: str, steps: int = 1) -> None:
        """Advance a stage's bar, if it has one; print one line when the stage is done."""
        if steps and stage in self._tasks:
            self._bars.advance(self._tasks[stage], steps)
            self._report_if_done(stage)
            self._report_if_slow(stage)

    def skip(self, stage: str, steps: int) -> None:
        """Remove steps from a stage's total, so that the bar counts only the work left to do."""
        with self._lock:
            self._totals[stage] -= steps
            self._bars.update(self._tasks[stage], total=self._totals[stage])
        if steps:
            self._report_if_done(stage)

    def _report_if_done(self, stage: str) -> None:
        task = self._bars.tasks[self._tasks[stage]]
        with self._lock:
            is_news = task.finished and task.id not in self._reported
            self._reported |= {task.id} if is_news else set()
        if is_news:
            self._bars.update(task.id, visible=False)  # the bars that are left are what is going on
            if task.completed:
                self.say(f"{stage}: {task.completed:.0f} in {time.monotonic() - self._started[stage]:.0f} s")

    def _report_if_slow(self, stage: str) -> None:
        """Print how far a stage is, without a terminal, if it is not done and a minute has passed since its last line."""
        task, now = self._bars.tasks[self._tasks[stage]], time.monotonic()
        with self._lock:
            is_news = not (self._console.is_terminal or task.finished) and now - self._mentioned[stage] >= SECONDS_PER_LINE
            self._mentioned[stage] = now if is_news else self._mentioned[stage]
        if is_news:
            done = f"{task.completed:.0f} of {self._totals[stage]}"
            self.say(f"{stage}: {done} after {now - self._started[stage]:.0f} s")


def print_board(board: Board, sort: str = "", *, with_notes: bool = False) -> None:
    """Print a board as tables, with all notes; on a terminal with the first notes alone, if nothing else is said."""
    from cxrbench.leaderboard.first_notes import all_notes, first_notes

    print_tables(board, sort)
    notes = all_notes(board, sort)
    _print_below(board, notes if with_notes else first_notes(board, sort), notes)


def print_result(board: Board, following: Iterable[str]) -> None:
    """Print the board of a run, what it says, all notes or, on a terminal, the first ones, and what can be done next."""
    from cxrbench.leaderboard.conclusion import conclusion
    from cxrbench.leaderboard.first_notes import all_notes, first_notes
    from cxrbench.leaderboard.render import reasons

    print_tables(board)
    first = [*reasons(board.rows()), *first_notes(board, beside_conclusion=True)]
    for sentence in conclusion(board):
        _stdout().print(escape(sentence))
    _print_below(board, first, all_notes(board))
    for line in ("", *following):
        _stdout().print(escape(line), soft_wrap=True)


def _print_below(board: Board, first: Sequence[str], notes: Sequence[str]) -> None:
    """Print all notes; on a terminal the first ones alone, and how many more there are."""
    shown = first if sys.stdout.isatty() else list(dict.fromkeys([*first, *notes]))
    _print_notes(shown)
    _print_more(board, sum(note not in shown for note in notes))


def print_tables(board: Board, sort: str = "") -> None:
    """Print a board as tables as wide as the terminal, below each what it does not show and what its signs mean."""
    from cxrbench.cli.board_table import fit, laid_out, legend
    from cxrbench.leaderboard.render import tables, title

    console, rows = _stdout(), board.rows(sort)
    all_complete = all(row.is_complete for row in rows)
    console.print(f"[bold]{escape(title(board))}[/]")
    for caption, columns in tables(board, sort).items():
        console.print(f"\n[bold]{escape(caption)}[/]" if caption else "")
        shown = [column for column in columns if column.key != "status" or not all_complete]
        layout = fit(shown, rows, console.width, ranked_by=sort or board.protocol.metric)
        for part in laid_out(layout, rows):
            console.print(part)
        if line := legend(layout, rows):
            console.print(f"[dim]{escape(line)}[/]")


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        _stdout().print(f"* {escape(note)}")


def _print_more(board: Board, count: int) -> None:
    """Print how many notes are left out, and the command that prints them."""
    out = board.folder.parent if board.folder else Path("leaderboard")
    elsewhere = "" if out == Path("leaderboard") else f" --out {shlex.quote(str(out))}"
    if count:
        _stdout().print(f"[dim]{count} more note{'s' * (count > 1)}: cxrbench leaderboard --notes{escape(elsewhere)}[/]")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    table = Table(*map(escape, headings), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for row in rows:
        table.add_row(*(escape(text) for text in row))
    _stdout().print(table)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print `name: value` lines."""
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    for name, value in facts.items():
        console.print(f"[bold]{escape(name)}[/]: {escape(str(value))}")


def print_section(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Print a title and the lines below it: `name: value`, or the value alone where the name is empty."""
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    console.print(f"\n[bold]{escape(title)}[/]")
    for name, value in facts:
        console.print(f"  {escape(name)}: {escape(value)}" if name else f"  {escape(value)}")


def print_text(text: str) -> None:
    """Print text with terminal control characters escaped."""
    Console(markup=False, highlight=False, soft_wrap=True, emoji=False).print(as_text(text), end="")


def print_json(value: Any) -> None:
    """Print a value as JSON: no text is shortened, and terminal control characters are escaped."""
    print_text(as_json(value) + "\n")


def open_stdout() -> Callable[[str], None]:
    """Return a function that writes lines to stdout at once, also while progress bars are shown; call it before they are.

    Bars on a terminal replace ``sys.stdout`` by one that prints above them, on stderr: right only if both are one terminal.
    """
    stdout = sys.stdout
    is_terminal = stdout.isatty()

    def write(lines: str) -> None:
        stream = sys.stdout if is_terminal else stdout
        stream.write(lines)
        stream.flush()

    return write


def print_message(line: str) -> None:
    """Print a message to stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True, emoji=False).print(escape(line))


def print_error(message: str) -> None:
    """Print an error message to stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True, emoji=False).print(f"[bold red]error:[/] {escape(message)}")


def _stdout() -> Console:
    """Return a console of the terminal's width, or of at least PIPE_WIDTH columns where stdout is not a terminal."""
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else max(PIPE_WIDTH, Console().width))
