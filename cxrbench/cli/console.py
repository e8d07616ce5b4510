"""Write to the terminal: tables on stdout; messages and progress on stderr. No other module does."""

from __future__ import annotations

import sys
import time
from threading import Lock
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape as escape_markup
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table
from rich.text import Text

from cxrbench.execution.progress import Progress
from cxrbench.storage.safe_text import as_json, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from rich.progress import TaskID

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.columns import Column
    from cxrbench.leaderboard.rows import Row

PIPE_WIDTH = 140
MINIMUM_RECIPE_WIDTH = 22
NOTE_LINES = 6
"""Lines of notes below the table of a run; all of them are in its LEADERBOARD.md."""


def escape(text: str) -> str:
    """Escape text of any origin: rich markup and terminal control characters are shown, not interpreted."""
    return escape_markup(as_text(text))


class ConsoleProgress(Progress):
    """Progress bars on a terminal, one plain line per step elsewhere."""

    def __init__(self) -> None:
        """Write to stderr."""
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = ProgressBars(*columns, console=self._console, disable=not self._console.is_terminal, transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._lock = Lock()

    def __enter__(self) -> ConsoleProgress:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a message."""
        self._console.print(escape(line))

    def warn(self, line: str) -> None:
        """Print a warning."""
        self._console.print(f"[yellow]warning:[/] {escape(line)}")

    def begin(self, stage: str, total: int) -> None:
        """Show a bar for a stage, unless there is nothing to do."""
        if total:
            self._started[stage], self._totals[stage] = time.monotonic(), total
            self._tasks[stage] = self._bars.add_task(escape(stage), total=total)

    def advance(self, stage: str, steps: int = 1) -> None:
        """Advance a stage's bar, if it has one; without a terminal, print one line when the stage is done."""
        if steps and stage in self._tasks:
            self._bars.advance(self._tasks[stage], steps)
            self._report_if_done(stage)

    def skip(self, stage: str, steps: int) -> None:
        """Remove steps from a stage's total, so that the bar counts only the work left to do."""
        with self._lock:
            self._totals[stage] -= steps
            self._bars.update(self._tasks[stage], total=self._totals[stage])
        if steps:
            self._report_if_done(stage)

    def _report_if_done(self, stage: str) -> None:
        task = self._bars.tasks[self._tasks[stage]]
        if task.finished and task.completed and not self._console.is_terminal:
            self.say(f"{stage}: {task.completed:.0f} in {time.monotonic() - self._started[stage]:.0f} s")


def print_board(board: Board, sort: str = "") -> None:
    """Print a board as tables, with what must be read with them."""
    from cxrbench.leaderboard.render import footer, notes, reasons

    print_tables(board, sort)
    for note in [*notes(board, board.rows(sort)), *reasons(board.rows()), *footer(board)]:
        _stdout().print(f"* {escape(note)}", soft_wrap=False)


def print_result(board: Board, following: Sequence[str]) -> None:
    """Print the board of a run, what it says, the first notes, and what can be done next."""
    from cxrbench.leaderboard.conclusion import conclusion
    from cxrbench.leaderboard.render import notes, reasons

    print_tables(board)
    console, lines = _stdout(), 0
    for sentence in [*reasons(board.rows()), *conclusion(board)]:
        console.print(escape(sentence))
    for note in notes(board, board.rows()):
        lines += len(Text(f"* {note}").wrap(console, console.width))
        if lines > NOTE_LINES:
            console.print("* More notes are in LEADERBOARD.md, beside the table.")
            break
        console.print(f"* {escape(note)}", soft_wrap=False)
    for line in following:
        console.print(escape(line), soft_wrap=True)


def print_tables(board: Board, sort: str = "") -> None:
    """Print a board as tables."""
    from cxrbench.leaderboard.render import tables, title

    console, rows = _stdout(), board.rows(sort)
    all_complete = all(row.is_complete for row in rows)
    console.print(f"[bold]{escape(title(board))}[/]")
    for caption, columns in tables(board, sort).items():
        if caption:
            console.print(f"[bold]{escape(caption)}[/]")
        shown = [column for column in columns if column.key != "status" or not all_complete]
        table, hidden = fitting_table(console, shown, rows, ranked_by=sort or board.protocol.metric)
        console.print(table)
        if hidden:
            console.print(f"[dim]not enough space for {escape(', '.join(hidden))}. Widen the window, or use --format csv[/]")


def fitting_table(console: Console, columns: Sequence[Column], rows: Sequence[Row], ranked_by: str) -> tuple[Table, list[str]]:
    """Return a table of as many columns as fit, and the headings of those that do not: the least important first."""
    shown, hidden = list(columns), list[str]()
    table = _board_table(shown, rows)
    unbounded = console.options.update(max_width=10_000)
    for column in sorted(columns, key=lambda column: column.dropped):
        too_wide = Measurement.get(console, unbounded, table).minimum > console.width
        if too_wide and column.dropped and column.key != ranked_by:
            shown.remove(column)
            hidden.append(column.heading)
            table = _board_table(shown, rows)
    return table, hidden


def _board_table(columns: Sequence[Column], rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        is_text, is_recipe = column.key in {"recipe", "status"}, column.key == "recipe"
        width = MINIMUM_RECIPE_WIDTH if is_recipe else None
        table.add_column(escape(column.heading), justify="left" if is_text else "right", no_wrap=not is_recipe, min_width=width)
    for row in rows:
        style = "dim" if row.entry.control or not row.is_complete else ""
        table.add_row(*(_two_lines(*column.cell(row)) for column in columns), style=style)
    return table


def _two_lines(value: str, below: str) -> str:
    return f"{escape(value)}\n[dim]{escape(below)}[/]" if below else escape(value)


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
