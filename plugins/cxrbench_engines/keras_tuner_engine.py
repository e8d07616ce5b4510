"""KerasTuner's oracles as a pure function: a fresh oracle is told of the finished trials and asked once."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cxrbench.plugin import Choice, Float, Int, PluginError, is_searched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.plugin import Parameter, Space, Trial, Value

OracleName = Literal["random", "bayesian"]


def engine(*, space: Space, seed: int, oracle: OracleName = "random") -> KerasTunerEngine:
    """Return the engine: random search, or Bayesian optimisation with a Gaussian process."""
    _import_quietly()
    return KerasTunerEngine(space=space, seed=seed, oracle=oracle)


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasTunerEngine:
    """Proposes trials; the harness counts them, for an oracle would count failed ones against its own budget."""

    space: Space
    seed: int
    oracle: OracleName

    def propose(self, number: int, finished: Sequence[Trial]) -> dict[str, Value]:
        """Ask an oracle seeded by (seed, number) for the trial that follows the finished ones.

        The values are asked of `populate_space`, which prints nothing and keeps no file.
        """
        oracle = _oracle(self.oracle, self.space, _seed(self.seed, number))
        for trial in finished:
            _tell(oracle, trial, self.space)
        values: dict[str, Value] | None = oracle.populate_space(str(number))["values"]
        if values is None:
            raise PluginError(f"keras-tuner's oracle {self.oracle} proposes nothing for trial {number}")
        return _searched(values, self.space)


@cache
def _import_quietly() -> None:
    """Import KerasTuner; what TensorFlow says of itself on the way, and later of a Gaussian process' fit, goes nowhere."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            import keras_tuner  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    warnings.filterwarnings("ignore", module=r"sklearn\.gaussian_process")  # for good: several threads propose at once


def _seed(seed: int, number: int) -> int:
    """Return a seed from 1: an oracle takes 0 for none and draws its own."""
    return 1 + int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) % (2**31 - 1)


def _oracle(name: OracleName, space: Space, seed: int) -> Any:
    import keras_tuner

    types = {
        "random": keras_tuner.oracles.RandomSearchOracle,
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
    }
    oracle = types[name](
        objective=keras_tuner.Objective("score", "max"), max_trials=None, hyperparameters=_hyperparameters(space), seed=seed
    )
    oracle.verbose = 0
    return oracle


def _hyperparameters(space: Space) -> Any:
    import keras_tuner

    found = keras_tuner.HyperParameters()
    for name, parameter in space.items():
        with ExitStack() as scopes:
            for parent, values in parameter.when:
                codes = [_code(space[parent], value) for value in values]
                scopes.enter_context(found.conditional_scope(parent, codes))
            _register(found, name, parameter)
    return found


def _register(found: Any, name: str, parameter: Parameter) -> None:
    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            found.Float(name, low, high, step=step, sampling="log" if log else "linear")
        case Int(low=low, high=high, log=log, step=step):
            found.Int(name, low, high, step=None if log else step, sampling="log" if log else "linear")
        case Choice(options=options):
            found.Choice(name, [_code(parameter, option) for option in options])


def _code(parameter: Parameter, value: Value) -> Value:
    """Return a value as KerasTuner gets it, which knows choices of one type only: of a mixed one, its place as text."""
    if isinstance(parameter, Choice) and len({type(option) for option in parameter.options}) > 1:
        return str(_place(parameter, value))
    return value


def _place(parameter: Choice, value: Value) -> int:
    return next(place for place, option in enumerate(parameter.options) if option == value and type(option) is type(value))


def _tell(oracle: Any, trial: Trial, space: Space) -> None:
    """Let the oracle know of a finished trial, as of one that it proposed itself."""
    from keras_tuner.engine.trial import Trial as Told

    hyperparameters = oracle.get_space()
    hyperparameters.values = {name: _code(space[name], trial.params[name]) for name in space if name in trial.params}
    complete = trial.state == "complete"
    told = Told(hyperparameters, trial_id=str(trial.number), status="COMPLETED" if complete else "FAILED")
    told.score = trial.value
    oracle.trials[told.trial_id] = told


def _searched(values: Mapping[str, Value], space: Space) -> dict[str, Value]:
    """Return the values whose conditions hold, as Python's own numbers inside their bounds."""
    params: dict[str, Value] = {}
    for name, parameter in space.items():
        if is_searched(parameter, params):
            params[name] = _plain(values[name], parameter)
    return params


def _plain(value: Any, parameter: Parameter) -> Value:
    match parameter:
        case Choice(options=options):
            return next(option for option in options if _code(parameter, option) == value)
        case Int(low=low, high=high):
            return min(max(int(value), low), high)
        case Float(low=low, high=high):
            return min(max(float(value), low), high)
