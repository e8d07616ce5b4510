"""Augmentations as Keras layers; each seeded from the one seed that the harness gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

RANGE = (0, 255)


def unchanged(*, input_shape: tuple[int, int, int], seed: int) -> Callable[..., Any]:
    """Return the identity."""
    del input_shape, seed
    return lambda images, training=True: images


def paper(
    *,
    input_shape: tuple[int, int, int],
    seed: int,
    rotation: float = 15.0,
    zoom: float = 0.1,
    shift: float = 0.1,
    flip: bool = True,
) -> Any:
    """Return the report's augmentation.

    Args:
        input_shape: (height, width, channels).
        seed: of all random numbers.
        rotation: at most so many degrees either way.
        zoom: at most this share in or out.
        shift: at most this share of width and of height.
        flip: whether left and right may be exchanged.
    """
    import keras

    flips = [keras.layers.RandomFlip("horizontal", seed=seed + 3)] if flip else []
    return _sequence(input_shape, [*_moves(rotation, zoom, shift, seed), *flips])


def gentle(
    *,
    input_shape: tuple[int, int, int],
    seed: int,
    rotation: float = 7.0,
    zoom: float = 0.08,
    shift: float = 0.05,
    brightness: float = 0.08,
) -> Any:
    """Return what positioning and exposure of a real film vary by; left stays left."""
    import keras

    light = keras.layers.RandomBrightness(brightness, value_range=RANGE, seed=seed + 4)
    return _sequence(input_shape, [*_moves(rotation, zoom, shift, seed), light])


def strong(
    *,
    input_shape: tuple[int, int, int],
    seed: int,
    rotation: float = 20.0,
    zoom: float = 0.2,
    shift: float = 0.12,
    brightness: float = 0.2,
    contrast: float = 0.3,
    noise: float = 6.0,
) -> Any:
    """Return wide movements, brightness, contrast and Gaussian noise (`noise` in grey levels of 255); left stays left."""
    import keras

    film = [
        keras.layers.RandomBrightness(brightness, value_range=RANGE, seed=seed + 4),
        keras.layers.RandomContrast(contrast, value_range=RANGE, seed=seed + 5),
        keras.layers.Rescaling(1 / 256),  # Keras allows a deviation of 0..1; a power of two brings back every grey exactly
        keras.layers.GaussianNoise(noise / 256, seed=seed + 6),
        keras.layers.Rescaling(256.0),
    ]
    return _sequence(input_shape, [*_moves(rotation, zoom, shift, seed), *film])


def _moves(rotation: float, zoom: float, shift: float, seed: int) -> list[Any]:
    """Return rotation, zoom and shift; what comes into view is black, as beyond the edge of a film."""
    import keras

    black = {"fill_mode": "constant", "fill_value": 0.0}
    return [
        keras.layers.RandomRotation(rotation / 360, seed=seed, **black),
        keras.layers.RandomZoom((-zoom, zoom), seed=seed + 1, **black),
        keras.layers.RandomTranslation(shift, shift, seed=seed + 2, **black),
    ]


def _sequence(input_shape: tuple[int, int, int], layers: list[Any]) -> Any:
    import keras

    return keras.Sequential([keras.Input(input_shape), *layers])
