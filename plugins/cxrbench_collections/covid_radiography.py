"""COVID-19 Radiography Database (Chowdhury et al., 2020): images of other collections, one class from each.

Its Normal are 8,851 images of RSNA's challenge and 1,341 of Kermany's children, its Lung_Opacity all 6,012 positives of RSNA's
challenge, and its Viral Pneumonia 1,345 of Kermany's children. So classes differ by hospital and by age.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError, Images
from cxrbench_collections.disk import FileReader, list_folders, list_images, require_folder
from cxrbench_collections.labels import LabelRule, Negatives, find_finding
from cxrbench_collections.listing import Collected, Listed, dataset_name, images_of
from cxrbench_collections.views import wanted_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "covid-radiography"
LAYOUT = (
    "the folder COVID-19_Radiography_Dataset with COVID/, Lung_Opacity/, Normal/ and Viral Pneumonia/, or the folder around it"
)
INSIDE = "COVID-19_Radiography_Dataset", "COVID-19_Radiography_Database"
FINDING, NORMAL = "COVID", "Normal"
CLASSES = (FINDING, "Lung_Opacity", NORMAL, "Viral Pneumonia")
IMAGES = "images"
NO_PATIENTS = (
    "this collection has no patient ids: every image counts as one patient, so images of one patient may be on both sides of a "
    "split, and 665 patients of RSNA's challenge have images in both Normal and Lung_Opacity"
)
OTHER_HOSPITALS = (
    "its classes are of other hospitals: Viral Pneumonia and 1,341 of Normal are children of Kermany's collection, the rest of "
    "Normal and Lung_Opacity are of RSNA's challenge. Scores say little beyond that, and Kermany's and RSNA's images are no "
    "external test set"
)


def claims_covid(path: str | Path) -> bool:
    """Return whether a path is a folder with COVID/ and another class of the collection, or the folder around it.

    A tree with a class that the collection does not have, such as PNEUMONIA, is another one.
    """
    root = _root(Path(path))
    return root is not None and len(list_folders(root)) == len(_classes(root))


def load_covid(source: str | None, *, finding: str = FINDING, negatives: Negatives = "no-finding") -> Images:
    """List the images of the database: in the folder images of each class or, in older releases, in the class folder. No masks.

    Args:
        source: the folder of the classes, or the folder around it.
        finding: the class of positive images, ``COVID``, ``Lung_Opacity`` or ``Viral Pneumonia``, in upper or lower case.
        negatives: ``no-finding`` takes the images of Normal alone; ``all`` takes those of the other classes, too.

    Raises:
        ConfigError: the folder does not exist, or there is no such class.
        DataError: the folder has no such classes or no images.
    """
    folder = require_folder(source, NAME, LAYOUT)
    root = _root(folder)
    if root is None:
        raise DataError(f"{folder} has no folder COVID and another class: expected {LAYOUT}")
    classes = _classes(root)
    found = find_finding(finding, [name for name in CLASSES if name in classes], NORMAL)
    rule = LabelRule(finding=found, negatives=negatives, normal=NORMAL)
    places = {name: f"{of_class}/{IMAGES}" if _has_images(root / of_class) else of_class for name, of_class in classes.items()}
    names = {name: list_images(root / place) for name, place in places.items()}
    common = Collected(
        collection=NAME,
        name=dataset_name(NAME, found, FINDING),
        class_names=rule.class_names,
        read=FileReader(root=root, folders={image: places[name] for name, images in names.items() for image in images}),
        warnings=(NO_PATIENTS, OTHER_HOSPITALS),
    )
    return images_of(common, _listed(names, rule), wanted_views("all"))


def _listed(names: Mapping[str, list[str]], rule: LabelRule) -> Iterator[Listed]:
    for of_class, images in names.items():
        answer = rule.answer(1 if of_class == rule.finding else 0, is_normal=of_class == NORMAL)
        reason = f"of class {of_class} (negatives=no-finding)" if isinstance(answer, str) else answer
        yield from (Listed(image, image, reason) for image in images)


def _root(folder: Path) -> Path | None:
    candidates = (folder, *(folder / name for name in INSIDE))
    return next((root for root in candidates if FINDING in (classes := _classes(root)) and len(classes) > 1), None)


def _classes(root: Path) -> dict[str, str]:
    """Return the class folders that a folder has: as the present release calls them, and as they are called there."""
    usual = {name.casefold(): name for name in CLASSES}
    return {usual[name.casefold()]: name for name in list_folders(root) if name.casefold() in usual}


def _has_images(folder: Path) -> bool:
    return IMAGES in list_folders(folder)
