"""What holds for an engine: proposals inside the space, as a pure function of seed, number and finished trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Choice, Float, Int, is_inside, is_searched
from cxrbench.search.study import search_space
from cxrbench.testing.check import ContractBroken, checks_of, require
from cxrbench.testing.subject import one_line
from cxrbench.testing.surroundings import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.plugin.specs import Parameter, Space, Value
    from cxrbench.testing.subject import Subject

SEED = 7
GENERATION, GENERATIONS = 4, 3
OWN: Space = {
    "neighbours": Int(low=1, high=9, step=2),
    "fraction": Float(low=0.25, high=1.0, step=0.25),
    "kind": Choice(options=("a", "b")),
    "share": Float(low=0, high=1, when=(("kind", ("b",)),)),
}
"""What a strategy might let the search set."""


def build(subject: Subject) -> Any:
    """Return an engine for the widest space that it takes."""
    engine, _ = subject.once("engine", lambda: _make(subject))
    return engine


def _make(subject: Subject) -> tuple[Any, Space]:
    """Ask for the parameters of a strategy, too; an engine may refuse those in words."""
    wide = search_space("search", OWN)
    try:
        return subject.part.build(space=wide, seed=SEED), wide
    except CxrbenchError:
        narrow = search_space("search", {})
        return subject.part.build(space=narrow, seed=SEED), narrow


def _engine(subject: Subject) -> tuple[Any, Space]:
    """Return an engine that has proposed nothing yet."""
    engine, space = subject.build("fresh", lambda: _make(subject))
    subject.made.pop("fresh")
    return engine, space


def finished_trials(count: int, space: Space, states: Sequence[str] = ("complete",)) -> list[Trial]:
    """Return invented trials inside a space, their states in turn."""
    generator = np.random.default_rng(0)
    return [
        Trial(
            number=number,
            params={**_drawn_params(space, generator), "threshold": 0.4},
            state=states[number % len(states)],  # type: ignore[arg-type]  # one of the three
            value=0.5 + 0.02 * number if states[number % len(states)] == "complete" else None,
            losses=() if states[number % len(states)] == "failed" else (0.7, 0.6 - 0.01 * number),
            reason="a worker died" if states[number % len(states)] == "failed" else "",
        )
        for number in range(count)
    ]


def _drawn_params(space: Space, generator: np.random.Generator) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, parameter in space.items():
        if is_searched(parameter, params):
            params[name] = _drawn(parameter, generator)
    return params


def _drawn(parameter: Parameter, generator: np.random.Generator) -> Value:
    if isinstance(parameter, Choice):
        return parameter.options[int(generator.integers(len(parameter.options)))]
    if isinstance(parameter, Int):
        return int(generator.choice(range(parameter.low, parameter.high + 1, parameter.step)))
    if parameter.step:
        return float(generator.choice(np.arange(parameter.low, parameter.high + parameter.step / 2, parameter.step)))
    return float(generator.uniform(parameter.low, parameter.high))


def _proposals(engine: Any, space: Space, states: Sequence[str] = ("complete",)) -> list[tuple[int, Mapping[str, Value]]]:
    """Ask as a study does: the trials of a generation one by one, each with all earlier generations finished."""
    trials = finished_trials(GENERATION * GENERATIONS, space, states)
    return [
        (number, engine.propose(number, trials[: number // GENERATION * GENERATION]))
        for number in range(GENERATION * GENERATIONS)
    ]


def _inside_space(subject: Subject) -> None:
    engine, space = _engine(subject)
    for number, params in _proposals(engine, space):
        _require_inside(number, params, space)


def _require_inside(number: int, params: Mapping[str, Value], space: Space) -> None:
    searched = {name: parameter for name, parameter in space.items() if is_searched(parameter, params)}
    require(
        set(params) == set(searched),
        f"trial {number}: it proposed {', '.join(sorted(params))}; searched are {', '.join(sorted(searched))}",
    )
    outside = [f"{name}={params[name]!r}" for name, parameter in searched.items() if not is_inside(parameter, params[name])]
    require(not outside, f"trial {number}: {', '.join(outside)} is outside the space")


def _pure(subject: Subject) -> None:
    """Ask three times: forwards, backwards with a new engine, and once more; the process's random numbers differ."""
    forwards, space = _engine(subject)
    with seeded(1):
        expected = dict(_proposals(forwards, space))
    backwards, _ = _engine(subject)
    trials = finished_trials(GENERATION * GENERATIONS, space)
    with seeded(2):
        for number in reversed(range(GENERATION * GENERATIONS)):
            earlier = trials[: number // GENERATION * GENERATION]
            for engine, who in (
                (backwards, "a new engine, asked in another order,"),
                (forwards, "the same engine, asked again,"),
            ):
                found = engine.propose(number, list(earlier))
                require(
                    dict(found) == dict(expected[number]),
                    f"{who} proposed {dict(found)} for trial {number} and not {dict(expected[number])}",
                )


def _trials_untouched(subject: Subject) -> None:
    engine, space = _engine(subject)
    trials = finished_trials(GENERATION, space)
    before = repr(trials)
    engine.propose(GENERATION, trials)
    require(repr(trials) == before, "it altered the finished trials that it was given")


def _without_values(subject: Subject, states: Sequence[str], what: str) -> None:
    engine, space = _engine(subject)
    try:
        found = _proposals(engine, space, states)
    except Exception as error:
        raise ContractBroken(f"with {what} among the finished it raises {one_line(error)}") from None
    for number, params in found:
        _require_inside(number, params, space)


def _failed(subject: Subject) -> None:
    _without_values(subject, ("failed", "complete"), "failed trials")
    _without_values(subject, ("failed",), "failed trials alone")


def _pruned(subject: Subject) -> None:
    _without_values(subject, ("pruned", "complete"), "pruned trials")
    _without_values(subject, ("pruned",), "pruned trials alone")


_check = checks_of("engine")


CHECKS = (
    _check(
        "inside-space",
        _inside_space,
        "every recipe must be searched in the same space",
        "propose Python's own int, float or str for every parameter and no other, within low..high or among options",
    ),
    _check(
        "pure",
        _pure,
        "a study that is resumed, or has more workers, must propose the same trials",
        "keep nothing between calls; draw from numpy.random.default_rng([seed, number])",
    ),
    _check("trials-untouched", _trials_untouched, "finished trials are a record", "copy the list before you sort or change it"),
    _check(
        "failed-trials",
        _failed,
        "trials fail, and the study goes on",
        "expect trial.value to be None unless trial.state is 'complete'; propose something if no trial is",
    ),
    _check(
        "pruned-trials",
        _pruned,
        "trials are given up early under --pruning",
        "expect trial.value to be None unless trial.state is 'complete'; trial.losses holds what there is",
    ),
)
