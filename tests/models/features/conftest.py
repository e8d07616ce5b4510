"""What the tests of features share: a cache of their own, pixels on disk, and plain NumPy components of a one-file plugin."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.config.protocol import Protocol
from cxrbench.data.batches import BATCH
from cxrbench.data.decoding.pixels import Pixels
from cxrbench.models.features.extraction import Extraction, extract_shard
from cxrbench.models.weights import Weights
from cxrbench.plugin import Augmentation, Backbone
from cxrbench.plugin.host import load_host
from cxrbench.storage.files import home
from cxrbench.storage.sharded_array import SHARD_ROWS

PLUGIN = '''
from pathlib import Path

import numpy as np

from cxrbench.plugin import Augmentation, Backbone, Download, hookimpl

HERE = __name__
BROKEN = ("nan", "infinite", "flat", "deep", "few", "many", "uneven")


@hookimpl
def register_backbones():
    return [
        Backbone(name="corner", factory=f"{HERE}:corner"),
        Backbone(name="random", factory=f"{HERE}:random"),
        Backbone(name="trained", factory=f"{HERE}:corner", weights=f"{HERE}:weights_of"),
        Backbone(name="thick", factory=f"{HERE}:thick", weights=f"{HERE}:weights_of_thick", fixed={"depth": 50}),
        *(Backbone(name=name, factory=f"{HERE}:broken", fixed={"how": name}) for name in BROKEN),
    ]


@hookimpl
def register_augmentations():
    return [
        Augmentation(name="noise", factory=f"{HERE}:noise"),
        Augmentation(name="shift", factory=f"{HERE}:shift", views=2),
        Augmentation(name="still", factory=f"{HERE}:still", views=0),
        Augmentation(name="crop", factory=f"{HERE}:crop"),
        Augmentation(name="blank", factory=f"{HERE}:blank"),
    ]


def corner(*, input_shape, weights, seed, side: int = 2):
    """Return every channel of the upper left pixels, and the mean of the whole."""

    def features(images):
        assert images.dtype == np.float32
        assert images.shape[1:] == input_shape
        means = images.mean(axis=(1, 2))
        return np.hstack([images[:, :side, :side].reshape(len(images), -1), means]).astype(np.float32)

    return features


def random(*, input_shape, weights, seed):
    kernel = np.random.default_rng(seed).normal(size=(np.prod(input_shape), 4))
    return lambda images: images.reshape(len(images), -1) @ kernel


def weights_of(*, input_shape, weights):
    if weights == "none":
        return None
    return Download(url="http://127.0.0.1:9/trained", file_name=f"trained-{weights}-{input_shape[0]}.bin")


def weights_of_thick(*, input_shape, weights, depth, alpha=1.0):
    folder = Path.home() / "models"
    return Download(url="http://127.0.0.1:9/thick", file_name=f"thick{depth}-{alpha}-{weights}.bin", folder=folder)


def broken(*, input_shape, weights, seed, how):
    calls = []

    def features(images):
        calls.append(how)
        good = np.ones((len(images), 4), dtype=np.float32)
        return {
            "nan": np.where(np.arange(4) == 2, np.nan, good),
            "infinite": good * np.inf,
            "flat": good[:, 0],
            "deep": good[:, :, None],
            "few": good[:-1],
            "many": np.vstack([good, good]),
            "uneven": np.ones((len(images), len(calls) + 1), dtype=np.float32),
        }[how]

    return features


def noise(*, input_shape, seed, strength: float = 20.0):
    generator = np.random.default_rng(seed)

    def augment(images, training=False):
        assert training
        assert images.shape[1:] == input_shape
        return images + generator.normal(0, strength, images.shape).astype(np.float32)

    return augment


def shift(*, input_shape, seed, by: float = 300.0):
    return lambda images, training=False: images + np.float32(by)


def still(*, input_shape, seed):
    return lambda images, training=False: images


def crop(*, input_shape, seed):
    return lambda images, training=False: images[:, 1:]


def blank(*, input_shape, seed):
    return lambda images, training=False: images * np.float32("nan")
'''


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep features in this test's own folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CXRBENCH_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def plugin_file(tmp_path_factory):
    """Return the one-file plugin."""
    file = tmp_path_factory.mktemp("plugin") / "plain.py"
    file.write_text(PLUGIN)
    return file


def components_of(host):
    """Return how to make a backbone and an augmentation from text."""

    def part_of(kind):
        def make(text):
            component = parse_component(text)
            return bind(component, host.find(kind, component.name))

        return make

    return SimpleNamespace(backbone=part_of(Backbone), augmentation=part_of(Augmentation))


@pytest.fixture(scope="session")
def parts_of():
    """Make components of a one-file plugin."""

    def load(file):
        host = load_host([file])
        assert not host.plugins[-1].problem
        return components_of(host)

    return load


@pytest.fixture(scope="session")
def plain(parts_of, plugin_file):
    """Make components of the one-file plugin of plain NumPy."""
    return parts_of(plugin_file)


@pytest.fixture
def changed_plain(tmp_path, plugin_file):
    """Make components of the same one-file plugin, before and after its source was changed."""
    file = tmp_path / plugin_file.name
    file.write_text(PLUGIN)
    host = load_host([file])

    def change():
        file.write_text(PLUGIN + "\n# changed\n")
        return components_of(host)

    return SimpleNamespace(before=components_of(host), change=change)


@pytest.fixture
def pixels_with():
    """Put random pixels on disk."""

    def make(rows, size=4, images=None, shard_rows=SHARD_ROWS):
        if images is None:
            images = np.random.default_rng(rows).integers(0, 256, (rows, size, size), dtype=np.uint8)
        digest = hashlib.sha256(images.tobytes()).hexdigest()
        pixels = Pixels(rows=rows, size=images.shape[1], digest=digest, shard_rows=shard_rows)
        for shard in pixels.array.missing():
            start, stop = pixels.array.bounds(shard)
            pixels.array.write(shard, [images[start:stop]])
        return pixels

    return make


@pytest.fixture
def protocol_with():
    """Make a protocol of which a seed and a precision only."""
    return lambda seed=0, precision="float32": Protocol.model_construct(seed=seed, precision=precision)


@pytest.fixture
def extraction_of(plain, pixels_with):
    """Make an extraction of components of a one-file plugin, the one of plain NumPy unless told otherwise."""

    def make(backbone="corner", *, of=plain, augmentation=None, view=None, **given):
        return Extraction(
            **{
                "pixels": given.pop("pixels", None) or pixels_with(BATCH + 5),
                "backbone": of.backbone(backbone),
                "weights": Weights(name="none"),
                "augmentation": of.augmentation(augmentation) if augmentation else None,
                "view": (1 if augmentation else 0) if view is None else view,
                "seed": 0,
                "precision": "float32",
                **given,
            }
        )

    return make


@pytest.fixture
def extract(monkeypatch, tmp_path_factory):
    """Extract all shards into a cache that holds the pixels and nothing else, and return the features."""

    def extract_anew(extraction, shards=None, batch=BATCH):
        images, cache = home() / "images", tmp_path_factory.mktemp("cache")
        monkeypatch.setenv("CXRBENCH_HOME", str(cache))
        (cache / "images").symlink_to(images.resolve(), target_is_directory=True)
        wanted = extraction.features.missing()
        for shard in shards or wanted:
            extract_shard(extraction, extraction.features, shard, batch)
        assert extraction.features.missing() == []
        return extraction.features.gather(np.arange(extraction.pixels.rows))

    return extract_anew
