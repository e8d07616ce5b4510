from __future__ import annotations

import pickle
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from cxrbench.config.part import bind
from cxrbench.data.batches import BATCH
from cxrbench.errors import ConfigError, PluginError
from cxrbench.execution.failures import NotFinite, failure_kind, failure_reason
from cxrbench.models.features.extraction import count_views, extract_shard, extractions
from cxrbench.models.weights import Weights
from cxrbench.plugin import Backbone
from cxrbench.plugin.host import Declaration, Plugin
from cxrbench.storage.sharded_array import SHARD_ROWS

NONE = Weights(name="none")
TRAINED = Weights(name="imagenet", digest="of the file")


def expected_corner(images):
    colour = np.repeat(images[..., None].astype(np.float32), 3, axis=-1)
    return np.hstack([colour[:, :2, :2].reshape(len(images), -1), colour.mean(axis=(1, 2))])


def key(extraction):
    return extraction.features.folder.name


@pytest.mark.parametrize("rows", [1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 7])
def test_the_backbone_gets_rgb_pixels_in_0_to_255(extraction_of, extract, pixels_with, rows):
    pixels = pixels_with(rows)
    found = extract(extraction_of(pixels=pixels))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected_corner(pixels.array.read(0, rows)), rtol=1e-6)


def test_features_of_several_shards_keep_the_order_of_the_pixels(extraction_of, extract, pixels_with):
    rows = SHARD_ROWS + BATCH + 3
    pixels = pixels_with(rows)
    extraction = extraction_of(pixels=pixels)
    assert extraction.features.missing() == [0, 1]
    np.testing.assert_allclose(extract(extraction, shards=[1, 0]), expected_corner(pixels.array.read(0, rows)), rtol=1e-6)


def test_an_extraction_can_be_sent_to_another_process(extraction_of, extract):
    extraction = extraction_of(augmentation="noise")
    sent = pickle.loads(pickle.dumps(extraction))
    assert sent == extraction
    assert key(sent) == key(extraction)
    np.testing.assert_array_equal(extract(sent), extract(extraction))


@pytest.mark.parametrize(
    ("backbone", "augmentation", "error", "words"),
    [
        ("nan", None, NotFinite, "backbone nan .*not finite"),
        ("infinite", None, NotFinite, "backbone infinite .*not finite"),
        ("uneven", None, PluginError, r"backbone uneven returned different numbers of features per image: \[\d+, \d+\]"),
        ("corner", "crop", PluginError, r"augmentation crop changed shape \(32, 4, 4, 1\) to \(32, 3, 4, 1\)"),
        ("corner", "blank", NotFinite, "augmentation blank returned pixels that are not finite"),
    ],
)
def test_a_component_that_returns_something_else_is_named(extraction_of, backbone, augmentation, error, words):
    extraction = extraction_of(backbone, augmentation=augmentation)
    with pytest.raises(error, match=words):
        extract_shard(extraction, extraction.features, 0)


@pytest.mark.parametrize(
    ("backbone", "shape"), [("flat", "(32,)"), ("deep", "(32, 4, 1)"), ("few", "(31, 4)"), ("many", "(64, 4)")]
)
def test_features_of_a_wrong_shape_name_backbone_and_shape(extraction_of, backbone, shape):
    extraction = extraction_of(backbone)
    with pytest.raises(PluginError, match=f"backbone {backbone} returned shape") as caught:
        extract_shard(extraction, extraction.features, 0)
    assert shape in str(caught.value)
    assert extraction.features.missing() == [0]


@pytest.mark.parametrize(("augmentation", "grey"), [("shift", 255), ("shift:by=-300.0", 0), ("shift:views=7", 255)])
def test_augmented_pixels_stay_in_0_to_255(extraction_of, extract, augmentation, grey):
    assert (extract(extraction_of(augmentation=augmentation)) == grey).all()


def test_augmented_views_depend_on_seed_and_view_alone(extraction_of, extract, pixels_with):
    pixels = pixels_with(BATCH + 5)
    views = {
        (seed, view): extract(extraction_of(augmentation="noise", pixels=pixels, seed=seed, view=view))
        for seed in (0, 1)
        for view in (1, 2)
    }
    for (seed, view), found in views.items():
        np.testing.assert_array_equal(found, extract(extraction_of(augmentation="noise", pixels=pixels, seed=seed, view=view)))
        for other, different in views.items():
            assert np.array_equal(found, different) == (other == (seed, view))


def test_augmented_shards_differ_and_depend_on_no_order(extraction_of, extract, pixels_with):
    images = np.full((2 * SHARD_ROWS, 4, 4), 128, dtype=np.uint8)
    extraction = extraction_of(augmentation="noise", pixels=pixels_with(len(images), images=images))
    found = extract(extraction)
    np.testing.assert_array_equal(extract(extraction, shards=[1, 0]), found)
    assert not np.isclose(found[:SHARD_ROWS], found[SHARD_ROWS:]).all(axis=1).any()


def test_a_backbone_that_draws_its_weights_follows_the_seed(extraction_of, extract, pixels_with):
    pixels = pixels_with(BATCH)
    first, again, other = (extract(extraction_of("random", pixels=pixels, seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_clean_features_from_a_weights_file_serve_every_seed(extraction_of, pixels_with):
    pixels = pixels_with(3)
    with_file = {key(extraction_of("trained", pixels=pixels, weights=TRAINED, seed=seed)) for seed in range(4)}
    without = {key(extraction_of("trained", pixels=pixels, weights=NONE, seed=seed)) for seed in range(4)}
    assert len(with_file) == 1
    assert len(without) == 4
    assert not with_file & without


def test_the_clean_view_does_not_depend_on_the_augmentation(plain, pixels_with, protocol_with):
    made = [
        extractions(pixels_with(3), plain.backbone("corner"), plain.augmentation(text), NONE, protocol_with())[0]
        for text in ("noise", "still")
    ]
    assert key(made[0]) == key(made[1])
    assert made[0].augmentation is None


def test_the_key_changes_with_all_that_features_depend_on(extraction_of, pixels_with):
    pixels = pixels_with(3)
    same = {"backbone": "corner", "augmentation": "noise", "pixels": pixels}
    others = [
        {"backbone": "random"},
        {"backbone": "corner:side=1"},
        {"augmentation": "shift"},
        {"augmentation": "noise:strength=5.0"},
        {"augmentation": None},
        {"view": 2},
        {"seed": 1},
        {"weights": TRAINED},
        {"weights": replace(TRAINED, digest="of another file")},
        {"weights": replace(TRAINED, name="cxr")},
        {"precision": "bfloat16"},
        {"pixels": replace(pixels, digest="of other pixels")},
    ]
    keys = [key(extraction_of(**same)), *(key(extraction_of(**same | other)) for other in others)]
    assert key(extraction_of(**same)) == keys[0]
    assert len(set(keys)) == len(keys)


def test_the_key_changes_with_the_source_of_the_plugin(changed_plain, pixels_with, protocol_with):
    def keys(plain):
        made = extractions(pixels_with(3), plain.backbone("corner"), plain.augmentation("shift"), NONE, protocol_with())
        return [key(one) for one in made]

    before = keys(changed_plain.before)
    assert keys(changed_plain.before) == before
    assert not set(keys(changed_plain.change())) & set(before)


def test_the_key_changes_with_plugin_version_and_fixed_options(plain, extraction_of, pixels_with):
    spec = Backbone(name="thick", factory="cxrbench_backbones.controls:border", fixed={"depth": 50})
    deeper = replace(spec, fixed={"depth": 101})
    made = [
        bind(
            plain.backbone("corner").component, Declaration(kind="backbone", spec=one, plugin=Plugin(name="a", version=version))
        )
        for one, version in ((spec, "1.0"), (spec, "1.1"), (deeper, "1.0"))
    ]
    keys = [key(replace(extraction_of(pixels=pixels_with(3)), backbone=one)) for one in made]
    assert keys[1] != keys[0]
    assert keys[2] != keys[0]


def test_features_outlive_every_version_of_cxrbench(plain, extraction_of, pixels_with):
    spec = Backbone(name="frame", factory="cxrbench_backbones.controls:border")
    made = [
        bind(
            plain.backbone("corner").component,
            Declaration(kind="backbone", spec=spec, plugin=Plugin(name="a", distribution="cxrbench", version=installed)),
        )
        for installed in ("0.1.0", "0.1.0+g3971a6eaf", "7.0")
    ]
    assert len({key(replace(extraction_of(pixels=pixels_with(3)), backbone=one)) for one in made}) == 1
    assert {one.origin.version for one in made} == {version("cxrbench").partition("+")[0]}


@pytest.mark.parametrize(
    ("text", "views"), [("noise", 4), ("shift", 2), ("noise:views=1", 1), ("shift:views=7", 7), ("still", 0)]
)
def test_the_number_of_views_is_declared_or_set_by_the_user(plain, pixels_with, protocol_with, text, views):
    augmentation = plain.augmentation(text)
    assert count_views(augmentation) == views
    made = extractions(pixels_with(3), plain.backbone("corner"), augmentation, NONE, protocol_with(seed=7))
    assert [one.view for one in made] == list(range(views + 1))
    assert {(one.seed, one.precision) for one in made} == {(7, "float32")}
    assert [one.augmentation for one in made] == [None] + [augmentation] * views
    assert len({key(one) for one in made}) == views + 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *(
            (f"noise:views={views}", "option views=.* must be a whole number from 1")
            for views in ("0", "-1", "1.5", "many", "true")
        ),
        ("still:views=3", "option views=3 must be 0"),
    ],
)
def test_an_invalid_number_of_views_is_refused(plain, text, words):
    with pytest.raises(ConfigError, match=f"{text}: {words}"):
        count_views(plain.augmentation(text))


@pytest.mark.parametrize("augmentation", [None, "noise"])
@pytest.mark.parametrize("batch", [16, 8])
def test_smaller_batches_give_the_same_features(extraction_of, extract, pixels_with, augmentation, batch):
    extraction = extraction_of("random", augmentation=augmentation, pixels=pixels_with(BATCH + 5))
    np.testing.assert_allclose(extract(extraction, batch=batch), extract(extraction), rtol=1e-5)


@pytest.mark.usefixtures("tensorflow_ready")
@pytest.mark.parametrize("batch", [16, 8])
def test_smaller_batches_give_the_same_features_of_keras(extraction_of, extract, parts_of, pixels_with, batch):
    hungry, pixels = parts_of(Path(__file__).parents[2] / "samples" / "plugins" / "hungry.py"), pixels_with(BATCH + 5, 32)
    large, small = (extraction_of(f"hungry-keras:fits={fits}", of=hungry, pixels=pixels) for fits in (32, batch))
    whole = extract(large)
    with pytest.raises(Exception, match="32 images are too many") as caught:
        extract(small)
    assert failure_kind(caught.value) == "oom"
    assert failure_reason(caught.value).startswith("MemoryError: ")
    np.testing.assert_allclose(extract(small, batch=batch), whole, atol=1e-5)
    assert np.ptp(whole, axis=0).max() > 1e-3


def test_versions_of_required_packages_are_part_of_the_key(extraction_of):
    def key_with(*requires):
        extraction = extraction_of()
        return key(
            replace(
                extraction, backbone=replace(extraction.backbone, spec=replace(extraction.backbone.spec, requires=requires))
            )
        )

    assert key_with("pytest>=8") != key_with()
    assert key_with("numpy>=1", "no-such-distribution") == key_with()  # that of NumPy counts anyway
