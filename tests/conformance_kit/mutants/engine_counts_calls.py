"""Breaks `pure`: counts its calls."""

from cxrbench.plugin import ConfigError, Engine, hookimpl


@hookimpl
def register_engines():
    return [Engine(name="mutant", factory=f"{__name__}:build")]


def build(*, space, seed):
    if len(space) > 3:
        raise ConfigError(f"this engine searches three parameters, not {', '.join(space)}")
    return Mutant(space, seed)


class Mutant:
    def __init__(self, space, seed):
        self.space, self.seed, self.calls = space, seed, 0

    def draw(self, *seed):
        import numpy as np

        generator = np.random.default_rng([self.seed, *seed])
        return {name: float(generator.uniform(parameter.low, parameter.high)) for name, parameter in self.space.items()}

    def propose(self, number, finished):
        self.calls += 1
        return self.draw(self.calls)
