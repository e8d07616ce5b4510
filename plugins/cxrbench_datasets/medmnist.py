"""PneumoniaMNIST (Yang et al., Sci Data 2023, doi 10.1038/s41597-022-01721-8): Kermany's images, cropped and scaled."""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from tokenize import TokenError
from typing import TYPE_CHECKING, Literal, cast

from cxrbench.plugin import ClassNames, ConfigError, DataError, Download, Images, Record
from cxrbench_datasets.kermany import KERMANY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    Shape = tuple[int, ...]
    Split = Literal["train", "val", "test"]

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_MD5: Mapping[int, str] = {
    28: "28209eda62fecd6e6a2d98b1501bb15f",
    64: "8f4eceb4ccffa70c672198ea285246c6",
    128: "05b46931834c231683c68f40c47b2971",
    224: "d6a3c71de1b945ea11211b03746c1fe1",
}
_BROKEN = (
    *(OSError, ValueError, KeyError, EOFError, SyntaxError, RecursionError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, TokenError),  # NumPy raises the last one for an invalid header
)
_UNPACKING = Lock()
LARGEST_ARRAY_BYTES = 2**31
"""MedMNIST's largest array has 240 million."""
PUBLISHED = "pneumoniamnist"
_WANTED = tuple(f"{split}_{what}" for split in _SPLITS for what in ("images", "labels"))
NO_PATIENTS = (
    "PneumoniaMNIST has no patient ids: every image counts as one patient, so images of one patient may be on both sides of a "
    "split"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelReader:
    """Reads the pixels of a key such as ``train/00001`` from the file; keeps none itself."""

    path: Path

    def __call__(self, key: str) -> NDArray[np.uint8]:
        """Return uint8 ``[H, W]``."""
        split, _, row = key.partition("/")
        with _UNPACKING:  # without the lock, every decoding thread would unpack the same array
            images = _unpack(self.path, split)
        image: NDArray[np.uint8] = images[int(row)]
        return image.copy()


def claims_medmnist(path: str | Path) -> bool:
    """Return whether a path is a file named pneumoniamnist*.npz, or an .npz file with the arrays of MedMNIST's layout."""
    name = Path(path).name.lower()
    if not name.endswith(".npz") or not Path(path).is_file():
        return False
    return name.startswith(PUBLISHED) or not _missing_arrays(_array_names(Path(path)))


def _array_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except _BROKEN:
        return []


def _missing_arrays(names: Iterable[str]) -> list[str]:
    found = set(names)
    return [name for name in _WANTED if name not in found]


def download_medmnist(
    *, size: Literal[28, 64, 128, 224] = 224, negative: str | int = "NORMAL", positive: str | int = "PNEUMONIA"
) -> Download:
    """Return the download of an image size (URLs and checksums: medmnist 3.0.2, info.py); class names do not change it."""
    del negative, positive
    file_name = "pneumoniamnist.npz" if size == 28 else f"pneumoniamnist_{size}.npz"
    url = f"https://zenodo.org/records/10519652/files/{file_name}?download=1"
    return Download(url=url, file_name=file_name, digest=f"md5:{_MD5[size]}")


def load_medmnist(
    source: str | None,
    *,
    size: Literal[28, 64, 128, 224] = 224,
    negative: str | int = "NORMAL",
    positive: str | int = "PNEUMONIA",
) -> Images:
    """List the images of a PneumoniaMNIST file, or of another file in MedMNIST's layout.

    Args:
        source: the path of the npz file.
        size: size of the file that is downloaded; a given file keeps its own size.
        negative: name of the class with label 0.
        positive: name of the class with label 1.

    Raises:
        ConfigError: the file does not exist.
        DataError: the file is broken or not in MedMNIST's layout.
    """
    if source is None:
        raise ConfigError(f"the dataset medmnist needs a file: download {download_medmnist(size=size).url} and give its path")
    path = Path(source).expanduser().absolute()
    if not path.is_file():
        raise ConfigError(f"{source} is not a file: check the path, or leave it out to download PneumoniaMNIST")
    try:
        side, labels = _read_labels(path)
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as PneumoniaMNIST ({error}): delete it and download it again") from error
    records = [
        Record(key=key, label=cast("Literal[0, 1]", int(label)), patient=key, split=split)
        for split in _SPLITS
        for key, label in ((f"{split}/{row:05d}", label) for row, label in enumerate(labels[split]))
    ]
    digest = _md5_of(path)
    is_named = digest in _MD5.values() or path.name.lower().startswith(PUBLISHED)
    no_patients = NO_PATIENTS if is_named else NO_PATIENTS.replace("PneumoniaMNIST", path.name)
    return Images(
        name=f"{PUBLISHED if is_named else path.stem}-{side}",
        records=records,
        read=PixelReader(path=path),
        warnings=(*_further_arrays(path), *_unpublished_file(path, len(records), digest), no_patients),
        class_names=ClassNames(negative=str(negative), positive=str(positive)),
        licence_class="open" if digest in _MD5.values() else "undeclared",
        collection=KERMANY if is_named else "",
    )


def _read_labels(path: Path) -> tuple[int, Mapping[Split, NDArray[np.int64]]]:
    """Return the side of the images in pixels and the labels of every split, without unpacking the images."""
    import numpy as np

    with zipfile.ZipFile(path) as archive:
        if missing := _missing_arrays(_array_names(path)):
            raise DataError(f"{path} has no {', '.join(missing)}: this is not a PneumoniaMNIST file")
        _check_sizes(path, archive, _WANTED)
        shapes = {split: _read_shape(path, archive, split) for split in _SPLITS}
    if len({shape[1:] for shape in shapes.values()}) > 1:
        raise DataError(f"{path} has images of several sizes, {list(shapes.values())}: this is not a PneumoniaMNIST file")
    with np.load(path, allow_pickle=False) as arrays:
        labels = {split: _check_labels(path, split, arrays[f"{split}_labels"], shapes[split][0]) for split in _SPLITS}
    return shapes["train"][1], labels


def _check_sizes(path: Path, archive: zipfile.ZipFile, names: Iterable[str]) -> None:
    """Raise DataError for arrays larger than any published one, and for headers that claim more than the file has."""
    from numpy.lib import format as npy

    for name in names:
        size = archive.getinfo(f"{name}.npy").file_size
        with archive.open(f"{name}.npy") as file:
            read_header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read_header(file)
        claimed = math.prod(shape) * dtype.itemsize
        if max(size, claimed) > LARGEST_ARRAY_BYTES or claimed > size:
            raise DataError(
                f"{path}: {name} has {size:,} bytes when unpacked and claims to be {dtype} {shape}: this is not a "
                "PneumoniaMNIST file"
            )


def _read_shape(path: Path, archive: zipfile.ZipFile, split: str) -> Shape:
    """Read the shape of an image array from its header, without unpacking up to 300 MB."""
    from numpy.lib import format as npy

    with archive.open(f"{split}_images.npy") as file:
        read_header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
    if dtype != "uint8" or len(shape) != 3 or shape[1] != shape[2] or 0 in shape:
        raise DataError(f"{path}: {split}_images is {dtype} {shape}; PneumoniaMNIST has uint8 images of shape (n, side, side)")
    return cast("Shape", shape)


def _check_labels(path: Path, split: str, labels: NDArray[np.generic], count: int) -> NDArray[np.int64]:
    import numpy as np

    if labels.dtype.kind not in "iu" or labels.shape not in {(count,), (count, 1)}:
        found = f"{labels.dtype} {labels.shape}"
        raise DataError(f"{path}: {split}_labels is {found}; PneumoniaMNIST has one integer for each of {count} images")
    if invalid := sorted(set(np.unique(labels).tolist()) - {0, 1}):
        raise DataError(f"{path}: {split}_labels has {invalid}; PneumoniaMNIST has only 0 and 1")
    return labels.reshape(-1).astype(np.int64)


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _further_arrays(path: Path) -> Iterator[str]:
    if further := sorted(set(_array_names(path)) - set(_WANTED)):
        yield f"ignored further arrays of {path.name}: {', '.join(further)}"


def _unpublished_file(path: Path, count: int, digest: str) -> Iterator[str]:
    if digest not in _MD5.values():
        yield (
            f"{path.name} ({count:,} images, md5 {digest}) is not a file that MedMNIST published (5,856 images): its scores "
            "cannot be compared with those on PneumoniaMNIST"
        )


@lru_cache(maxsize=len(_SPLITS))
def _unpack(path: Path, split: str) -> NDArray[np.uint8]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return cast("NDArray[np.uint8]", arrays[f"{split}_images"])
    except _BROKEN as error:
        raise DataError(f"{split}_images in {path} cannot be read ({error}): delete the file and download it again") from error
