"""An engine that searches nothing: every trial gets the same parameters, as in papers without a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.plugin import ConfigError, Float

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.plugin import Space, Trial, Value


def engine(
    *, space: Space, seed: int, learning_rate: float = 1e-3, dropout: float = 0.5, threshold: float = 0.5
) -> FixedEngine:
    """Return the engine; `threshold` counts only where the search is asked to choose one.

    Raises:
        ConfigError: a value outside the space, or a strategy with parameters of its own, which only its options can fix.
    """
    del seed
    given = {"learning_rate": learning_rate, "dropout": dropout, "threshold": threshold}
    if others := sorted(space.keys() - given.keys()):
        raise ConfigError(f"engine fixed has no value for {', '.join(others)}: set it as an option of the imbalance strategy")
    for name, parameter in space.items():
        if isinstance(parameter, Float) and not parameter.low <= given[name] <= parameter.high:
            raise ConfigError(f"engine fixed: {name}={given[name]} must lie in {parameter.low}..{parameter.high}")
    return FixedEngine(params={name: given[name] for name in space})


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEngine:
    """Proposes the same again and again."""

    params: Mapping[str, Value]

    def propose(self, number: int, finished: Sequence[Trial]) -> Mapping[str, Value]:
        """Return the parameters."""
        del number, finished
        return self.params
