"""Checks of engines: proposals inside the space, as a pure function of seed, number and finished trials."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Choice, Float, Int, is_inside, is_searched
from cxrbench.search.engine import build_engine
from cxrbench.search.study import search_space
from cxrbench.testing.check import CHECK_SEED, Check
from cxrbench.testing.outcome import ContractBroken, require
from cxrbench.testing.subject import error_line
from cxrbench.testing.surroundings import global_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.plugin.specs import Parameter, Space, Value
    from cxrbench.testing.subject import Subject

GENERATION_SIZE = 4
TRIAL_COUNT = 3 * GENERATION_SIZE
OF_ANOTHER_MACHINE: Mapping[str, Any] = {"seconds": 9.5, "batch_size": 8, "log": ("a slow machine",)}
"""Fields of trials that are others on another machine, and must not count."""
STRATEGY_SPACE: Space = {
    "neighbours": Int(low=1, high=9, step=2),
    "fraction": Float(low=0.25, high=1.0, step=0.25),
    "kind": Choice(options=("a", "b")),
    "share": Float(low=0, high=1, when=(("kind", ("b",)),)),
}
"""Parameters that an imbalance strategy might add to the search."""


def built_engine(subject: Subject) -> Any:
    """Return an engine for the largest space that it accepts, built once."""
    engine, _ = subject.once("engine", lambda: _engine_and_space(subject))
    return engine


def _engine_and_space(subject: Subject) -> tuple[Any, Space]:
    """Build the engine with a strategy's parameters, or without them if it raises a CxrbenchError."""
    large, small = search_space("search", STRATEGY_SPACE), search_space("search", {})
    try:
        return build_engine(subject.part, large, CHECK_SEED, TRIAL_COUNT), large
    except CxrbenchError:
        return build_engine(subject.part, small, CHECK_SEED, TRIAL_COUNT), small


def _new_engine(subject: Subject) -> tuple[Any, Space]:
    """Return an engine that has proposed nothing yet, and its space."""
    engine, space = subject.once_or_skip("fresh", lambda: _engine_and_space(subject))
    subject.made.pop("fresh")
    return engine, space


def finished_trials(count: int, space: Space, states: Sequence[str] = ("complete",)) -> list[Trial]:
    """Return `count` simulated trials inside a space; their states cycle through `states`."""
    generator = np.random.default_rng(0)
    return [
        Trial(
            number=number,
            params={**_random_params(space, generator), "threshold": 0.4},
            state=states[number % len(states)],  # type: ignore[arg-type]  # one of the three
            value=0.5 + 0.02 * number if states[number % len(states)] == "complete" else None,
            losses=() if states[number % len(states)] == "failed" else (0.7, 0.6 - 0.01 * number),
            reason="a worker died" if states[number % len(states)] == "failed" else "",
        )
        for number in range(count)
    ]


def _random_params(space: Space, generator: np.random.Generator) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, parameter in space.items():
        if is_searched(parameter, params):
            params[name] = _random_value(parameter, generator)
    return params


def _random_value(parameter: Parameter, generator: np.random.Generator) -> Value:
    if isinstance(parameter, Choice):
        return parameter.options[int(generator.integers(len(parameter.options)))]
    if isinstance(parameter, Int):
        return int(generator.choice(range(parameter.low, parameter.high + 1, parameter.step)))
    if parameter.step:
        return float(generator.choice(np.arange(parameter.low, parameter.high + parameter.step / 2, parameter.step)))
    return float(generator.uniform(parameter.low, parameter.high))


def _proposals(engine: Any, space: Space, states: Sequence[str] = ("complete",)) -> list[tuple[int, Mapping[str, Value]]]:
    """Return the proposals of a study: each trial is proposed from the finished trials of all earlier generations."""
    trials = finished_trials(TRIAL_COUNT, space, states)
    return [(number, engine.propose(number, _earlier(trials, number))) for number in range(TRIAL_COUNT)]


def _earlier(trials: Sequence[Trial], number: int) -> list[Trial]:
    """Return the trials of the generations before that of trial `number`."""
    return list(trials[: number // GENERATION_SIZE * GENERATION_SIZE])


def _check_inside_space(subject: Subject) -> None:
    engine, space = _new_engine(subject)
    for number, params in _proposals(engine, space):
        _require_inside(number, params, space)


def _check_one_trial(subject: Subject) -> None:
    """Build the engine for studies of one and of two trials, the smallest budgets, and propose all of them."""
    _, space = subject.once_or_skip("engine", lambda: _engine_and_space(subject))
    for budget in (1, 2):
        try:
            engine = build_engine(subject.part, space, CHECK_SEED, budget)
            proposals = [engine.propose(number, []) for number in range(budget)]
        except Exception as error:
            raise ContractBroken(f"with --trials {budget}, it raises {error_line(error)}") from None
        for number, params in enumerate(proposals):
            _require_inside(number, params, space)


def _require_inside(number: int, params: Mapping[str, Value], space: Space) -> None:
    searched = {name: parameter for name, parameter in space.items() if is_searched(parameter, params)}
    require(
        set(params) == set(searched),
        f"trial {number}: it proposed {', '.join(sorted(params))}; expected {', '.join(sorted(searched))}",
    )
    outside = [f"{name}={params[name]!r}" for name, parameter in searched.items() if not is_inside(parameter, params[name])]
    require(not outside, f"trial {number}: {', '.join(outside)} is outside the space")


def _check_pure(subject: Subject) -> None:
    """Compare proposals in order with two others in reverse order: of a new engine and of the same engine.

    The global random numbers differ, and so does what depends on the machine that trained the trials.
    """
    same_engine, space = _new_engine(subject)
    with global_seed(1):
        expected = dict(_proposals(same_engine, space))
    new_engine, _ = _new_engine(subject)
    trials = [replace(trial, **OF_ANOTHER_MACHINE) for trial in finished_trials(TRIAL_COUNT, space)]
    with global_seed(2):
        for number in reversed(range(TRIAL_COUNT)):
            for engine, calls in ((new_engine, "a new engine, for trials of another machine,"), (same_engine, "a second call")):
                params = dict(engine.propose(number, _earlier(trials, number)))
                require(
                    params == dict(expected[number]),
                    f"{calls} proposed {params} for trial {number} instead of {dict(expected[number])}",
                )


def _check_trials_untouched(subject: Subject) -> None:
    engine, space = _new_engine(subject)
    trials = finished_trials(GENERATION_SIZE, space)
    before = repr(trials)
    engine.propose(GENERATION_SIZE, trials)
    require(repr(trials) == before, "it changed the list of finished trials or a trial in it")


def _require_proposals(subject: Subject, states: Sequence[str], trials: str) -> None:
    engine, space = _new_engine(subject)
    try:
        proposals = _proposals(engine, space, states)
    except Exception as error:
        raise ContractBroken(f"with {trials}, it raises {error_line(error)}") from None
    for number, params in proposals:
        _require_inside(number, params, space)


def _check_failed_trials(subject: Subject) -> None:
    _require_proposals(subject, ("failed", "complete"), "failed trials")
    _require_proposals(subject, ("failed",), "failed trials only")


def _check_pruned_trials(subject: Subject) -> None:
    _require_proposals(subject, ("pruned", "complete"), "pruned trials")
    _require_proposals(subject, ("pruned",), "pruned trials only")


engine_check = partial(Check, kind="engine")

ENGINE_CHECKS = (
    engine_check(
        "inside-space",
        _check_inside_space,
        "every recipe must be searched in the same space",
        "propose a Python int, float or str for exactly the searched parameters, within low..high or among the options",
    ),
    engine_check(
        "one-trial",
        _check_one_trial,
        "a study may have any number of trials from 1",
        "if the factory takes trials, allow for 1: do not divide by trials - 1",
    ),
    engine_check(
        "pure",
        _check_pure,
        "a study must propose the same trials when it is resumed or has more workers",
        "keep no state between calls; draw from numpy.random.default_rng([seed, number]); do not look at trial.seconds",
    ),
    engine_check(
        "trials-untouched", _check_trials_untouched, "finished trials are a record", "copy the list before you sort it"
    ),
    engine_check(
        "failed-trials",
        _check_failed_trials,
        "a study continues after failed trials",
        "expect trial.value to be None unless trial.state is 'complete'; propose parameters even if no trial is complete",
    ),
    engine_check(
        "pruned-trials",
        _check_pruned_trials,
        "--pruning stops trials early",
        "expect trial.value to be None unless trial.state is 'complete'; trial.losses holds the epochs so far",
    ),
)
