"""Networks in ONNX files as backbones. Most are built here of single operators, so that every number can be worked out."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cxrbench.config.component import parse_component
from cxrbench.plugin import ConfigError, Unavailable
from cxrbench_backbones.onnx_file import model_file, onnx_file

onnx = pytest.importorskip("onnx", reason="needs pip install 'cxrbench[onnx]'")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
SIZE = 8
NCHW, NHWC = ("batch", 3, SIZE, SIZE), ("batch", SIZE, SIZE, 3)
FLAT = helper.make_node("Flatten", ["pixels"], ["flat"], axis=1)
MAPS = helper.make_node("Identity", ["pixels"], ["maps"])
TOKENS = helper.make_node("Reshape", ["pixels", "four_tokens"], ["tokens"])
CONSTANTS = [helper.make_tensor("four_tokens", onnx.TensorProto.INT64, [3], [0, 4, -1])]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a network of these operators; each has an output of the network."""

    def write_network(shape, *nodes, dimensions=2, kind=FLOAT):
        pixels = helper.make_tensor_value_info("pixels", kind, shape)
        outputs = [helper.make_tensor_value_info(node.output[0], kind, [None] * dimensions) for node in nodes or (FLAT,)]
        graph = helper.make_graph(nodes or (FLAT,), "network", [pixels], outputs, CONSTANTS)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, tmp_path / "m.onnx")
        return str(tmp_path / "m.onnx")

    return write_network


def build(path, **options):
    return onnx_file(input_shape=(SIZE, SIZE, 3), weights="imagenet", path=str(path), **options)


def name(path="", **options):
    return model_file(**{"input_shape": (SIZE, SIZE, 3), "weights": "imagenet", "path": str(path), **options})


def pixels(number=2):
    grey = np.random.default_rng(0).uniform(0, 255, (number, SIZE, SIZE, 1)).astype(np.float32)
    return np.repeat(grey, 3, axis=-1)


def channels_first(images):
    return np.moveaxis(images, -1, 1)


def test_pixels_are_scaled_then_standardised_by_channel(write):
    found = build(write(NCHW), scale="1/255", mean="0.485 0.456 0.406", std="0.229,0.224,0.225")(pixels())
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = channels_first((pixels() / 255 - mean) / deviation)
    np.testing.assert_allclose(found, expected.reshape(2, -1), rtol=1e-5, atol=1e-5)
    assert found.dtype == np.float32


def test_pixels_in_0_to_255_pass_unchanged_without_options(write):
    np.testing.assert_array_equal(build(write(NHWC))(pixels()), pixels().reshape(2, -1))


def test_one_number_serves_every_channel(write):
    found = build(write(NCHW), scale=2, mean=-1.0, std=0.5)(pixels())
    np.testing.assert_allclose(found, channels_first(2 * (2 * pixels() + 1)).reshape(2, -1), rtol=1e-6)


@pytest.mark.parametrize("shape", [("batch", 1, SIZE, SIZE), ("batch", SIZE, SIZE, 1)])
def test_a_network_of_one_channel_gets_one(write, shape):
    np.testing.assert_array_equal(build(write(shape))(pixels()), pixels()[..., 0].reshape(2, -1))


def test_layout_and_channels_can_be_given_where_the_file_is_open(write):
    path = write(("batch", "channels", "height", "width"))
    with pytest.raises(ConfigError, match=r"takes \[batch, channels, height, width\], .*add layout=nchw .* or layout=nhwc"):
        build(path)
    np.testing.assert_array_equal(build(path, layout="nchw")(pixels()), channels_first(pixels()).reshape(2, -1))
    np.testing.assert_array_equal(build(path, layout="nhwc")(pixels()), pixels().reshape(2, -1))
    np.testing.assert_array_equal(build(path, layout="nchw", channels=1)(pixels()), pixels()[..., 0].reshape(2, -1))


def test_the_first_output_is_taken_or_the_named_one(write):
    path = write(NCHW, FLAT, helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[2, 3], keepdims=0))
    assert build(path)(pixels()).shape == (2, 3 * SIZE * SIZE)
    np.testing.assert_allclose(build(path, output="mean")(pixels()), pixels().mean(axis=(1, 2)), rtol=1e-5)
    with pytest.raises(ConfigError, match="has no output 'men': it has flat, mean"):
        build(path, output="men")


def test_tokens_are_pooled_as_asked(write):
    path = write(NCHW, TOKENS, dimensions=3)
    tokens = channels_first(pixels()).reshape(2, 4, -1)
    np.testing.assert_array_equal(build(path, pool="cls")(pixels()), tokens[:, 0])
    np.testing.assert_allclose(build(path, pool="mean")(pixels()), tokens.mean(axis=1), rtol=1e-5)
    with pytest.raises(ConfigError, match=r"puts out \[1, 4, 48\] for 1 images as 'tokens'.*pool=cls .*pool=mean"):
        build(path)


@pytest.mark.parametrize("shape", [NCHW, NHWC])
def test_maps_are_averaged_over_their_area_as_asked(write, shape):
    path = write(shape, MAPS, dimensions=4)
    np.testing.assert_allclose(build(path, pool="mean")(pixels()), pixels().mean(axis=(1, 2)), rtol=1e-5)
    for pool in ("none", "cls"):
        with pytest.raises(ConfigError, match=r"puts out \[1, .*add pool=mean"):
            build(path, pool=pool)


def test_an_output_of_two_dimensions_is_suggested(write):
    nodes = (TOKENS, FLAT)
    path = write(NCHW, *nodes, dimensions=3)
    model = onnx.load(path)
    del model.graph.output[1].type.tensor_type.shape.dim[2]
    onnx.save(model, path)
    with pytest.raises(ConfigError, match=r"add pool=cls .*, or name another output with output=flat"):
        build(path)


@pytest.mark.parametrize("size", [1, 4])
def test_a_fixed_batch_size_gives_the_same_features(write, size):
    fixed = build(write((size, *NCHW[1:])))(pixels(6))
    np.testing.assert_array_equal(fixed, build(write(NCHW))(pixels(6)))


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE"])
def test_other_floating_point_types_are_computed_in(write, kind):
    found = build(write(NCHW, kind=getattr(onnx.TensorProto, kind)))(pixels())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, channels_first(pixels()).reshape(2, -1), rtol=1e-3)


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        (("batch", 3, 16, 16), {}, "takes images of 16x16, not 8x8: use --image-size 16"),
        (("batch", 16, 8, 3), {}, "takes images of 16x8, not 8x8: export it with a flexible input"),
        (NCHW, {"layout": "nhwc"}, r"takes \[batch, 3, 8, 8\]: 8 channels; .* 1 or 3"),
        (NCHW, {"channels": 1}, "takes images of 3 channels: leave channels=1 out"),
        (("batch", 1, 8, 8), {"mean": "1 2 3"}, "takes 1 channel: give one number as mean"),
        (("batch", 192), {}, "takes .*; a backbone takes floating-point images, 4 dimensions"),
    ],
)
def test_a_network_for_other_images_is_refused(write, shape, options, reason):
    with pytest.raises(ConfigError, match=reason):
        build(write(shape), **options)


def test_integers_and_several_inputs_are_refused(write, tmp_path):
    with pytest.raises(ConfigError, match=r"takes tensor\(uint8\)"):
        build(write(NCHW, kind=onnx.TensorProto.UINT8))
    inputs = [helper.make_tensor_value_info(one, FLOAT, NCHW) for one in ("image", "text")]
    output = helper.make_tensor_value_info("sum", FLOAT, NCHW)
    graph = helper.make_graph([helper.make_node("Add", ["image", "text"], ["sum"])], "two", inputs, [output])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "two.onnx")
    with pytest.raises(ConfigError, match=r"has 2 inputs \(image, text\).*export the part that takes images"):
        build(tmp_path / "two.onnx")


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("mean", "0.4 0.5", r"mean=0\.4 0\.5 must be one number, or three"),
        ("std", "a b c", "std=a b c must be one number"),
        ("std", "1 0 1", "std=1 0 1 must not be 0"),
        ("scale", "1/0", "scale=1/0 must be one number such as 1/255"),
        ("scale", float("inf"), "scale=inf must be one number"),
        ("scale", "1 2 3", "scale=1 2 3 must be one number"),
    ],
)
def test_invalid_numbers_are_refused_before_the_run(write, option, value, reason):
    with pytest.raises(ConfigError, match=reason):
        name(write(NCHW), **{option: value})


def test_what_cannot_be_a_network_is_refused(write, tmp_path):
    whole = write(NCHW)
    (tmp_path / "page.onnx").write_text("<html>")
    (tmp_path / "m.pb").write_bytes(b"\x08")
    for path, reason in [
        ("nowhere.onnx", "there is no file"),
        ("page.onnx", "no ONNX file; was it downloaded whole"),
        ("m.pb", r"must end in \.onnx"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            name(tmp_path / path)
    with pytest.raises(ConfigError, match="leave weights=none out"):
        name(whole, weights="none")
    with pytest.raises(Unavailable, match=r"write onnx:path=MODEL\.onnx"):
        name()
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "m.onnx").read_bytes()[:-20])
    with pytest.raises(ConfigError, match=r"cut\.onnx cannot be loaded: .*parsing failed"):
        build(tmp_path / "cut.onnx")


def test_weights_in_another_file_are_not_read(tmp_path, monkeypatch):
    folder = tmp_path / "parts"
    folder.mkdir()
    numbers = onnx.numpy_helper.from_array(np.ones((1, 3, SIZE, SIZE), np.float32), "numbers")
    nodes = [helper.make_node("Mul", ["pixels", "numbers"], ["product"]), helper.make_node("Flatten", ["product"], ["flat"])]
    given = helper.make_tensor_value_info("pixels", FLOAT, NCHW)
    graph = helper.make_graph(nodes, "scaled", [given], [helper.make_tensor_value_info("flat", FLOAT, [None, None])], [numbers])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "MODEL.onnx", save_as_external_data=True, location="MODEL.onnx_data", size_threshold=0)
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"keeps weights in another file\. Write all into one: (.*)") as refused:
        build("MODEL.onnx")
    exec(str(refused.value).partition('"')[2].rpartition('"')[0])  # the remedy, as the message has it
    np.testing.assert_array_equal(build("ONE-FILE.onnx")(pixels()), channels_first(pixels()).reshape(2, -1))


def test_nothing_is_printed(write, tmp_path, capfd):
    build(write(NCHW))(pixels())
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "m.onnx").read_bytes()[:-20])
    with pytest.raises(ConfigError):
        build(tmp_path / "cut.onnx")
    assert capfd.readouterr() == ("", "")


def test_without_onnx_runtime_the_extra_is_named(write, monkeypatch):
    path = write(NCHW)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Unavailable, match=r"not installed: pip install 'cxrbench\[onnx\]'"):
        name(path)


def test_too_little_memory_is_said_to_be_that(write):
    wide = helper.make_tensor("wide", onnx.TensorProto.INT64, [4], [1, 3, SIZE, 2**50])  # more than any machine can address
    size = helper.make_node("Constant", [], ["size"], value=wide)
    narrow = helper.make_node("ReduceMean", ["pixels"], ["column"], axes=[3], keepdims=1)
    path = write(NCHW, size, narrow, helper.make_node("Expand", ["column", "size"], ["expanded"]), dimensions=4)
    with pytest.raises(MemoryError, match="Failed to allocate memory"):
        build(path, output="expanded", pool="mean")


def test_the_page_explains_every_option_and_its_commands_are_valid(write):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "onnx.md").read_text(encoding="utf-8")
    options = inspect.signature(onnx_file).parameters.keys() - {"input_shape", "weights"}
    assert {name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)} == options
    commands = [parse_component(text) for text in re.findall(r"--backbone '(.+)'", page)]
    assert len(commands) == 3
    for component in commands:
        assert name(write(NCHW), **dict(component.without("path").options))
