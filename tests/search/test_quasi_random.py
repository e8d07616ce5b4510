"""A quasi-random design is spread over the space, and each point depends on seed and number alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.errors import PluginError
from cxrbench.plugin.specs import Float, Int, is_inside
from cxrbench.search.quasi_random import QuasiRandom

SPACE = {
    "learning_rate": Float(low=1e-5, high=1e-3, log=True),
    "layer_decay": Float(low=0.05, high=1.0, log=True),
    "dropout": Float(low=0.0, high=0.7),
}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(0, 40))
def test_points_are_inside_and_depend_on_seed_and_number_alone(seed, number):
    point = QuasiRandom(space=SPACE, seed=seed).propose(number, [])
    assert all(is_inside(parameter, point[name]) for name, parameter in SPACE.items())
    assert point == QuasiRandom(space=SPACE, seed=seed).propose(number, ["whatever was found"])


@pytest.mark.parametrize("seed", range(5))
def test_four_points_are_in_four_quarters_of_each_parameter(seed):
    points = [QuasiRandom(space=SPACE, seed=seed).propose(number, []) for number in range(4)]
    for name, parameter in SPACE.items():
        scale = np.log if parameter.log else np.asarray
        low, high = scale(parameter.low), scale(parameter.high)
        shares = [(scale(point[name]) - low) / (high - low) for point in points]
        assert sorted(int(share * 4) for share in shares) == [0, 1, 2, 3]


def test_seeds_give_different_points():
    assert QuasiRandom(space=SPACE, seed=1).propose(0, []) != QuasiRandom(space=SPACE, seed=2).propose(0, [])


def test_other_parameters_are_refused():
    with pytest.raises(PluginError, match="real parameters alone"):
        QuasiRandom(space={"layers": Int(low=1, high=3)}, seed=0).propose(0, [])
