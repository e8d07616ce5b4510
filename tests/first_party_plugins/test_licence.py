"""What the first-party datasets say of the licence of their images, and what users say of theirs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.source import find_dataset, read_images
from cxrbench.errors import ConfigError
from cxrbench_datasets.kermany import is_collection

COLLECTION = [("IM-0115-0001.jpeg", 0), ("NORMAL2-IM-0007-0001-0002.jpeg", 0)]
COLLECTION += [("person23_bacteria_77.jpeg", 1), ("person1000_virus_1681_2.jpeg", 1)]
LATER = [("NORMAL-1003233-0001.jpeg", 0), ("BACTERIA-1008087-0001.jpeg", 1), ("VIRUS-4980-0001.jpeg", 1)]


def no_fetch(download):
    raise AssertionError(download)


@pytest.fixture
def images_of(host):
    return lambda text: read_images(find_dataset(str(text), host), no_fetch)


@pytest.fixture
def manifest(write_images):
    """Write a manifest of the images of a folder; return its path."""
    folder = write_images("ward", 2, 2)
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(folder.rglob("*.jpeg"))]
    (folder / "images.csv").write_text("\n".join(["path,label", *rows]))
    return folder / "images.csv"


def write_tree(folder, files):
    for name, label in files:
        path = folder / ("PNEUMONIA" if label else "NORMAL") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    return folder


@pytest.mark.parametrize("name", ["phantom:images=60", "sample"])
def test_images_that_come_with_the_package_are_open(images_of, name):
    assert images_of(name).licence_class == "open"


def test_images_of_users_are_undeclared(images_of, write_images, manifest):
    for place in (write_images("ward2", 2, 2), manifest):
        images = images_of(place)
        assert (images.licence_class, images.collection) == ("undeclared", "")


@pytest.mark.parametrize("licence", ["open", "agreement", "credentialed"])
def test_users_declare_the_licence_of_their_images(images_of, manifest, licence):
    assert images_of(f"folder:source='{manifest.parent}',licence={licence}").licence_class == licence
    assert images_of(f"manifest:source='{manifest}',licence={licence}").licence_class == licence


def test_a_licence_that_does_not_exist_is_refused(images_of, manifest):
    with pytest.raises(ConfigError, match=r"licence=.?free"):
        images_of(f"folder:source='{manifest.parent}',licence=free")


def test_what_is_declared_does_not_change_the_identity_of_images(images_of, manifest):
    found = [images_of(f"folder:source='{manifest.parent}'{licence}") for licence in ("", ",licence=open")]
    first, second = (catalogue_images(one, Decoding(size=32, resize="stretch", threads=1)) for one in found)
    assert first.fingerprint == second.fingerprint
    assert first.pixels.array.folder == second.pixels.array.folder


@pytest.mark.parametrize("files", [COLLECTION, LATER])
def test_the_collection_of_kermany_is_open(images_of, tmp_path, files):
    images = images_of(write_tree(tmp_path / "tree", files))
    assert (images.licence_class, images.collection) == ("open", "kermany")
    told = images_of(f"folder:source='{tmp_path / 'tree'}',licence=agreement")
    assert (told.licence_class, told.collection) == ("agreement", "kermany")


@pytest.mark.parametrize(
    "files",
    [
        [*COLLECTION, ("anna.jpeg", 0)],
        [*COLLECTION, ("IM-0001-0001.dcm", 0)],
        [one for one in COLLECTION if not one[0].startswith("NORMAL2")],  # viewers write names such as IM-0001-0001
        [(name, 1 - label) for name, label in COLLECTION],
        [*COLLECTION, *LATER],
        COLLECTION[:2],
        [],
    ],
)
def test_other_files_are_not_taken_for_that_collection(files):
    assert is_collection(COLLECTION)
    assert not is_collection(files)


def test_real_images_of_that_collection_are_open(shared_folder, images_of):
    assert images_of(shared_folder / "data" / "chest_xray").licence_class == "open"
