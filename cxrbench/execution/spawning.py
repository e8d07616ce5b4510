"""Start worker processes from which the user's files are kept out, and tell those that cannot start from the others."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from multiprocessing import get_context, spawn
from multiprocessing.context import SpawnProcess
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

from cxrbench.execution.search_path import libraries_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

READY = "-ready"
"""Ending of the file that a worker creates when it is ready; the name begins with its process ID."""
LAST_BYTES = 2**14
REDIRECT = (
    "import os, sys; os.dup2(os.open(sys.argv[2] + str(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2); "
)
"""What a worker runs first: until it is ready, nothing else can say why it does not start."""

_spawning = Lock()


class _Worker(SpawnProcess):
    """A process that does not import the user's script, and in which no file of the working folder replaces a library's."""

    folder: str = ""

    def start(self) -> None:
        """Start the process; what it prints to stderr goes to a file in `folder`, named by its process ID."""
        with _in_safe_surroundings(f"{self.folder}/"):
            super().start()


class TrackingContext:
    """A multiprocessing context that keeps the processes it starts. It spawns them, because TensorFlow cannot be forked."""

    def __init__(self, folder: Path) -> None:
        """Take a folder for the marks and the error messages of starting processes."""
        self._context = get_context("spawn")
        self._folder = folder
        self._started: list[BaseProcess] = []
        self._released = 0
        _start_resource_tracker()

    def Process(self, *arguments: Any, **keywords: Any) -> BaseProcess:
        """Create a process and keep it."""
        process = _Worker(*arguments, **keywords)
        process.folder = str(self._folder)
        self._started.append(process)
        return process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def exit_code(self, process: int | None) -> int | None:
        """Return the exit code of a process, or None if it is unknown."""
        return next((started.exitcode for started in self._started if started.pid == process), None)

    def release(self) -> None:
        """Forget how the processes so far started: their pool is being closed, which may end them at any time."""
        self._released = len(self._started)

    def failed_starts(self) -> list[tuple[int | None, str]]:
        """Return exit code and last error message of the processes in a row that ended before they were ready, up to now."""
        failed: list[BaseProcess] = []
        for process in self._started[self._released :]:
            if self._is_ready(process):
                failed = []
            elif process.pid is not None and process.exitcode is not None:
                failed.append(process)
        return [(process.exitcode, self._said(process)) for process in failed]

    def kill_all(self) -> None:
        """Kill the processes that are still alive."""
        for process in self._started:
            with suppress(ValueError):  # the process object is closed: it has ended
                if process.pid and process.is_alive():
                    process.kill()
                    process.join()

    def _is_ready(self, process: BaseProcess) -> bool:
        return (self._folder / f"{process.pid}{READY}").exists()

    def _said(self, process: BaseProcess) -> str:
        """Return the last line that a process printed to stderr, or an empty string."""
        with suppress(OSError):
            text = (self._folder / str(process.pid)).read_bytes()[-LAST_BYTES:].decode("utf-8", errors="replace")
            return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
        return ""


def say_ready(folder: Path) -> None:
    """Leave the mark that this worker process is ready."""
    (folder / f"{os.getpid()}{READY}").touch()


@contextmanager
def _in_safe_surroundings(prefix: str) -> Iterator[None]:
    """Change how this thread spawns processes. multiprocessing has no setting for what a process imports."""
    before = spawn.get_preparation_data, spawn.get_command_line
    thread = get_ident()

    def preparation_data(name: str) -> dict[str, Any]:
        data = before[0](name)
        return _without_script(data) if get_ident() == thread else data

    def command_line(**handles: Any) -> list[str]:
        command = before[1](**handles)
        return _guarded(command, prefix) if get_ident() == thread else command

    with _spawning:
        _replace(preparation_data, command_line)
        try:
            yield
        finally:
            _replace(*before)


def _replace(preparation_data: Callable[[str], dict[str, Any]], command_line: Callable[..., list[str]]) -> None:
    for name, function in (("get_preparation_data", preparation_data), ("get_command_line", command_line)):
        setattr(spawn, name, function)


def _without_script(data: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in data.items() if not name.startswith("init_main_from")}
    return {**kept, "sys_path": libraries_first()}


def _guarded(command: list[str], prefix: str) -> list[str]:
    """Return a worker's command without the working folder in its search path, and with its stderr in a file."""
    if "-c" not in command:  # a frozen executable
        return command
    code = command.index("-c") + 1
    return [command[0], "-P", *command[1:code], REDIRECT + command[code], *command[code + 1 :], prefix]


def _start_resource_tracker() -> None:
    """Start the process with which multiprocessing cleans up, also without the working folder in its search path."""
    if sys.platform == "win32":
        return
    from multiprocessing import resource_tracker

    with _spawning:
        given = os.environ.get("PYTHONSAFEPATH")
        os.environ["PYTHONSAFEPATH"] = "1"
        try:
            resource_tracker.ensure_running()
        finally:
            os.environ.pop("PYTHONSAFEPATH")
            os.environ.update({} if given is None else {"PYTHONSAFEPATH": given})
