"""An augmentation depends on the seed of an epoch alone, whether it is compiled once or built anew."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.plugin import Augmentation

SHAPE = (4, 16, 16, 1)


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(60, 200, SHAPE).astype(np.float32)


@pytest.fixture
def drawn(tensorflow_ready, host):
    """Return a function that draws a first-party augmentation from a seed."""
    from cxrbench.models.fine_tuning.augmentation import drawn_from

    def draw(name, seed):
        component = parse_component(name)
        return drawn_from(bind(component, host.find(Augmentation, component.name)), seed, SHAPE)

    return draw


@pytest.mark.parametrize("name", ["gentle", "strong"])
def test_a_seed_gives_the_same_images_after_any_other(drawn, images, name):
    first, second = (drawn(name, 1)(images) for _ in range(2))
    draw = drawn(name, 2)
    other = [draw(images) for _ in range(2)]
    assert np.array_equal(first, second)
    assert np.array_equal(drawn(name, 1)(images), first)
    assert not np.array_equal(first, other[0])
    assert not np.array_equal(*other)


def test_layers_are_compiled_once(drawn):
    assert drawn("gentle", 1) is drawn("gentle", 2)


def test_what_is_no_layer_is_built_with_each_seed(tensorflow_ready, images):
    from cxrbench.models.fine_tuning.augmentation import drawn_from

    class Part:
        def build(self, *, input_shape, seed):
            assert input_shape == SHAPE[1:]
            return lambda images, *, training: images + seed

    part = Part()
    assert [drawn_from(part, seed, SHAPE)(images).min() - images.min() for seed in (3, 5)] == [3, 5]
