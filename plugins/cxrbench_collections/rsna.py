"""RSNA Pneumonia Detection Challenge 2018 (Shih et al., 2019): images of ChestX-ray14, read again by radiologists.

The ids of its tables are of images, not of patients: 26,684 images are of about 11,400 patients, and in a random split by id
some 70 % of the test images are of patients who are also in training. RSNA's own mapping leads to the patients.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import ClassNames, ConfigError, DataError, Images
from cxrbench_collections.disk import FileReader, require_folder
from cxrbench_collections.listing import Collected, Listed, how_many, images_of
from cxrbench_collections.table import find_tables, read_rows, require_table
from cxrbench_collections.views import wanted_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench_collections.labels import Answer

NAME = "rsna"
TARGETS_TABLE, CLASSES_TABLE = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
IMAGES = "stage_2_train_images"
LAYOUT = f"the folder of the challenge with {TARGETS_TABLE}, {CLASSES_TABLE} and {IMAGES}/"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
MAPPING_URL = f"https://s3.amazonaws.com/east1.public.rsna.org/AI/2018/{MAPPING}"
OPACITY, NORMAL, OTHER = "Lung Opacity", "Normal", "No Lung Opacity / Not Normal"
Negatives = Literal["normal", "all"]
"""The negative images: those that radiologists called normal, or all without an opacity."""


def claims_rsna(path: str | Path) -> bool:
    """Return whether a path is a folder with the table of targets of the challenge."""
    return bool(find_tables(Path(path), TARGETS_TABLE))


def load_rsna(source: str | None, *, negatives: Negatives = "normal", mapping: str = "") -> Images:
    """List the training images of the challenge. Files are not opened, and missing ones are listed: the decoder reports them.

    Positive images have an opacity that may be pneumonia. All are frontal. Age, sex and view are only in the files, and not
    read. The challenge's own test images have no public labels.

    Args:
        source: the folder of the tables.
        negatives: ``normal`` takes the images of class Normal alone; ``all`` takes those of class No Lung Opacity / Not
            Normal, too.
        mapping: RSNA's mapping to ChestX-ray14, a JSON file, which gives the patients. Without this option it is looked for in
            the folder of the tables. Without the file, every image counts as one patient, and the dataset declares a leak.

    Raises:
        ConfigError: the folder or the mapping does not exist.
        DataError: a table or one of its columns is missing, a file cannot be read, the tables contradict each other, or the
            mapping lacks an image.
    """
    root = require_folder(source, NAME, LAYOUT)
    targets = _targets(root)
    classes = _classes(root) if negatives == "normal" else {}
    patients = _patients(root, mapping)
    if lacking := [image for image in targets if image not in patients] if patients else []:
        raise DataError(
            f"the mapping lacks {how_many(len(lacking))} of {len(targets):,}, such as {lacking[0]}: use the file {MAPPING_URL}"
        )
    common = Collected(
        collection=NAME,
        name=NAME,
        class_names=ClassNames(negative=NORMAL if negatives == "normal" else f"no {OPACITY}", positive=OPACITY),
        read=FileReader(root=root, default=IMAGES),
        site="NIH Clinical Center",
        leaks=() if patients else (_leak(len(targets)),),
    )
    return images_of(common, _listed(targets, classes, patients, negatives), wanted_views("all"))


def _listed(
    targets: Mapping[str, str], classes: Mapping[str, str], patients: Mapping[str, str], negatives: Negatives
) -> Iterator[Listed]:
    for image, target in targets.items():
        answer = 1 if target == "1" else 0 if negatives == "all" else _answer_of_class(image, classes.get(image, ""))
        yield Listed(f"{image}.dcm", patients.get(image, image), answer)


def _answer_of_class(image: str, found: str) -> Answer:
    """Return the label of an image without an opacity by its class."""
    if found == NORMAL:
        return 0
    if found == OTHER:
        return f"of class {OTHER} (negatives=normal)"
    raise DataError(f"{image} has target 0 in {TARGETS_TABLE} and class {found!r} in {CLASSES_TABLE}: use the published tables")


def _targets(root: Path) -> dict[str, str]:
    """Return the target of each image, which has a line for each of its opacities."""
    table = require_table(root, TARGETS_TABLE)
    targets: dict[str, str] = {}
    for image, target in read_rows(table, ("patientId", "Target")):
        if target not in {"0", "1"} or targets.setdefault(image, target) != target:
            raise DataError(f"{table}: {image} has target {target!r}; expected 0 or 1, the same in all its lines")
    return targets


def _classes(root: Path) -> dict[str, str]:
    rows = read_rows(require_table(root, CLASSES_TABLE), ("patientId", "class"))
    return {image: found for image, found in rows}  # tuples of any length for mypy


def _patients(root: Path, mapping: str) -> dict[str, str]:
    """Return the patient of each image, as in ChestX-ray14; empty if there is no mapping."""
    path = Path(mapping).expanduser() if mapping else root / MAPPING
    if not path.is_file():
        if mapping:
            raise ConfigError(f"{NAME}:mapping={mapping} is not a file: download {MAPPING_URL} and give its path")
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {entry["subset_img_id"]: _patient(entry["img_id"]) for entry in entries}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path} is not RSNA's mapping, a list of objects with subset_img_id and img_id ({error!r}): use {MAPPING_URL}"
        ) from error


def _patient(file_name: str) -> str:
    """Return the patient of a file of ChestX-ray14, such as ``12`` for ``00000012_003.png``."""
    return file_name.partition("_")[0].lstrip("0")


def _leak(count: int) -> str:
    return (
        f"the ids of {how_many(count)} are of images, not of patients: in a random split, some 70 % of the test images are of "
        f"patients who are also in training. Download {MAPPING_URL} and put it beside the tables, or set mapping=FILE"
    )
