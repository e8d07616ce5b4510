"""VinDr-CXR (Nguyen et al., Scientific Data 2022): three readers of each training image, five for a test image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from cxrbench.plugin import CxrbenchError, DataError, Images
from cxrbench_collections.disk import FileReader, list_folders, require_folder
from cxrbench_collections.labels import LabelRule, Negatives, find_finding, value_of
from cxrbench_collections.listing import Collected, Listed, Split, dataset_name, images_of
from cxrbench_collections.table import find_tables, header_of, read_rows
from cxrbench_collections.views import PA, wanted_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench_collections.labels import Answer

NAME = "vindr-cxr"
TABLES: Mapping[str, Split] = {"image_labels_train.csv": "train", "image_labels_test.csv": "test"}
LAYOUT = "PhysioNet's folder of VinDr-CXR with annotations/image_labels_{train,test}.csv, train/ and test/"
Readers = Literal["majority", "any"]
"""How the readers of an image make one label."""
FINDING, NORMAL = "Pneumonia", "No finding"
OTHER_DISEASES = ("Other diseases", "Other disease")
"""The two tables spell this column differently."""
LABELS = (
    *("Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Clavicle fracture", "Consolidation", "Edema"),
    *("Emphysema", "Enlarged PA", "ILD", "Infiltration", "Lung Opacity", "Lung cavity", "Lung cyst", "Mediastinal shift"),
    *("Nodule/Mass", "Other lesion", "Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis"),
    *("Rib fracture", "COPD", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases", NORMAL),
)
NO_PATIENTS = (
    "VinDr-CXR has no patient ids: every image counts as one patient, so images of one patient may be on both sides of a split"
)
KAGGLE_TABLE = "train.csv"
KAGGLE = (
    "this is the train.csv of the VinBigData challenge on Kaggle, which has no pneumonia and none of the other diagnoses: get "
    "annotations/image_labels_train.csv and image_labels_test.csv from PhysioNet (physionet.org/content/vindr-cxr)"
)


class _Votes(NamedTuple):
    """What the readers of one image said: how many of them there are, and saw the finding, or called it normal."""

    readers: int
    finding: int
    normal: int


def claims_vindr(path: str | Path) -> bool:
    """Return whether a path is PhysioNet's folder of VinDr-CXR, or Kaggle's, which is refused with the reason."""
    folder = Path(path)
    return bool(_tables(folder)) or _is_of_kaggle(folder / "train.csv")


def load_vindr(
    source: str | None, *, finding: str = FINDING, negatives: Negatives = "no-finding", readers: Readers = "majority"
) -> Images:
    """List the images of VinDr-CXR. Files are not opened, and missing ones are listed, too; the decoder reports them.

    All images are PA, as the publisher says. Age and sex are only in the files, and not read. If only one of the folders train
    and test is there, the images of the other are left out and counted.

    Args:
        source: PhysioNet's folder.
        finding: the label of positive images, in upper or lower case.
        negatives: ``no-finding`` takes the images called No finding alone; ``all`` takes every image that is not positive.
        readers: ``majority`` takes what more than half of an image's readers say. With ``any``, one reader is enough for the
            finding, and an image is normal only if all readers say so.

    Raises:
        ConfigError: the folder does not exist, or an option is invalid.
        DataError: the tables are Kaggle's, one has no such column or cannot be read, or no image is left.
    """
    if source and _is_of_kaggle(Path(source)):
        raise DataError(f"{source}: {KAGGLE}")
    root = require_folder(source, NAME, LAYOUT)
    tables = _tables(root)
    if not tables:
        raise DataError(
            f"{root}: {KAGGLE}" if _is_of_kaggle(root / KAGGLE_TABLE) else f"{root} has no tables: expected {LAYOUT}"
        )
    rule = LabelRule(finding=find_finding(finding, sorted(LABELS), NORMAL), negatives=negatives, normal=NORMAL)
    common = Collected(
        collection=NAME,
        name=dataset_name(NAME, rule.finding, FINDING),
        class_names=rule.class_names,
        read=FileReader(root=root),
        warnings=(*(f"{name} is not there: only the other part is read" for name in TABLES if name not in tables), NO_PATIENTS),
    )
    parts = set(list_folders(root)) & set(TABLES.values())
    return images_of(common, _listed(tables, rule, readers, parts), wanted_views(PA))


def _listed(tables: Mapping[str, Path], rule: LabelRule, readers: Readers, parts: set[str]) -> Iterator[Listed]:
    for name, path in tables.items():
        part = TABLES[name]
        for image, votes in _votes(path, rule.finding).items():
            key = f"{part}/{image}.dicom"
            absent = f"{part}/" if parts and part not in parts else ""
            yield Listed(key, key, _answer(rule, votes, readers), PA, split=part, absent=absent)


def _answer(rule: LabelRule, votes: _Votes, readers: Readers) -> Answer:
    if readers == "any":
        has_finding, is_normal = votes.finding > 0, votes.normal == votes.readers
    else:
        has_finding, is_normal = 2 * votes.finding > votes.readers, 2 * votes.normal > votes.readers
    return rule.answer(1 if has_finding else 0, is_normal=is_normal)


def _votes(table: Path, finding: str) -> dict[str, _Votes]:
    """Return what the readers said of each image; an empty cell is a no."""
    columns = [OTHER_DISEASES if name in OTHER_DISEASES else name for name in LABELS]
    places = 1 + LABELS.index(finding), 1 + LABELS.index(NORMAL)
    votes: dict[str, _Votes] = {}
    for row in read_rows(table, ("image_id", *columns)):
        has_finding, is_normal = (value_of(row[place], table.name) == 1 for place in places)
        before = votes.get(row[0], _Votes(0, 0, 0))
        votes[row[0]] = _Votes(before.readers + 1, before.finding + has_finding, before.normal + is_normal)
    return votes


def _tables(root: Path) -> dict[str, Path]:
    """Return the tables in a folder or in its annotations, by name."""
    places = (root / "annotations", root)
    return {name: path for name in TABLES for path in [table for place in places for table in find_tables(place, name)][:1]}


def _is_of_kaggle(path: Path) -> bool:
    try:
        return path.name == KAGGLE_TABLE and path.is_file() and {"image_id", "class_name", "class_id"} <= set(header_of(path))
    except CxrbenchError:
        return False
