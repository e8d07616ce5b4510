from __future__ import annotations

import hashlib
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cxrbench.plugin import ClassNames, ConfigError, DataError
from cxrbench_datasets import medmnist
from cxrbench_datasets.medmnist import claims_medmnist, download_medmnist, load_medmnist


def arrays(side: int = 28) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    made = {}
    for split, count in (("train", 5), ("val", 3), ("test", 2)):
        made[f"{split}_images"] = generator.integers(0, 256, (count, side, side), dtype=np.uint8)
        made[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) % 2).reshape(-1, 1)
    return made


@pytest.fixture
def save(tmp_path):
    """Save arrays, changed by some others, as a compressed npz file."""

    def save_arrays(side: int = 28, **changes) -> str:
        file = tmp_path / "pneumoniamnist.npz"
        np.savez_compressed(file, **(arrays(side) | changes))
        return str(file)

    return save_arrays


def test_lists_every_part_with_labels(save):
    images = load_medmnist(save())
    assert images.name == "pneumoniamnist-28"
    assert [record.key for record in images.records[4:9]] == [
        "train/00004",
        "val/00000",
        "val/00001",
        "val/00002",
        "test/00000",
    ]
    assert [record.label for record in images.records] == [0, 1, 0, 1, 0, 0, 1, 0, 0, 1]
    assert [record.split for record in images.records] == ["train"] * 5 + ["val"] * 3 + ["test"] * 2
    assert all(record.patient == record.key for record in images.records)


def test_the_size_is_that_of_the_file(save):
    images = load_medmnist(save(side=64), size=224)
    assert images.name == "pneumoniamnist-64"
    assert images.read("test/00000").shape == (64, 64)


def test_the_reader_holds_no_pixels_and_finds_every_image(save):
    expected = arrays()
    images = load_medmnist(save())
    pickled = pickle.dumps(images.read)
    assert len(pickled) < 1000
    read = pickle.loads(pickled)
    for record in images.records:
        split, row = record.key.split("/")
        assert np.array_equal(read(record.key), expected[f"{split}_images"][int(row)])


def test_an_image_is_the_callers_own(save):
    read = load_medmnist(save()).read
    before = read("train/00001").copy()
    read("train/00001")[:] = 0
    assert np.array_equal(read("train/00001"), before)


def test_many_threads_unpack_an_array_once(save, monkeypatch):
    read = load_medmnist(save()).read
    loads = []
    original = np.load
    monkeypatch.setattr(np, "load", lambda *args, **kwargs: loads.append(args) or original(*args, **kwargs))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, ["train/00000"] * 32))
    assert len(loads) == 1


def test_missing_patients_and_another_digest_are_warned_of(save):
    digest, patients = load_medmnist(save()).warnings
    assert "is not a file that MedMNIST published" in digest
    assert "has no patient ids" in patients


def test_an_own_file_has_its_own_name_and_classes(save, tmp_path):
    own = Path(save(train_masks=np.zeros(3), notes=np.zeros(1))).rename(tmp_path / "ward 7.npz")
    assert claims_medmnist(own)
    images = load_medmnist(str(own), negative="clear", positive=1)
    assert images.name == "ward 7-28"
    assert images.class_names == ClassNames(negative="clear", positive="1")
    assert images.read("test/00001").shape == (28, 28)
    assert images.warnings[0] == "ignored further arrays of ward 7.npz: notes, train_masks"


def test_a_published_file_keeps_its_name_whatever_it_is_called(save, tmp_path, monkeypatch):
    own = Path(save()).rename(tmp_path / "download.npz")
    assert load_medmnist(str(own)).name == "download-28"
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: PublishedDigest())
    assert load_medmnist(str(own)).name == "pneumoniamnist-28"


def test_the_published_digest_needs_no_warning(save, monkeypatch):
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: PublishedDigest())
    assert load_medmnist(save()).warnings == (medmnist.NO_PATIENTS,)


class PublishedDigest:
    def hexdigest(self) -> str:
        return "28209eda62fecd6e6a2d98b1501bb15f"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_images": np.zeros((3, 28, 28, 3), np.uint8)}, r"val_images is uint8 \(3, 28, 28, 3\)"),
        ({"val_images": np.zeros((3, 28, 28))}, "val_images is float64"),
        ({"val_images": np.zeros((0, 28, 28), np.uint8)}, r"val_images is uint8 \(0, 28, 28\)"),
        ({"val_images": np.zeros((3, 64, 64), np.uint8)}, "images of several sizes"),
        ({"val_images": np.array([None])}, "val_images is object"),
        ({"train_labels": np.zeros((4, 1), np.uint8)}, r"train_labels is uint8 \(4, 1\).*each of 5 images"),
        ({"train_labels": np.zeros((5, 14), np.uint8)}, r"train_labels is uint8 \(5, 14\)"),
        ({"train_labels": np.zeros((5, 1))}, "train_labels is float64"),
        ({"train_labels": np.full((5, 1), 3)}, r"train_labels has \[3\]"),
        ({"train_labels": np.array([[None]] * 5)}, "cannot be read as PneumoniaMNIST"),
    ],
)
def test_arrays_that_are_not_pneumoniamnist_are_refused(save, changes, message):
    with pytest.raises(DataError, match=message):
        load_medmnist(save(**changes))


def test_a_missing_array_is_named(tmp_path):
    file = tmp_path / "pneumoniamnist.npz"
    np.savez_compressed(file, **{name: array for name, array in arrays().items() if not name.startswith("val")})
    with pytest.raises(DataError, match="has no val_images, val_labels"):
        load_medmnist(str(file))


def test_a_truncated_file_is_refused(save, tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(Path(save()).read_bytes()[:-100])
    with pytest.raises(DataError, match="download it again"):
        load_medmnist(str(broken))


def test_damaged_pixels_are_reported_when_they_are_read(save):
    source = save(side=224)
    with Path(source).open("r+b") as file:
        file.seek(100_000)
        file.write(b"\0" * 500)
    images = load_medmnist(source)
    with pytest.raises(DataError, match=r"train_images in .* cannot be read"):
        images.read("train/00000")


def test_the_download_is_medmnists_own():
    small, large = download_medmnist(size=28), download_medmnist()
    assert small.url == "https://zenodo.org/records/10519652/files/pneumoniamnist.npz?download=1"
    assert (small.file_name, small.digest) == ("pneumoniamnist.npz", "md5:28209eda62fecd6e6a2d98b1501bb15f")
    assert large.url == "https://zenodo.org/records/10519652/files/pneumoniamnist_224.npz?download=1"
    assert (large.file_name, large.digest) == ("pneumoniamnist_224.npz", "md5:d6a3c71de1b945ea11211b03746c1fe1")


def test_an_invalid_source_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"pneumoniamnist_64\.npz"):
        load_medmnist(None, size=64)
    with pytest.raises(ConfigError, match="not a file"):
        load_medmnist(str(tmp_path))


def test_claims_its_files_and_nothing_else(save, tmp_path):
    source = save()
    assert claims_medmnist(source)
    other = tmp_path / "PneumoniaMNIST_224.npz"
    other.write_bytes(b"")
    assert claims_medmnist(other)
    assert not claims_medmnist(tmp_path / "pneumoniamnist_64.npz")
    wrong = tmp_path / "breastmnist.npz"
    wrong.write_bytes(b"")
    assert not claims_medmnist(wrong)
    np.savez_compressed(wrong, **{name: array for name, array in arrays().items() if name != "val_labels"})
    assert not claims_medmnist(wrong)


def with_header(file, name, header, size=None):
    """Replace an array of a file by a header of its own, and let the archive say that it has so many bytes when unpacked."""
    with zipfile.ZipFile(file) as archive:
        parts = {part: archive.read(part) for part in archive.namelist() if part != f"{name}.npy"}
    written = header.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as target:
            target.write(b"\x93NUMPY\x01\x00" + len(written).to_bytes(2, "little") + written)
        if size:
            archive.getinfo(f"{name}.npy").file_size = size


@pytest.mark.parametrize("name", ["train_images", "train_labels"])
@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 28, 28), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 1), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (5, 28, 28), }",
        "__import__('os').mkdir('somebody-was-here')",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-5, 28, 28), }",
        "(" * 110,
    ],
)
def test_a_header_that_claims_what_is_not_there_is_refused(save, monkeypatch, tmp_path, name, header):
    monkeypatch.chdir(tmp_path)
    file = save()
    with_header(file, name, header)
    with pytest.raises(DataError, match=r"pneumoniamnist\.npz"):
        load_medmnist(file)
    assert not Path("somebody-was-here").exists()


def test_a_huge_array_is_refused_without_unpacking_it(save):
    file = save()
    with_header(file, "val_images", "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }", size=2**31 + 2**20)
    assert Path(file).stat().st_size < 2**13
    with pytest.raises(DataError, match=r"val_images has 2,148,532,224 bytes when unpacked"):
        load_medmnist(file)


def test_pickled_objects_are_not_unpickled(save, monkeypatch, tmp_path):
    class Marks:
        def __reduce__(self):
            return Path.mkdir, (Path("somebody-was-here"),)

    monkeypatch.chdir(tmp_path)
    for name in ("train_labels", "train_images"):
        with pytest.raises(DataError):
            load_medmnist(save(**{name: np.array([Marks()] * 5, dtype=object)}))
    assert not Path("somebody-was-here").exists()
