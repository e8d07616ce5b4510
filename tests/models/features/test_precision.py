from __future__ import annotations

import numpy as np
import pytest

from cxrbench.models.backend import compile_features, layers_in
from cxrbench.models.features.extraction import extract_shard, extractions
from cxrbench.models.features.frozen_backbone import _built, _compiled
from cxrbench.models.weights import Weights
from cxrbench.plugin.references import load_file

pytestmark = pytest.mark.usefixtures("tensorflow_ready")

PLUGIN = """
from cxrbench.plugin import Augmentation, Backbone, hookimpl

BUILT = []


@hookimpl
def register_backbones():
    return [Backbone(name=name, factory=f"{__name__}:{name}") for name in ("convolution", "collapse")]


@hookimpl
def register_augmentations():
    return [Augmentation(name="flip", factory=f"{__name__}:flip")]


def convolution(*, input_shape, weights, seed):
    from keras import Input, Sequential, initializers, layers

    drawn = initializers.GlorotUniform(seed)
    model = Sequential([Input(input_shape), layers.Conv2D(5, 3, kernel_initializer=drawn), layers.GlobalAveragePooling2D()])
    BUILT.extend((layer.compute_dtype, layer.variable_dtype) for layer in model.layers)
    return model


def collapse(*, input_shape, weights, seed):
    import keras

    BUILT.append(keras.config.dtype_policy().name)
    raise RuntimeError("the backbone collapsed")


def flip(*, input_shape, seed):
    from keras import layers

    layer = layers.RandomFlip(seed=seed)
    BUILT.append((layer.compute_dtype, layer.variable_dtype))
    return layer
"""


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "keras_layers.py"
    file.write_text(PLUGIN, encoding="utf-8")
    return file


@pytest.fixture
def built(plugin):
    """Return the dtypes that the plugin recorded of its layers."""
    _compiled.cache_clear()
    _built.cache_clear()  # an equal plugin of an earlier test may have been built in this process
    return load_file(plugin.resolve()).BUILT


@pytest.fixture
def keras_extraction_of(plugin, parts_of, extraction_of, pixels_with):
    """Make an extraction of Keras layers of a one-file plugin."""
    of, pixels = parts_of(plugin), pixels_with(40, size=8)

    def make(precision, *, backbone="convolution", augmentation=None):
        return extraction_of(backbone, of=of, pixels=pixels, augmentation=augmentation, precision=precision)

    return make


@pytest.fixture(params=["float32", "mixed_float16"])
def policy(request, tensorflow_ready):
    """Set the dtype policy of Keras outside the extraction."""
    before = tensorflow_ready.config.dtype_policy()
    tensorflow_ready.config.set_dtype_policy(request.param)
    yield lambda: tensorflow_ready.config.dtype_policy().name
    tensorflow_ready.config.set_dtype_policy(before)


def test_another_precision_has_another_folder(keras_extraction_of, extraction_of):
    one, other = keras_extraction_of("float32"), keras_extraction_of("bfloat16")
    assert one.features.folder != other.features.folder
    assert one.features.folder == keras_extraction_of("float32").features.folder
    one, other = extraction_of(precision="float32"), extraction_of(precision="bfloat16")
    assert one.features.folder.name != other.features.folder.name


def test_every_view_is_extracted_in_the_protocols_precision(plain, pixels_with, protocol_with):
    parts = plain.backbone("corner"), plain.augmentation("noise:views=2"), Weights(name="none")
    made = extractions(pixels_with(3), *parts, protocol_with(precision="bfloat16"))
    assert [one.precision for one in made] == ["bfloat16"] * 3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_layers_compute_in_the_precision_with_float32_weights(keras_extraction_of, built, precision):
    extraction = keras_extraction_of(precision)
    extract_shard(extraction, extraction.features, 0)
    assert built == [(precision, "float32")] * 2


def test_bfloat16_gives_nearly_the_same_features_as_float32(keras_extraction_of, extract):
    exact, rough = (extract(keras_extraction_of(precision)) for precision in ("float32", "bfloat16"))
    assert exact.dtype == rough.dtype == np.float32
    assert exact.shape == rough.shape == (40, 5)
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(rough, exact, atol=0.02 * np.abs(exact).max())


def test_float32_is_the_same_before_and_after_bfloat16(keras_extraction_of, extract):
    before, rough, after, again = (
        extract(keras_extraction_of(precision)) for precision in ("float32", "bfloat16", "float32", "bfloat16")
    )
    assert after.tobytes() == before.tobytes()
    assert again.tobytes() == rough.tobytes()


def test_what_a_compiled_backbone_returns_is_float32(tensorflow_ready):
    with layers_in("bfloat16"):
        model = tensorflow_ready.Sequential([tensorflow_ready.Input((8, 8, 3)), tensorflow_ready.layers.Flatten()])
    assert model.compute_dtype == "bfloat16"
    images = np.arange(4 * 64, dtype=np.float32).reshape(4, 8, 8, 1)
    found = compile_features(model, (4, 8, 8, 1), 3)(images)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.repeat(images, 3, axis=-1).reshape(4, -1))  # bfloat16 represents 0 to 255 exactly


def test_an_augmentation_is_always_built_in_float32(keras_extraction_of, built):
    extraction = keras_extraction_of("bfloat16", augmentation="flip")
    extract_shard(extraction, extraction.features, 0)
    assert sorted(built) == [("bfloat16", "float32"), ("bfloat16", "float32"), ("float32", "float32")]


def test_plain_numpy_does_not_depend_on_the_precision(extraction_of, extract, pixels_with):
    pixels = pixels_with(40)
    one, other = (extract(extraction_of(pixels=pixels, precision=precision)) for precision in ("float32", "bfloat16"))
    assert one.tobytes() == other.tobytes()


def test_the_dtype_policy_is_restored(keras_extraction_of, built, policy):
    before = policy()
    extraction = keras_extraction_of("bfloat16")
    extract_shard(extraction, extraction.features, 0)
    assert built == [("bfloat16", "float32")] * 2
    assert policy() == before


def test_the_dtype_policy_is_restored_when_the_factory_raises(keras_extraction_of, built, policy):
    before, extraction = policy(), keras_extraction_of("bfloat16", backbone="collapse")
    with pytest.raises(RuntimeError, match="the backbone collapsed"):
        extract_shard(extraction, extraction.features, 0)
    assert built == ["mixed_bfloat16"]
    assert policy() == before
    assert extraction.features.missing() == [0]
