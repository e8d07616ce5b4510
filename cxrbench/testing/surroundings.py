"""Record and restore the process-wide state that a plugin must not change: random numbers and Keras' settings."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """The process-wide state after a block.

    Attributes:
        random: the state of each global random number generator, by name.
        settings: changed settings of Keras, each with its value before and after.
    """

    random: dict[str, str] = field(default_factory=dict)
    settings: dict[str, tuple[str, str]] = field(default_factory=dict)


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed the global random number generators for the block, and restore their states when it ends."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def recorded_traces(seed: int) -> Iterator[Traces]:
    """Seed the global random number generators for the block; when it ends, fill in the traces and restore everything."""
    traces, before = Traces(), _keras_settings()
    with global_seed(seed):
        try:
            yield traces
        finally:
            traces.random.update({"random": repr(random.getstate()), "numpy.random": repr(_numpy_state())})
            after = _keras_settings()
            traces.settings.update({name: (before[name], after[name]) for name in before if before[name] != after[name]})
            _restore_keras_settings(before)


def reseeded_generators(first: Traces, second: Traces) -> list[str]:
    """Return the global generators with equal states after two blocks with different seeds: the block seeded them."""
    return [name for name, state in first.random.items() if second.random[name] == state]


def _numpy_state() -> tuple[Any, ...]:
    _, keys, position, *rest = np.random.get_state(legacy=True)
    return np.asarray(keys).tobytes(), position, *rest


def _keras_settings() -> dict[str, str]:
    import keras

    return {
        "dtype policy": keras.config.dtype_policy().name,
        "floatx": keras.config.floatx(),
        "image data format": keras.config.image_data_format(),
        "epsilon": repr(keras.config.epsilon()),
    }


def _restore_keras_settings(settings: dict[str, str]) -> None:
    import keras

    keras.config.set_dtype_policy(settings["dtype policy"])
    keras.config.set_floatx(settings["floatx"])
    keras.config.set_image_data_format(settings["image data format"])
    keras.config.set_epsilon(float(settings["epsilon"]))
