"""Engines that break one rule each."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from cxrbench.plugin import ConfigError, Engine, hookimpl

BROKEN = {
    "outside": "inside-space",
    "divides-by-the-rest": "one-trial",
    "counts-calls": "pure",
    "prefers-quick-trials": "pure",
    "sorts-trials": "trials-untouched",
    "needs-values": "failed-trials",
    "stumbles-over-pruned": "pruned-trials",
}


@hookimpl
def register_engines():
    return [
        Engine(name=name, factory=f"{__name__}:{name.replace('-', '_')}", summary=f"breaks {rule}")
        for name, rule in BROKEN.items()
    ]


@dataclass
class Drawing:
    """Propose what a function makes of random parameters, in a space of three."""

    space: dict
    seed: int
    choose: Callable

    def __post_init__(self):
        if len(self.space) > 3:
            raise ConfigError(f"this engine searches three parameters, not {', '.join(self.space)}")

    def draw(self, *seed):
        import numpy as np

        generator = np.random.default_rng([self.seed, *seed])
        return {name: float(generator.uniform(parameter.low, parameter.high)) for name, parameter in self.space.items()}

    def propose(self, number, finished):
        return self.choose(self.draw, number, finished)


def outside(*, space, seed):
    """Propose a dropout above the highest, once there are results."""

    def choose(draw, number, finished):
        dropout = 0.9 if finished and all(trial.state == "complete" for trial in finished) else 0.5
        return {**draw(number), "dropout": dropout}

    return Drawing(space, seed, choose)


def divides_by_the_rest(*, space, seed, trials):
    """Go from the lowest dropout at the first trial to the highest at the last."""

    def choose(draw, number, finished):
        return {**draw(number), "dropout": 0.7 * number / (trials - 1)}

    return Drawing(space, seed, choose)


def counts_calls(*, space, seed):
    """Draw by the number of calls."""
    calls = itertools.count()
    return Drawing(space, seed, lambda draw, number, finished: draw(next(calls)))


def prefers_quick_trials(*, space, seed):
    """Draw by how long the training took, which another machine does in another time."""

    def choose(draw, number, finished):
        return draw(number, round(100 * sum(trial.seconds for trial in finished)))

    return Drawing(space, seed, choose)


def sorts_trials(*, space, seed):
    """Sort the list of trials that it was given."""

    def choose(draw, number, finished):
        finished.sort(key=lambda trial: -(trial.value or 0.0))
        return draw(number)

    return Drawing(space, seed, choose)


def needs_values(*, space, seed):
    """Treat every trial that was not pruned as complete."""

    def choose(draw, number, finished):
        return draw(number, round(100 * sum(trial.value for trial in finished if trial.state != "pruned")))

    return Drawing(space, seed, choose)


def stumbles_over_pruned(*, space, seed):
    """Treat every trial that did not fail as complete."""

    def choose(draw, number, finished):
        return draw(number, round(100 * sum(trial.value for trial in finished if trial.state != "failed")))

    return Drawing(space, seed, choose)
