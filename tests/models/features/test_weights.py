from __future__ import annotations

import hashlib

import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.data.download import Downloader
from cxrbench.errors import ConfigError, Unavailable
from cxrbench.models.weights import Weights, get_weights, weights_available, weights_file, weights_option
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Backbone

SHAPE = (64, 64, 3)


@pytest.fixture
def said():
    return []


@pytest.fixture
def offline(tmp_path, said):
    return Downloader(folder=tmp_path / "downloads", offline=True, say=said.append)


def put(path, content=b"trained"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_imagenet_is_the_default_if_there_are_weights(plain):
    assert weights_option(plain.backbone("trained")) == "imagenet"
    assert weights_option(plain.backbone("trained:weights=none")) == "none"
    assert weights_option(plain.backbone("corner")) == "none"


@pytest.mark.parametrize("text", ["corner:side=1", "trained:weights=none"])
def test_a_backbone_without_weights_needs_no_file(plain, offline, text):
    backbone = plain.backbone(text)
    assert weights_file(backbone, SHAPE) is None
    assert weights_available(backbone, SHAPE, offline)
    assert get_weights(backbone, SHAPE, offline) == Weights(name="none", digest="")


def test_existing_weights_are_identified_by_their_bytes(plain, offline, tmp_path):
    backbone = plain.backbone("trained")
    file = tmp_path / "downloads" / "trained-imagenet-64.bin"
    assert not weights_available(backbone, SHAPE, offline)
    first = put(file)
    assert weights_available(backbone, SHAPE, offline)
    assert get_weights(backbone, SHAPE, offline) == Weights(name="imagenet", digest=first)
    second = put(file, b"trained better")
    assert get_weights(backbone, SHAPE, offline).digest == second != first


def test_the_file_may_depend_on_size_and_options(plain, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_file(plain.backbone("trained"), (128, 128, 3)).file_name == "trained-imagenet-128.bin"
    found = weights_file(plain.backbone("thick:alpha=0.25,weights=cxr"), SHAPE)
    assert found.file_name == "thick50-0.25-cxr.bin"
    assert found.folder == tmp_path / "models"


def test_weights_may_lie_in_a_folder_of_their_own(plain, offline, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    backbone = plain.backbone("thick")
    assert not weights_available(backbone, SHAPE, offline)
    digest = put(tmp_path / "models" / "thick50-1.0-imagenet.bin")
    assert weights_available(backbone, SHAPE, offline)
    assert get_weights(backbone, SHAPE, offline) == Weights(name="imagenet", digest=digest)


def test_missing_weights_offline_say_which_file_to_put_where(plain, offline, tmp_path, said):
    with pytest.raises(Unavailable, match="--offline") as caught:
        get_weights(plain.backbone("trained"), SHAPE, offline)
    assert "http://127.0.0.1:9/trained" in str(caught.value)
    assert str(tmp_path / "downloads" / "trained-imagenet-64.bin") in str(caught.value)
    assert said == []


def test_missing_weights_of_an_unreachable_host_are_an_error(plain, tmp_path, said):
    online = Downloader(folder=tmp_path / "downloads", offline=False, say=said.append)
    assert not weights_available(plain.backbone("trained"), SHAPE, online)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached"):
        get_weights(plain.backbone("trained"), SHAPE, online)


def test_weights_that_were_cut_off_say_which_file_to_get_again(plain, offline, tmp_path):
    file = tmp_path / "downloads" / "trained-imagenet-64.bin"
    put(file, b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8]) + bytes(25) + (500).to_bytes(8, "little") + bytes(100))
    with pytest.raises(
        Unavailable, match=r"is cut off: it has \d+ of 500 bytes\. Remove it, and download or copy it again"
    ) as error:
        get_weights(plain.backbone("trained"), SHAPE, offline)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("text", ["corner:weights=imagenet", "corner:weights=non"])
def test_unknown_weights_are_refused_with_the_known_ones(plain, offline, text):
    with pytest.raises(ConfigError, match=r"^backbone corner:weights=\w+: unknown weights=\w+\. Write weights=none or"):
        get_weights(plain.backbone(text), SHAPE, offline)


def test_weights_that_a_plugin_has_no_file_for_are_refused(of_choice, offline):
    assert get_weights(of_choice("loose"), SHAPE, offline) == Weights(name="imagenet")
    assert get_weights(of_choice("loose:weights=none"), SHAPE, offline) == Weights(name="none")
    with pytest.raises(ConfigError, match=r"unknown weights=imagenett\. Write weights=imagenet, weights=none or weights=FILE"):
        get_weights(of_choice("loose:weights=imagenett"), SHAPE, offline)


def test_a_weights_file_counts_by_its_bytes_and_reaches_the_factory(of_choice, offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digest = put(tmp_path / "mine.bin")
    found = get_weights(of_choice("loose:weights=mine.bin"), SHAPE, offline)
    assert (found.name, found.digest, found.argument) == (f"sha256:{digest}", digest, str(tmp_path / "mine.bin"))
    (tmp_path / "copy.bin").write_bytes(b"trained")
    assert get_weights(of_choice("loose:weights=copy.bin"), SHAPE, offline) == found
    put(tmp_path / "mine.bin", b"trained better")
    assert get_weights(of_choice("loose:weights=mine.bin"), SHAPE, offline) != found


@pytest.fixture
def of_choice(tmp_path):
    (tmp_path / "loose.py").write_text(LOOSE)
    host = load_host([tmp_path / "loose.py"])

    def part(text):
        component = parse_component(text)
        return bind(component, host.find(Backbone, component.name))

    return part


LOOSE = """
from cxrbench import Backbone, hookimpl

@hookimpl
def register_backbones():
    return (Backbone(name="loose", factory=f"{__name__}:build", weights=f"{__name__}:choose"),)

def build(*, input_shape, weights, seed):
    return weights

def choose(*, input_shape, weights):
    return None
"""
