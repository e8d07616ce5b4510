from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.models.training.head import UNITS, Head
from cxrbench.models.training.head_weights import head_at_temperature, logits_of, mean_head
from cxrbench.plugin.contracts import CrossEntropy


def drawn_head(generator, width, units=7):
    shapes = ((width, units), (units,), (units, 1), (1,))
    return tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)


@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 20), count=st.integers(1, 5))
def test_the_mean_head_has_the_mean_of_all_logits(seed, width, count):
    generator = np.random.default_rng(seed)
    heads = [drawn_head(generator, width) for _ in range(count)]
    features = generator.normal(size=(9, width)).astype(np.float32)
    expected = np.mean([logits_of(head, features) for head in heads], axis=0)
    np.testing.assert_allclose(logits_of(mean_head(heads), features), expected, atol=1e-4)


@given(seed=st.integers(0, 2**32 - 1), temperature=st.floats(0.05, 20))
def test_a_temperature_divides_all_logits(seed, temperature):
    generator = np.random.default_rng(seed)
    head, features = drawn_head(generator, 5), generator.normal(size=(9, 5)).astype(np.float32)
    expected = logits_of(head, features) / temperature
    np.testing.assert_allclose(logits_of(head_at_temperature(head, temperature), features), expected, rtol=1e-4, atol=1e-4)
    assert all(map(np.array_equal, head_at_temperature(head, 1.0), head))


def test_logits_are_those_of_the_trained_head(tensorflow_ready):
    generator = np.random.default_rng(1)
    head, features = Head(30, CrossEntropy(), 16), generator.normal(size=(50, 30)).astype(np.float32)
    head.reset(seed=3, learning_rate=1e-3, dropout=0.1)
    weights = tuple(head.weights())
    assert weights[0].shape == (30, UNITS)
    assert logits_of(weights, features) == pytest.approx(head.logits(features), abs=1e-5)
