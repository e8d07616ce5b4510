"""Training on cached maps: what lies below the cut stays, and the whole network gives the logits of its upper part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxrbench.data.batches import padded_batches
from cxrbench.execution.failures import NotFinite
from cxrbench.storage.sharded_array import ShardedArray

SIZE, BATCH = 16, 8


@pytest.fixture(scope="session")
def parts(backbone_to_cut):
    from cxrbench.models.fine_tuning.cut import cut

    return cut(backbone_to_cut, SIZE, 0.5)


@pytest.fixture(scope="session")
def maps(parts, pixels, tmp_path_factory):
    from cxrbench.models.fine_tuning.maps import BATCH, DTYPE, frozen_part, maps_of

    array = ShardedArray(folder=tmp_path_factory.mktemp("maps"), rows=60, dtype=DTYPE, shard_rows=60)
    images = padded_batches(pixels[0].gather(np.arange(60)))
    array.write(0, maps_of(images, 60, frozen_part(parts, BATCH // 2), BATCH // 2))
    return array


@pytest.fixture
def training_on_maps(training, learning, parts, maps):
    """Return the training of the upper part of a backbone."""
    from cxrbench.models.fine_tuning.maps import MapRows
    from cxrbench.models.fine_tuning.network import network_on_maps
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.losses import cross_entropy

    network, data = network_on_maps(parts), training.data
    rows = MapRows(
        views=(maps,),
        rows=data.rows,
        labels=data.labels,
        weights=data.weights,
        validation=data.validation,
        followed=data.followed,
    )
    steps = NetworkSteps(network, cross_entropy, BATCH)
    return replace(training, network=network, steps=steps, start=network.weights_with(learning[2]), data=rows)


def filled(folder, value, dtype="float16"):
    array = ShardedArray(folder=folder, rows=50, dtype=dtype)
    array.write(0, [np.full((50, 2, 2, 1), value) + np.arange(50)[:, None, None, None]])
    return array


def test_maps_are_those_of_the_lower_part(parts, maps, pixels):
    grey = np.repeat(pixels[0].gather(np.arange(60))[..., None].astype(np.float32), 3, axis=-1)
    expected = np.asarray(parts.lower(grey, training=False))
    assert maps.gather(np.arange(60)) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert maps.gather(np.arange(60)).dtype == np.float16


def test_maps_too_large_for_float16_are_refused(pixels):
    from cxrbench.models.fine_tuning.maps import maps_of

    with pytest.raises(NotFinite, match="float16 cannot hold"):
        list(maps_of(padded_batches(pixels[0].gather(np.arange(60))), 60, lambda images: images * 1000))


def test_each_image_gets_a_random_view_in_each_epoch(tmp_path):
    from cxrbench.models.fine_tuning.maps import MapRows

    rows, nothing = np.arange(50)[::-1], (np.arange(0), np.arange(0))
    data = MapRows(
        views=tuple(filled(tmp_path / str(view), 100 * view) for view in range(3)),
        rows=rows,
        labels=np.zeros(50, dtype=np.float32),
        weights=np.ones(50, dtype=np.float32),
        validation=nothing,
        followed=nothing,
    )
    epochs = [data.inputs(1, epoch, BATCH)(np.arange(50))[:, 0, 0, 0] for epoch in (1, 2, 1)]
    assert epochs[0].dtype == np.float32
    assert (epochs[0] % 100).tolist() == rows.tolist()
    assert set(epochs[0] // 100) == {0, 1, 2}
    assert epochs[0].tolist() == epochs[2].tolist() != epochs[1].tolist()


def test_the_upper_part_starts_from_the_head_and_learns(training_on_maps, training):
    from cxrbench.models.fine_tuning.trainer import Setting, fine_tune

    setting = Setting(learning_rate=3e-3, layer_decay=0.3, dropout=0.2, weight_decay=1e-2, seed=5)
    done = fine_tune(training_on_maps, setting)
    assert done.losses[0] == pytest.approx(fine_tune(training, replace(setting, learning_rate=0.0)).losses[0], abs=1e-3)
    assert done.losses[done.best] == min(done.losses) < done.losses[0]
    assert len(done.best_weights) < len(training.start)


def test_the_whole_network_gives_the_same_logits(training_on_maps, learning, parts, pixels):
    from cxrbench.models.fine_tuning.trainer import Setting, fine_tune

    before = [one.numpy().copy() for one in parts.lower.variables]
    setting = Setting(learning_rate=3e-3, layer_decay=0.3, dropout=0.2, weight_decay=1e-2, seed=5)
    done = fine_tune(training_on_maps, setting)
    network, whole = learning[0], training_on_maps.network.whole(done.best_weights)
    rows = training_on_maps.data.validation[0]
    assert network.logits_of_rows(network.weights_of(whole), pixels[0], rows) == pytest.approx(done.best_logits, abs=2e-3)
    assert all(np.array_equal(one.numpy(), old) for one, old in zip(parts.lower.variables, before, strict=True))
    found = training_on_maps.network.weights_of(whole)
    assert all(np.array_equal(one, kept) for one, kept in zip(found, done.best_weights, strict=True))
