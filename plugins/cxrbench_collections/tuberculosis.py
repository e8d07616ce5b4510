"""The tuberculosis sets of Shenzhen and Montgomery County (Jaeger et al., 2014): labels in file names, readings in text files.

Tuberculosis is not pneumonia: a test on these images shows how a classifier of pneumonia does on another disease.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import ClassNames, DataError, Images
from cxrbench_collections.disk import FileReader, list_images, require_folder
from cxrbench_collections.listing import Collected, Listed, images_of
from cxrbench_collections.sexes import sex_of
from cxrbench_collections.views import PA, wanted_views

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES, READINGS = "CXR_png", "ClinicalReadings"
CLASS_NAMES = ClassNames(negative="normal", positive="tuberculosis")
# "male 45yrs", "femal, 28yrs", "male 16month"; "Patient's Sex: F" and "Patient's Age: 027Y" on two lines
_READING = re.compile(
    r"(?:patient's\s+sex:)?\s*(?P<sex>m|f|male|female|femal)\b[\s,]*(?:patient's\s+age:)?\s*(?P<age>\d+\s*[a-z]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collection:
    """One of the two collections.

    Attributes:
        prefix: the beginning of its file names.
        inside: the name of its folder in the published archive.
        view: of all its images, where the publisher says so.
    """

    name: str
    prefix: str
    inside: str
    site: str
    view: str | None = None

    @property
    def layout(self) -> str:
        """What is expected on disk, in a few words."""
        return f"the folder {self.inside} with {IMAGES}/{self.prefix}_0001_0.png and {READINGS}/, or the folder around it"

    def root(self, folder: Path) -> Path | None:
        """Return the folder of the collection: this one or the one inside it."""
        candidates = (folder, folder / self.inside)
        return next((one for one in candidates if any(map(self.matches, list_images(one / IMAGES)))), None)

    def matches(self, name: str) -> re.Match[str] | None:
        """Return the match of a file name such as ``CHNCXR_0327_1.png``, whose last digit is the label."""
        return re.fullmatch(rf"(?P<patient>{self.prefix}_\d+)_(?P<label>[01])\.png", name)


SHENZHEN = _Collection(name="shenzhen", prefix="CHNCXR", inside="ChinaSet_AllFiles", site="Shenzhen No. 3 People's Hospital")
MONTGOMERY = _Collection(
    name="montgomery", prefix="MCUCXR", inside="MontgomerySet", site="Montgomery County, Maryland", view=PA
)


def claims_shenzhen(path: str | Path) -> bool:
    """Return whether a path is the folder of the Shenzhen set, or the folder around it."""
    return SHENZHEN.root(Path(path)) is not None


def claims_montgomery(path: str | Path) -> bool:
    """Return whether a path is the folder of the Montgomery set, or the folder around it."""
    return MONTGOMERY.root(Path(path)) is not None


def load_shenzhen(source: str | None) -> Images:
    """List the images of the Shenzhen set: 336 with tuberculosis and 326 normal ones, one a patient.

    Args:
        source: the folder ``ChinaSet_AllFiles``, or the folder around it.

    Raises:
        ConfigError: the folder does not exist.
        DataError: it has no images of this set.
    """
    return _load(SHENZHEN, source)


def load_montgomery(source: str | None) -> Images:
    """List the images of the Montgomery set: 58 with tuberculosis and 80 normal ones, one a patient.

    Args:
        source: the folder ``MontgomerySet``, or the folder around it.

    Raises:
        ConfigError: the folder does not exist.
        DataError: it has no images of this set.
    """
    return _load(MONTGOMERY, source)


def _load(collection: _Collection, source: str | None) -> Images:
    folder = require_folder(source, collection.name, collection.layout)
    root = collection.root(folder)
    if root is None:
        raise DataError(f"{folder} has no images of this set: expected {collection.layout}")
    common = Collected(
        collection=collection.name,
        name=collection.name,
        class_names=CLASS_NAMES,
        read=FileReader(root=root, default=IMAGES),
        site=collection.site,
    )
    return images_of(common, _listed(collection, root), wanted_views("all"))


def _listed(collection: _Collection, root: Path) -> Iterator[Listed]:
    for name in list_images(root / IMAGES):
        if match := collection.matches(name):
            sex, age = _reading(root / READINGS / f"{Path(name).stem}.txt")
            yield Listed(name, match["patient"], 1 if match["label"] == "1" else 0, collection.view, age, sex)
        else:
            yield Listed(name, name, f"whose names are not like {collection.prefix}_0001_0.png")


def _reading(path: Path) -> tuple[str | None, str]:
    """Return sex and age at the beginning of a clinical reading; unknown if there is no such file, or it begins otherwise."""
    try:
        match = _READING.match(path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff \t\r\n"))
    except OSError:
        match = None
    return (sex_of(match["sex"]), match["age"] or "") if match else (None, "")
