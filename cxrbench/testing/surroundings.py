"""What a plugin must leave as it found it: the process's random numbers and Keras' settings."""

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
    """What was found after something had run.

    Attributes:
        random: the state of each global source of random numbers, by its name.
        settings: Keras' settings that are no longer what they were, each with both values.
    """

    random: dict[str, str] = field(default_factory=dict)
    settings: dict[str, tuple[str, str]] = field(default_factory=dict)


@contextmanager
def seeded(start: int) -> Iterator[None]:
    """Seed the global random numbers with `start`, and put them back when the block ends."""
    states = random.getstate(), np.random.get_state()
    random.seed(start)
    np.random.seed(start)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def watched(start: int) -> Iterator[Traces]:
    """Seed the global random numbers with `start`, fill in the traces when the block ends, and put everything back."""
    traces, before = Traces(), _settings()
    with seeded(start):
        try:
            yield traces
        finally:
            traces.random.update({"random": repr(random.getstate()), "numpy.random": repr(_numpy_state())})
            after = _settings()
            traces.settings.update({name: (before[name], after[name]) for name in before if before[name] != after[name]})
            _restore(before)


def reseeded(one: Traces, other: Traces) -> list[str]:
    """Return the global sources that two blocks with different starts left in the same state: somebody seeded them."""
    return [name for name, state in one.random.items() if other.random[name] == state]


def _numpy_state() -> tuple[Any, ...]:
    _, keys, position, *rest = np.random.get_state(legacy=True)
    return np.asarray(keys).tobytes(), position, *rest


def _settings() -> dict[str, str]:
    import keras

    return {
        "dtype policy": keras.config.dtype_policy().name,
        "floatx": keras.config.floatx(),
        "image data format": keras.config.image_data_format(),
        "epsilon": repr(keras.config.epsilon()),
    }


def _restore(settings: dict[str, str]) -> None:
    import keras

    keras.config.set_dtype_policy(settings["dtype policy"])
    keras.config.set_floatx(settings["floatx"])
    keras.config.set_image_data_format(settings["image data format"])
    keras.config.set_epsilon(float(settings["epsilon"]))
