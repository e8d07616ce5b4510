"""Our own plugins pass the same checks as third-party plugins."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrbench.models.formats.onnx_file import write_onnx
from cxrbench.plugin.host import KINDS, kind_name, load_host
from cxrbench.plugin.specs import Backbone
from cxrbench.testing import parametrize_with_checks, run_checks
from cxrbench.testing.run import plan_checks
from cxrbench.testing.subject import subjects_of
from cxrbench_backbones.keras_cache import PRETRAINED

LARGE = {
    *("chexnet", "convnext-tiny", "densenet121", "efficientnetb0", "efficientnetv2b0", "inceptionv3"),
    *("mobilenet", "mobilenetv2", "mobilenetv3-large", "nasnetmobile", "resnet50", "resnet50v2", "vgg16", "vgg19", "xception"),
}
"""Each takes five seconds to a minute. The default run checks two pretrained networks: mobilenet:alpha=0.25, whose pixels are
scaled before the network, and mobilenetv3-small, which scales them itself. CXRBENCH_TEST_EVERY_BACKBONE=1 checks all."""
EVERY = bool(os.environ.get("CXRBENCH_TEST_EVERY_BACKBONE"))
NEED_A_SOURCE = {"folder", "manifest", "medmnist"}
COLLECTIONS = {
    *("nih", "rsna", "chexpert", "mimic-cxr-jpg", "padchest", "vindr-cxr", "covid-radiography", "shenzhen", "montgomery"),
}
"""Checked where their trees are made: tests/first_party_plugins/collections."""
OF_FEATURES = {"builds", "rows", "finite", "batch-neighbours", "repeatable", "tells-apart", "pixel-range", "every-grey"}


def names(kind):
    return [declaration.spec.name for declaration in load_host().declarations(kind)]


SMALL = {kind_name(kind): names(kind) for kind in KINDS if kind is not Backbone}
BACKBONES = [*(name for name in names(Backbone) if EVERY or name not in LARGE), "mobilenet:alpha=0.25,weights=none"]
pytestmark = pytest.mark.usefixtures("tensorflow_ready")


@parametrize_with_checks(*BACKBONES, kind="backbone")
def test_backbone(check):
    check()


@parametrize_with_checks(Path(__file__).parents[1] / "samples" / "plugins" / "good.py")
def test_backbone_of_a_one_file_plugin(check):
    check()


@parametrize_with_checks(*SMALL["augmentation"], kind="augmentation")
def test_augmentation(check):
    check()


@parametrize_with_checks(*SMALL["shift"], kind="shift")
def test_shift(check):
    check()


@parametrize_with_checks(*SMALL["imbalance"], kind="imbalance")
def test_imbalance(check):
    check()


@parametrize_with_checks(*SMALL["engine"], "optuna:sampler=random", "optuna:sampler=cmaes", kind="engine")
def test_engine(check):
    check()


@parametrize_with_checks(*(name for name in SMALL["dataset"] if name not in NEED_A_SOURCE | COLLECTIONS), kind="dataset")
def test_dataset(check):
    check()


@pytest.fixture
def sources(tmp_path):
    """Return a source for each dataset that needs one: the same eight images in three layouts."""
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28), dtype=np.uint8)
    rows = []
    for number, image in enumerate(images):
        class_name = "PNEUMONIA" if number % 2 else "NORMAL"
        path = tmp_path / "tree" / class_name / f"image{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        rows.append(f"{path.relative_to(tmp_path)},{number % 2},patient-{number // 2}")
    (tmp_path / "images.csv").write_text("\n".join(["path,label,patient", *rows]))
    labels = (np.arange(8) % 2).reshape(-1, 1).astype(np.uint8)
    arrays = {
        f"{part}_{what}": array for part in ("train", "val", "test") for what, array in (("images", images), ("labels", labels))
    }
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    return {"folder": tmp_path / "tree", "manifest": tmp_path / "images.csv", "medmnist": tmp_path / "pneumoniamnist.npz"}


@pytest.mark.parametrize("name", sorted(NEED_A_SOURCE))
def test_dataset_with_a_source(name, sources):
    results = run_checks(f"{name}:source='{sources[name]}'", kind="dataset")
    assert [(result.check.name, result.message) for result in results if result.state not in {"passed"}] == []


@pytest.fixture
def small_network():
    import keras

    layers = keras.layers
    convolution = layers.Conv2D(8, 5, strides=4, activation="relu", kernel_initializer=keras.initializers.HeNormal(3))
    images = keras.Input((64, 64, 3), name="image")
    maps = convolution(layers.Rescaling(1 / 127.5, offset=-1.0)(images))
    return keras.Model(images, layers.Flatten()(layers.AveragePooling2D(4)(maps)))


def test_a_saved_keras_model(small_network, tmp_path):
    small_network.save(tmp_path / "mine.keras")
    results = run_checks(f"keras-file:path='{tmp_path / 'mine.keras'}'", kind="backbone")
    assert [result.check.name for result in results if result.state != "passed"] == ["own-space"]


def test_a_network_in_an_onnx_file(small_network, tmp_path):
    pytest.importorskip("onnxruntime", reason="needs pip install 'cxrbench[onnx]'")
    write_onnx(small_network, tmp_path / "mine.onnx", {})
    results = run_checks(f"onnx:path='{tmp_path / 'mine.onnx'}'", kind="backbone")
    skipped = {result.check.name: result.state for result in results if result.state != "passed"}
    assert skipped == dict.fromkeys(("gradients", "saves", "own-space"), "skipped")


def test_wrong_scaling_of_an_onnx_file_is_detected(small_network, tmp_path):
    pytest.importorskip("onnxruntime", reason="needs pip install 'cxrbench[onnx]'")
    write_onnx(small_network, tmp_path / "mine.onnx", {})
    component = f"onnx:path='{tmp_path / 'mine.onnx'}',scale=1/255"
    assert [name for _, name in failed_on_features(component)] == ["pixel-range"]


def test_every_plugin_of_this_package_is_checked_here():
    ours = {declaration.spec.name for kind in KINDS for declaration in load_host().declarations(kind)}
    checked = {name.partition(":")[0] for name in (*BACKBONES, *(name for names in SMALL.values() for name in names))}
    assert ours == checked | (LARGE - {"mobilenet"} if not EVERY else set())


def failed_on_features(what):
    """Return the failed checks among those that need features only, with their messages, by component."""
    planned = [one for one in plan_checks(subjects_of(what, "backbone")) if one.check.name in OF_FEATURES]
    results = [one.run() for one in planned]
    assert {result.check.name for result in results} == OF_FEATURES
    assert "skipped" not in {result.state for result in results}
    return {(result.subject, result.check.name): result.message for result in results if result.state == "failed"}


def test_grey_images_span_the_whole_grey_range():
    from cxrbench.testing.images import grey_images

    drawn = grey_images(4, 64)
    assert (drawn.min(axis=(1, 2, 3)) == 0).all()
    assert (drawn.max(axis=(1, 2, 3)) == 255).all()
    assert drawn.shape == (4, 64, 64, 1)


def test_scaling_pixels_twice_is_detected():
    component = "mobilenetv3-small:preprocessing=rescale,weights=none"
    ((found, message),) = failed_on_features(component).items()
    assert found == (f"backbone {component}", "pixel-range")
    assert "scale pixels twice" in message


def test_missing_preprocessing_is_detected(tmp_path):
    weights = PRETRAINED / "mobilenet_2_5_224_tf_no_top.h5"
    plugin = tmp_path / "raw.py"
    plugin.write_text(f"""
from cxrbench.plugin import Backbone, hookimpl

@hookimpl
def register_backbones():
    return [Backbone(name="raw", factory=f"{{__name__}}:build"), Backbone(name="fed", factory=f"{{__name__}}:fed")]

def build(*, input_shape, weights, seed):
    import keras

    file, form = {str(weights)!r}, input_shape
    return keras.applications.MobileNet(alpha=0.25, weights=file, include_top=False, pooling="avg", input_shape=form)

def fed(*, input_shape, weights, seed):
    import keras

    images = keras.Input(input_shape)
    network = build(input_shape=input_shape, weights=weights, seed=seed)
    return keras.Model(images, network(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images)))
""")
    assert failed_on_features(plugin).keys() == {("backbone raw", "pixel-range")}
