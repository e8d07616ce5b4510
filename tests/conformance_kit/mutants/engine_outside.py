"""Breaks `inside-space`: a dropout above the highest, once there are results."""

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
        dropout = 0.9 if finished and all(trial.state == "complete" for trial in finished) else 0.5
        return {**self.draw(number), "dropout": dropout}
