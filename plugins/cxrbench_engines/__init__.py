"""First-party engines: Optuna's samplers, KerasTuner's oracles, and one that searches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import Engine, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def register_engines() -> Iterable[Engine]:
    """Declare every engine of this package."""
    return (
        Engine(name="optuna", factory="cxrbench_engines.optuna_engine:engine", summary="sampler=tpe|random|gp|cmaes"),
        Engine(
            name="keras-tuner",
            factory="cxrbench_engines.keras_tuner_engine:engine",
            summary="oracle=random|bayesian",
            requires=("keras-tuner",),
        ),
        Engine(
            name="fixed",
            factory="cxrbench_engines.fixed:engine",
            summary="nothing searched: learning_rate=0.001, dropout=0.5 for all",
        ),
    )
