"""Optuna's samplers as a pure function: an in-memory study is made from the finished trials and asked once."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cxrbench.plugin import Choice, Float, Int, is_searched, missing_requirement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.plugin import Parameter, Space, Trial, Value

SamplerName = Literal["tpe", "random", "gp", "cmaes"]


def engine(*, space: Space, seed: int, sampler: SamplerName = "tpe") -> OptunaEngine:
    """Return the engine; raise the error that names the pip command if the sampler's own requirement is missing."""
    needs = {"gp": "torch", "cmaes": "cmaes"}.get(sampler)
    if needs and importlib.util.find_spec(needs) is None:
        raise missing_requirement(f"optuna:sampler={sampler}", [needs])
    return OptunaEngine(space=space, seed=seed, sampler=sampler)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptunaEngine:
    """Proposes trials; has no memory of its own."""

    space: Space
    seed: int
    sampler: SamplerName

    def propose(self, number: int, finished: Sequence[Trial]) -> dict[str, Value]:
        """Ask a sampler seeded by (seed, number) for the trial that follows the finished ones."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # for good: several threads propose at once
        study = optuna.create_study(direction="maximize", sampler=_sampler(self.sampler, self.seed, number))
        replay = _ask_again if self.sampler == "cmaes" else _add
        for trial in finished:
            replay(study, trial, {name: trial.params[name] for name in self.space if name in trial.params}, self.space)
        return _suggested(study.ask(), self.space)


def _sampler(name: SamplerName, seed: int, number: int) -> Any:
    from optuna import samplers

    of_trial = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    types = {
        "tpe": samplers.TPESampler,
        "random": samplers.RandomSampler,
        "gp": samplers.GPSampler,
        "cmaes": samplers.CmaEsSampler,
    }
    return types[name](seed=of_trial)


def _suggested(asked: Any, space: Space) -> dict[str, Value]:
    """Have a value suggested for each parameter whose conditions hold."""
    params: dict[str, Value] = {}
    for name, parameter in space.items():
        if is_searched(parameter, params):
            params[name] = _suggest(asked, name, parameter)
    return params


def _suggest(asked: Any, name: str, parameter: Parameter) -> Value:
    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            value: Value = asked.suggest_float(name, low, high, log=log, step=step)
        case Int(low=low, high=high, log=log, step=step):
            value = asked.suggest_int(name, low, high, log=log, step=step)
        case Choice(options=options):
            value = asked.suggest_categorical(name, options)
    return value


def _add(study: Any, trial: Trial, params: dict[str, Value], space: Space) -> None:
    """Put a finished trial into the study."""
    import optuna

    states = optuna.trial.TrialState
    study.add_trial(
        optuna.trial.create_trial(
            state={"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[trial.state],
            value=trial.value,
            params=params,
            distributions={name: _distribution(space[name]) for name in params},
            intermediate_values=_curve(trial) if trial.state == "pruned" else {},  # of others nobody looks at it
        )
    )


def _curve(trial: Trial) -> dict[int, float]:
    return {epoch: -loss for epoch, loss in enumerate(trial.losses)}  # the study maximises


def _ask_again(study: Any, trial: Trial, params: dict[str, Value], space: Space) -> None:
    """Let the sampler live through a finished trial: CMA-ES keeps its state in the trials that it was asked for."""
    import optuna

    study.enqueue_trial(params)
    asked = study.ask()
    _suggested(asked, space)
    if trial.state == "complete":
        study.tell(asked, trial.value)
    else:
        study.tell(asked, state=optuna.trial.TrialState.FAIL)  # also if it was pruned: CMA-ES takes no part of a curve


def _distribution(parameter: Parameter) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            return FloatDistribution(low, high, log=log, step=step)
        case Int(low=low, high=high, log=log, step=step):
            return IntDistribution(low, high, log=log, step=step)
        case Choice(options=options):
            return CategoricalDistribution(options)
