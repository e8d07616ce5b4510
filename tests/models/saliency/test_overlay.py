from __future__ import annotations

import numpy as np

from cxrbench.models.saliency.overlay import SIDE, Legend, common_limit, overlay

GREY = np.full((32, 32), 100, np.uint8)


def drawn(values, *, limit=2.0, **texts):
    names = {"negative": "NORMAL", "positive": "PNEUMONIA", "caption": "score 0.500", **texts}
    return np.asarray(overlay(GREY, np.array(values, float), Legend(limit=limit, **names)), dtype=int)


def test_colours_show_sign_and_size():
    red, blue = drawn([[2]])[:SIDE], drawn([[-2]])[:SIDE]
    assert (red[..., 0] > red[..., 2] + 50).all()
    assert (blue[..., 2] > blue[..., 0] + 50).all()
    assert (drawn([[0]])[:SIDE] == 100).all()
    half = drawn([[1]])[:SIDE]
    assert np.abs(half - (100 + red) / 2).max() <= 1
    assert (drawn([[50]])[:SIDE] == red).all()


def test_places_are_kept():
    pixels = drawn([[2, 0], [0, -2]])[:SIDE]
    assert pixels[0, 0, 0] > 150
    assert pixels[-1, -1, 2] > 150
    assert (pixels[0, -1] == pixels[-1, 0]).all()
    assert (pixels[0, -1] == 100).all()


def test_one_scale_serves_all_maps_and_no_outlier_sets_it():
    maps = [np.linspace(-1, 1, 100).reshape(10, 10), np.full((10, 10), 0.1)]
    maps[1][0, 0] = 1000
    assert 0.9 < common_limit(maps) <= 1
    assert common_limit([np.zeros((7, 7))]) == 1


def test_names_of_any_length_and_script_fit():
    for name in ("x" * 500, "肺炎", "a\nb", "\u202eabc"):
        assert drawn([[1]], positive=name, negative=name, caption=name).shape == drawn([[1]]).shape
