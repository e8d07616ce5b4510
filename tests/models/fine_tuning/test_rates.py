"""The learning rate rises in a tenth of the steps and falls to almost nothing; AdamW's step is scaled by layer."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.models.fine_tuning.rates import learning_rates


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 1001])
def test_the_rate_rises_and_falls(steps):
    rates = learning_rates(2e-4, steps)
    top = int(rates.argmax())
    assert len(rates) == steps
    assert rates.max() == pytest.approx(2e-4)
    assert top <= max(1, 0.11 * steps)
    assert np.all(np.diff(rates[: top + 1]) > 0)
    assert np.all(np.diff(rates[top:]) <= 0)
    assert steps < 100 or rates[-1] < 1e-3 * rates.max()


def test_a_step_is_that_of_adamw_times_the_share(learning):
    from cxrbench.models.fine_tuning.steps import Rates

    network, steps, head = learning
    weights = network.weights_with(head)
    network.set_dropout(0.0)
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 1)).astype(np.float32)
    batch = (images, np.zeros((8, 512), dtype=np.uint16), np.arange(8, dtype=np.float32) % 2, np.ones(8, dtype=np.float32))
    shares, rate, decay = network.shares(0.2), 1e-3, 0.05
    steps.reset(weights, Rates(shares=shares, weight_decay=decay))
    steps.take(*batch, np.array([rate], dtype=np.float32))
    for before, after, average, share in zip(weights, steps.state, steps.averages, shares, strict=False):
        decayed = before * (1 - rate * share * decay) if before.ndim > 1 else before
        moved = np.abs(after - decayed)  # the first step of Adam is the rate, whatever the gradient
        assert moved.max() == pytest.approx(rate * share, rel=0.05)
        assert average == pytest.approx(after, abs=1e-7)
    first = steps.averages
    steps.take(*batch, np.array([rate], dtype=np.float32))
    for before, after, average in zip(first, steps.state, steps.averages, strict=False):
        assert average == pytest.approx(before + (after - before) / 1.1, abs=1e-7)  # 1 + a tenth of one step
