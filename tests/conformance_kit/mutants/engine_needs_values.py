"""Breaks `failed-trials`: treats every trial that was not pruned as complete."""

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
        self.space, self.seed = space, seed

    def draw(self, *seed):
        import numpy as np

        generator = np.random.default_rng([self.seed, *seed])
        return {name: float(generator.uniform(parameter.low, parameter.high)) for name, parameter in self.space.items()}

    def propose(self, number, finished):
        values = [trial.value for trial in finished if trial.state != "pruned"]
        return self.draw(number, round(100 * sum(values)))
