"""A sample of real chest X-rays that comes with the package: to try the tool without a download."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cxrbench.plugin import ClassNames, ConfigError, Images, Record
from cxrbench_datasets.kermany import KERMANY, find_patient

if TYPE_CHECKING:
    from typing import Literal

ARCHIVE = Path(__file__).with_name("images.zip")
CLASS_NAMES = ClassNames(negative="NORMAL", positive="PNEUMONIA")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReader:
    """Reads the encoded image of a key from an archive, which stays open in each process that reads from it."""

    archive: Path

    def __call__(self, key: str) -> bytes:
        """Return the bytes of the JPEG file."""
        return _opened(self.archive).read(key)


def load_sample(source: str | None = None) -> Images:
    """List the 1,000 images of the sample: 400 for training, 210 for validation, 390 for testing.

    Args:
        source: must be None: the images come with the package.

    Raises:
        ConfigError: a source is given.
    """
    if source is not None:
        raise ConfigError(f"the sample comes with the package and takes no source, got {source!r}: remove the path")
    with zipfile.ZipFile(ARCHIVE) as archive:
        records = tuple(_record(key) for key in sorted(archive.namelist()))
    reader = ArchiveReader(archive=ARCHIVE)
    return Images(
        name="sample", records=records, read=reader, class_names=CLASS_NAMES, licence_class="open", collection=KERMANY
    )


def _record(key: str) -> Record:
    part, name, file = PurePosixPath(key).parts
    label: Literal[0, 1] = 1 if name == CLASS_NAMES.positive else 0
    split: Literal["train", "val", "test"] = "train" if part == "train" else "val" if part == "val" else "test"
    return Record(key=key, label=label, patient=find_patient(file) or key, split=split)


@lru_cache(maxsize=1)
def _opened(archive: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(archive)
