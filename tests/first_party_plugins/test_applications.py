from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import keras
import numpy as np
import pytest
from keras.src.backend import config as keras_config
from keras.src.utils import file_utils

import cxrbench_backbones
from cxrbench.plugin import ConfigError
from cxrbench_backbones import applications
from cxrbench_backbones.keras_cache import PRETRAINED, models_folder
from cxrbench_backbones.random_convnet import random_convnet
from cxrbench_backbones.table import APPLICATIONS, find
from cxrbench_backbones.texture import texture

NAMES = [row.name for row in APPLICATIONS]
BROUGHT = ["chexnet", "keras-file", "onnx"]
A_KIND_EACH = {"vgg16", "mobilenet", "mobilenetv3-small"}
"""The fastest network of each kind of preprocessing; that of DenseNet-121, alone of its kind, is tested with CheXNet."""


def features_of(row):
    return int(row.summary.split(" features")[0].split()[-1].replace(",", ""))


def pixels(number, size):
    return np.random.default_rng(7).uniform(0, 255, (number, size, size, 3)).astype(np.float32)


def network_of(model):
    (network,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return network


def native(row, images):
    module = sys.modules[getattr(keras.applications, row.builder).__module__]
    return module.preprocess_input(images.copy())


def standardised(features):
    features = np.asarray(features, dtype=np.float64)
    return (features - features.mean(axis=1, keepdims=True)) / features.std(axis=1, keepdims=True)


def digest(model):
    return hashlib.sha256(b"".join(np.asarray(weight).tobytes() for weight in model.weights)).hexdigest()


def seeded():
    convnet = random_convnet(input_shape=(32, 32, 3), weights="none", seed=5)
    described = texture(input_shape=(32, 32, 3), weights="none", seed=5)(pixels(2, 32))
    return f"{digest(small(seed=5))} {digest(convnet)} {hashlib.sha256(described.tobytes()).hexdigest()}"


def test_every_backbone_of_the_package_is_declared_once():
    declared = [spec.name for spec in cxrbench_backbones.register_backbones()]
    others = ["texture", "random-convnet", *BROUGHT, "hypermodel", "control-border", "control-intensity", "control-thumbnail"]
    assert declared == [*NAMES, *others]
    assert NAMES == [
        "resnet50",
        "densenet121",
        "inceptionv3",
        "vgg16",
        "vgg19",
        "resnet50v2",
        "xception",
        "mobilenet",
        "mobilenetv2",
        "mobilenetv3-small",
        "mobilenetv3-large",
        "efficientnetb0",
        "efficientnetv2b0",
        "nasnetmobile",
        "convnext-tiny",
    ]


def test_only_applications_and_brought_files_have_weights():
    for spec in cxrbench_backbones.register_backbones():
        assert spec.control == spec.name.startswith("control-")
        assert bool(spec.weights) == (spec.name in [*NAMES, *BROUGHT])


@pytest.mark.parametrize("spec", cxrbench_backbones.register_backbones(), ids=lambda spec: spec.name)
def test_every_declared_factory_has_annotated_keyword_options(spec):
    for target in filter(None, (spec.factory, spec.weights)):
        module, _, attribute = target.partition(":")
        factory = getattr(import_module(module), attribute)
        parameters = inspect.signature(factory).parameters
        assert {"input_shape", "weights", *spec.fixed} <= set(parameters)
        assert set(parameters) < set(get_type_hints(factory))
        assert all(parameter.kind in {parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD} for parameter in parameters.values())


def test_declaring_and_naming_weights_imports_nothing_heavy():
    program = (
        "import sys, cxrbench_backbones as b; list(b.register_backbones());"
        "heavy = {'numpy', 'keras', 'tensorflow', 'skimage'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "from cxrbench_backbones.applications import weights_file;"
        "assert weights_file(input_shape=(224, 224, 3), weights='imagenet', network='vgg16');"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=_environment())


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in A_KIND_EACH else pytest.mark.long) for name in NAMES])
def test_model_is_preprocessing_then_network_then_pooling(name):
    row = find(name)
    images = pixels(2, row.smallest)
    model = applications.application(input_shape=images.shape[1:], weights="none", seed=3, network=name)
    features = np.asarray(model(images))
    assert features.shape == (2, features_of(row))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    # The second image goes through the network alone: its features must not depend on the first.
    expected = standardised(network_of(model)(native(row, images[1:])))
    np.testing.assert_allclose(features[1:], expected, atol=2e-3)
    assert np.abs(features[0] - features[1]).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_preprocessing_equals_that_of_keras(name):
    row = find(name)
    images = pixels(3, 16)
    ours = applications.preprocess(images, row.pixels, "native")
    np.testing.assert_allclose(np.asarray(ours), native(row, images), rtol=1e-5, atol=2e-5)
    rescaled = applications.preprocess(images, row.pixels, "rescale")
    np.testing.assert_allclose(np.asarray(rescaled), images / 255, rtol=1e-6)


class Stop(Exception):
    pass


def asked_of_keras(monkeypatch, row, input_shape, **options):
    """What the real Keras application asks its cache for, and the network that it would load the file into."""
    asked = {}

    def get_file(fname=None, origin=None, **others):
        asked.update(others, fname=fname, origin=origin)

    def load_weights(network, path):
        asked["network"] = network
        raise Stop

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setattr(keras.Model, "load_weights", load_weights)
    factory = applications.mobilenet if row.name == "mobilenet" else applications.application
    with pytest.raises(Stop), keras.StatelessScope(initialize_variables=False):  # nobody looks at the weights
        factory(input_shape=input_shape, weights="imagenet", seed=0, network=row.name, **options)
    return asked


def assert_same_file(asked, download):
    assert (download.file_name, download.url) == (asked["fname"], asked["origin"])
    assert download.digest.partition(":")[2] == (asked.get("file_hash") or "")
    assert download.digest.partition(":")[0] == {0: "", 32: "md5", 64: "sha256"}[len(asked.get("file_hash") or "")]
    assert download.folder is not None
    assert download.folder.name == asked["cache_subdir"]


@pytest.mark.parametrize("name", NAMES)
def test_table_has_the_file_and_features_of_keras(name, monkeypatch):
    row = find(name)
    shape = (row.smallest, row.smallest, 3)
    asked = asked_of_keras(monkeypatch, row, shape)
    assert asked["network"].output_shape == (None, features_of(row))
    assert_same_file(asked, applications.weights_file(input_shape=shape, weights="imagenet", network=name))


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("mobilenet", (192, 192, 3), {"alpha": 0.25}),
        ("mobilenet", (128, 128, 3), {"alpha": 0.5}),
        ("mobilenet", (160, 96, 3), {"alpha": 0.75}),
        ("mobilenet", (96, 160, 3), {"alpha": 1.0}),
        ("mobilenetv2", (96, 96, 3), {}),
        ("mobilenetv2", (300, 128, 3), {}),
    ],
)
def test_weights_file_follows_width_and_size(name, shape, options, monkeypatch):
    asked = asked_of_keras(monkeypatch, find(name), shape, **options)
    assert_same_file(asked, applications.weights_file(input_shape=shape, weights="imagenet", network=name, **options))


def test_untrained_weights_need_no_file():
    assert applications.weights_file(input_shape=(224, 224, 3), weights="none", network="vgg16") is None


def test_weights_lie_where_this_keras_looks():
    assert models_folder() == Path(keras_config.keras_home()).expanduser() / "models"


def test_weights_lie_under_keras_home(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "not" / "yet"))
    assert models_folder() == tmp_path / "not" / "yet" / "models"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/kept")
    assert models_folder() == tmp_path / "kept" / "models"
    monkeypatch.delenv("KERAS_HOME")
    assert models_folder() == tmp_path / ".keras" / "models"


def test_a_home_that_cannot_be_written_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert models_folder().parts[-2:] == (".keras", "models")
    assert tmp_path not in models_folder().parents


def small(**options):
    return applications.mobilenet(
        **{"input_shape": (32, 32, 3), "weights": "none", "seed": 0, "network": "mobilenet", "alpha": 0.25, **options}
    )


def test_the_seed_decides_untrained_weights():
    first, again, other = (digest(small(seed=seed)) for seed in (5, 5, 6))
    assert first == again != other


@pytest.mark.slow
def test_another_process_draws_the_same_weights_and_features():
    program = "from test_applications import seeded; print(seeded())"
    environment = _environment(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == seeded()


def test_untrained_features_see_the_image():
    dark, bright = pixels(1, 32) * 0.2, pixels(1, 32)
    features = np.asarray(small()(np.concatenate([dark, bright])))
    assert np.abs(features[0] - features[1]).max() > 0.1


def test_alpha_sets_the_width():
    assert small(alpha=0.5).output_shape == (None, 512)


def test_rescale_feeds_pixels_over_255_into_the_network():
    images = pixels(2, 32)
    model = applications.application(
        input_shape=(32, 32, 3), weights="none", seed=0, network="mobilenetv3-small", preprocessing="rescale"
    )
    expected = standardised(network_of(model)(images / np.float32(255)))
    np.testing.assert_allclose(np.asarray(model(images)), expected, atol=2e-3)


def test_unknown_weights_are_refused():
    with pytest.raises(ConfigError, match=r"'chexnet'.*weights=imagenet or weights=none"):
        small(weights="chexnet")
    with pytest.raises(ConfigError, match="imagenet"):
        applications.weights_file(input_shape=(32, 32, 3), weights="chexnet", network="vgg16")


def test_a_width_without_weights_is_refused():
    with pytest.raises(ConfigError, match=r"alpha=0\.3.*0\.25, 0\.5, 0\.75, 1\.0"):
        small(alpha=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_images_too_small_for_the_network_are_refused(name):
    least = find(name).smallest
    with pytest.raises(ConfigError, match=rf"{name} needs .*{least}x{least}.*--image-size {least}"):
        applications.application(input_shape=(224, least - 1, 3), weights="none", seed=0, network=name)


def test_real_weights_give_the_features_of_keras(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    shutil.copy(PRETRAINED / "mobilenet_2_5_224_tf_no_top.h5", tmp_path / "models")
    monkeypatch.setattr(keras_config, "_KERAS_DIR", str(tmp_path))
    images = pixels(2, 224)
    model = small(input_shape=(224, 224, 3), weights="imagenet")
    reference = keras.applications.MobileNet(
        alpha=0.25, include_top=False, pooling="avg", weights="imagenet", input_shape=(224, 224, 3)
    )
    features = np.asarray(model(images))
    assert features.shape == (2, 256)
    np.testing.assert_allclose(features, np.asarray(reference(native(find("mobilenet"), images))), atol=1e-5)
    assert np.abs(features - np.asarray(small(input_shape=(224, 224, 3))(images))).max() > 0.1


def _environment(*folders):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [*map(str, folders), *sys.path]))}


@pytest.fixture
def empty_keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


def weights_of(alpha, size=224):
    return applications.weights_file(input_shape=(size, size, 3), weights="imagenet", network="mobilenet", alpha=alpha)


def test_the_weights_of_the_package_are_second_to_keras_cache(empty_keras_home):
    bundled = weights_of(0.25)
    assert (bundled.folder, bundled.origin) == (PRETRAINED, "bundled with cxrbench")
    notice = (PRETRAINED / "NOTICE").read_text()
    assert hashlib.sha256((PRETRAINED / bundled.file_name).read_bytes()).hexdigest() in notice
    (empty_keras_home / "models").mkdir(parents=True)
    shutil.copy(PRETRAINED / bundled.file_name, empty_keras_home / "models")
    cached = weights_of(0.25)
    assert (cached.folder, cached.origin) == (empty_keras_home / "models", "Keras' cache")


def test_other_weights_are_not_taken_for_those_of_the_package(empty_keras_home):
    assert {weights_of(1.0).folder, weights_of(0.25, size=128).folder} == {empty_keras_home / "models"}


def test_bundled_and_cached_weights_give_the_same_features(tmp_path, empty_keras_home, monkeypatch):
    monkeypatch.setattr(keras_config, "_KERAS_DIR", str(empty_keras_home))
    images, features = pixels(2, 224), []
    for _ in range(2):
        model = applications.mobilenet(input_shape=(224, 224, 3), weights="imagenet", seed=0, network="mobilenet", alpha=0.25)
        features.append(np.asarray(model(images)))
        (empty_keras_home / "models").mkdir(parents=True, exist_ok=True)
        shutil.copy(PRETRAINED / weights_of(0.25).file_name, empty_keras_home / "models")
    assert np.array_equal(*features)
    assert features[0].std() > 0.1
