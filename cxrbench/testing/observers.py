"""Checks of observers: their callbacks are called, do not raise, and leave records, stdout and the process as they were."""

from __future__ import annotations

import inspect
import io
import os
import random
import tempfile
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pluggy import PluginManager

from cxrbench.plugin import hooks
from cxrbench.testing.check import Check
from cxrbench.testing.outcome import NotCheckable, require
from cxrbench.testing.run_records import Event, events_of_runs
from cxrbench.testing.subject import error_line
from cxrbench.testing.surroundings import global_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.testing.subject import Subject

SEEDS = (1, 2)
"""Of the global random numbers before each run of events: a state that is the same after both was set by the observer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What an observer did when it was told of runs.

    Attributes:
        errors: what it raised, one line a callback and event.
        changed: the records that it changed.
        printed: what it wrote to stdout.
        traces: changes of the process, in words.
    """

    errors: tuple[str, ...]
    changed: tuple[str, ...]
    printed: str
    traces: tuple[str, ...]


def _check_called(subject: Subject) -> None:
    for name in subject.plugin.callbacks:
        function = getattr(subject.loaded, name)
        options = getattr(function, f"{hooks.PROJECT}_impl")
        is_wrapper = options["wrapper"] or options["hookwrapper"]
        require(not is_wrapper, f"{name} is a wrapper of other callbacks, which observers cannot be: it is never run")
        is_plain = not (inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function))
        require(is_plain, f"{name} is a generator or a coroutine, which is never run")
        parameters = inspect.signature(function).parameters.values()
        optional = [one.name for one in parameters if one.default is not inspect.Parameter.empty]
        require(not optional, f"{name} gives {', '.join(optional)} a default, so it gets that in place of the record")


def _played(subject: Subject) -> Played:
    return subject.once("played", lambda: _play(subject))


def _play(subject: Subject) -> Played:
    """Tell the observer of runs, twice, in an empty folder."""
    manager = PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    manager.register(subject.loaded)
    printed, environment, errors, states = io.StringIO(), dict(os.environ), list[str](), list[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as folder, chdir(folder):
        events, before_in = events_of_runs(Path(out)), Path.cwd()
        before = [_text(event) for event in events]
        with redirect_stdout(printed):
            for seed in SEEDS:
                with global_seed(seed):
                    errors += [line for event in events for line in _tell(manager, event)]
                    states.append((repr(random.getstate()), repr(np.random.get_state())))
        changed = [event.words for event, text in zip(events, before, strict=True) if _text(event) != text]
        traces = [*_changes(environment), *(["the working folder"] if Path.cwd() != before_in else [])]
    traces += [
        f"the seed of {name}" for name, *both in zip(("random", "numpy.random"), *states, strict=True) if both[0] == both[1]
    ]
    return Played(errors=tuple(errors), changed=tuple(changed), printed=printed.getvalue(), traces=tuple(traces))


def _tell(manager: PluginManager, event: Event) -> list[str]:
    """Call the callbacks of an event as the harness does; return what they raise."""
    errors = []
    for implementation in getattr(manager.hook, event.hook).get_hookimpls():
        try:
            answer = implementation.function(**{name: event.arguments[name] for name in implementation.argnames})
            if inspect.iscoroutine(answer):
                answer.close()  # the check `called` reports it
        except (Exception, SystemExit) as error:
            errors.append(f"{event.hook} raises {error_line(error)}, told of {event.words}")
    return errors


def _text(event: Event) -> str:
    """Return everything that the records of an event say."""
    board = event.arguments.get("board")
    return repr([*event.arguments.items(), board and board.records()])


def _changes(before: Mapping[str, str]) -> list[str]:
    """Return the environment variables that are no longer what they were, and set them back."""
    names = [name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)]
    os.environ.update(before)
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    return [f"the environment variable {name}" for name in sorted(names)]


def _check_no_errors(subject: Subject) -> None:
    errors = _played(subject).errors
    require(not errors, errors[0] if errors else "")


def _check_untouched(subject: Subject) -> None:
    changed = _played(subject).changed
    require(not changed, f"it changes the records that it is told of: those of {', '.join(changed)}")


def _check_stdout(subject: Subject) -> None:
    printed = _played(subject).printed
    require(not printed, f"it prints {printed[:60]!r} to stdout, where the results of --json and --format csv are")


def _check_traces(subject: Subject) -> None:
    if _played(subject).errors:
        raise NotCheckable("it raises: see the check no-errors")
    traces = _played(subject).traces
    require(not traces, f"it changes {', '.join(traces)} for the whole process")


observer_check = partial(Check, kind="observer")

OBSERVER_CHECKS = (
    observer_check(
        "called",
        _check_called,
        "a callback that is never called records nothing, without an error",
        "write @hookimpl above a plain function whose arguments have no default",
    ),
    observer_check(
        "no-errors",
        _check_no_errors,
        "an error in a callback is reported once, and what it should have recorded is lost",
        "expect failed trials and entries without a result, entries without a run, and runs without a recipe",
    ),
    observer_check(
        "records-untouched", _check_untouched, "observers are told, and change nothing", "copy what you want to change"
    ),
    observer_check("stdout-free", _check_stdout, "stdout is data: other programs read it", "print(..., file=sys.stderr)"),
    observer_check(
        "no-traces",
        _check_traces,
        "a setting of the whole process changes the run that is only observed",
        "use numpy.random.default_rng(), pass folders and settings to the functions that need them",
    ),
)
