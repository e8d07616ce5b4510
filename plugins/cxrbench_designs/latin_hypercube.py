"""Latin hypercube sampling: every parameter's range is cut into as many strata as there are trials, each tried once.

McKay, Beckman and Conover, Technometrics 21 (1979) 239-245.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.plugin import Choice, Int, is_searched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.plugin import Float, Parameter, Space, Trial, Value


def engine(*, space: Space, trials: int, seed: int) -> LatinHypercube:
    """Return the engine for a study of so many trials."""
    return LatinHypercube(space=space, trials=trials, seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatinHypercube:
    """Proposes the points of one design, whatever the finished trials were.

    A parameter with a condition is spread over all trials, including those that do not search it.
    """

    space: Space
    trials: int
    seed: int

    def propose(self, number: int, finished: Sequence[Trial]) -> Mapping[str, Value]:
        """Return one point of the design."""
        del finished
        params: dict[str, Value] = {}
        for index, (name, parameter) in enumerate(self.space.items()):
            if is_searched(parameter, params):
                params[name] = _value(parameter, self._position(index, number))
        return params

    def _position(self, index: int, number: int) -> float:
        """Return the position of a trial in the range of a parameter, in 0..1: a random one in its own stratum."""
        generator = np.random.default_rng([self.seed, index])
        strata = generator.permutation(self.trials)
        return float((strata[number] + generator.random(self.trials)[number]) / self.trials)


def _value(parameter: Parameter, position: float) -> Value:
    """Return the value at a position in 0..1 of the parameter's range."""
    if isinstance(parameter, Choice):
        return parameter.options[_step(position, len(parameter.options))]
    if isinstance(parameter, Int):
        return _integer(parameter, position)
    return _real(parameter, position)


def _integer(parameter: Int, position: float) -> int:
    if parameter.log:
        low, high = parameter.low - 0.5, parameter.high + 0.5  # each integer has the share that rounds to it
        return int(min(max(round(low * (high / low) ** position), parameter.low), parameter.high))
    count = (parameter.high - parameter.low) // parameter.step + 1
    return parameter.low + parameter.step * _step(position, count)


def _real(parameter: Float, position: float) -> float:
    low, high = parameter.low, parameter.high
    if parameter.step:
        count = int((high - low) / parameter.step + 1e-6) + 1
        return min(low + parameter.step * _step(position, count), high)
    value = low * (high / low) ** position if parameter.log else low + (high - low) * position
    return min(max(value, low), high)


def _step(position: float, count: int) -> int:
    return min(int(position * count), count - 1)
