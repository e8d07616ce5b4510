"""Backbones compiled with constant weights return the same features as their models."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.models.backend import compile_features
from cxrbench.plugin import Backbone

SIZE = 64
pytestmark = pytest.mark.usefixtures("tensorflow_ready")


@pytest.mark.parametrize(
    "text",
    [
        "mobilenet:alpha=0.25,weights=none",
        pytest.param("efficientnetb0:weights=none", marks=pytest.mark.long),
        "random-convnet",
    ],
)
def test_features_match_the_model_to_a_hundred_thousandth(host, text):
    component = parse_component(text)
    model = bind(component, host.find(Backbone, component.name)).build(input_shape=(SIZE, SIZE, 3), weights="none", seed=0)
    images = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 1)).astype(np.float32)
    compiled = compile_features(model, (4, SIZE, SIZE, 1), 3)
    expected = np.asarray(model(np.repeat(images, 3, axis=-1), training=False))
    found = compiled(images)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert compiled(images).tobytes() == found.tobytes()


def test_compiled_features_are_those_of_the_weights_at_that_time():
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(1, kernel_initializer="ones")])
    images = np.full((3, 2, 2, 1), 2, dtype=np.float32)
    compiled = compile_features(model, images.shape, 3)
    model.set_weights([weight * 0 for weight in model.get_weights()])
    assert compiled(images).tolist() == [[24.0]] * 3


def test_a_model_that_was_never_called_is_built_first():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1, kernel_initializer="ones")])
    assert compile_features(model, (3, 2, 2, 1), 3)(np.ones((3, 2, 2, 1), dtype=np.float32)).tolist() == [[12.0]] * 3
