"""A quasi-random design: few trials that are spread over the whole search space, each independent of all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import PluginError
from cxrbench.plugin.specs import Float

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.specs import Parameter, Space, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class QuasiRandom:
    """Proposes the points of a scrambled Sobol sequence (Owen, Journal of Complexity 1998), as SciPy computes it.

    With few trials it finds better ones than random search (Bousquet et al., arXiv 1706.03200), and more trials go on with the
    same sequence.

    Attributes:
        space: real parameters alone.
        seed: of the scrambling.
    """

    space: Space
    seed: int

    def propose(self, number: int, finished: Sequence[Trial]) -> dict[str, Value]:
        """Return the point of that number, whatever the finished trials were."""
        from scipy.stats.qmc import Sobol

        del finished
        sequence = Sobol(len(self.space), scramble=True, seed=np.random.default_rng(self.seed))
        if number:
            sequence.fast_forward(number)
        (point,) = sequence.random(1)
        return {
            name: _value(parameter, float(share)) for (name, parameter), share in zip(self.space.items(), point, strict=True)
        }


def _value(parameter: Parameter, share: float) -> float:
    """Return the value at a share, 0 to 1, of the way from the lowest to the highest."""
    if not isinstance(parameter, Float):
        raise PluginError(f"a quasi-random design has real parameters alone, not {parameter}")
    low, high = (np.log(end) if parameter.log else end for end in (parameter.low, parameter.high))
    value = low + share * (high - low)
    return float(np.clip(np.exp(value) if parameter.log else value, parameter.low, parameter.high))
