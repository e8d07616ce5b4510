"""CheXpert (Irvin et al., AAAI 2019): labels mined from reports, each of them positive, negative, uncertain or not mentioned.

Each image has the labels of its own study alone: no gap is filled with a label of the patient's other studies.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import CxrbenchError, DataError, Images
from cxrbench_collections.disk import FileReader, list_folders, require_folder
from cxrbench_collections.findings_table import LABELS, NORMAL, answers_of, rule_of
from cxrbench_collections.labels import Negatives, UncertainRule  # noqa: TC001  # the harness reads the annotations
from cxrbench_collections.listing import Collected, Listed, Split, dataset_name, images_of
from cxrbench_collections.sexes import sex_of
from cxrbench_collections.table import find_tables, header_of, read_rows
from cxrbench_collections.views import AP, FRONTAL, LATERAL, PA, wanted_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cxrbench_collections.labels import Answer

NAME = "chexpert"
LAYOUT = "the folder of CheXpert with train.csv, valid.csv, train/ and valid/, or the folder around it"
INSIDE = "CheXpert-v1.0-small", "CheXpert-v1.0"
"""Names of the folder in its archives; paths in the tables begin with them."""
TABLES: Mapping[str, Split] = {"train.csv": "train", "valid.csv": "val"}
FINDING = "Pneumonia"
_DETAILS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")


def claims_chexpert(path: str | Path) -> bool:
    """Return whether a path is a folder with a table of CheXpert, or the folder around it."""
    return bool(_tables(_root(Path(path))))


def load_chexpert(
    source: str | None,
    *,
    finding: str = FINDING,
    label: UncertainRule = "positive-only",
    negatives: Negatives = "no-finding",
    views: str = "frontal",
) -> Images:
    """List the images of CheXpert. Files are not opened, and missing ones are listed, too; the decoder reports them.

    If only one of the folders train and valid is there, the images of the other are left out and counted.

    Args:
        source: the folder of the tables, or the folder around it.
        finding: the label of positive images, in upper or lower case.
        label: what images are where the finding is uncertain (-1), whatever `negatives` is: left out, positive, or negative.
        negatives: ``no-finding`` takes the images where No Finding is 1 alone; ``all`` takes every image where the finding is 0
            or blank. Blank means that the report does not mention it, not that a radiologist excluded it.
        views: ``frontal``, ``PA``, ``AP``, ``lateral`` or ``all``, joined with ``+``.

    Raises:
        ConfigError: the folder does not exist, or an option is invalid.
        DataError: a table has no such column or cannot be read, or no image is left.
    """
    folder, wanted = require_folder(source, NAME, LAYOUT), wanted_views(views)
    root, rule = _root(folder), rule_of(finding, label, negatives)
    tables = _tables(root)
    if not tables:
        raise DataError(f"{folder} has no train.csv or valid.csv that begins with the column Path: expected {LAYOUT}")
    common = Collected(
        collection=NAME,
        name=dataset_name(NAME, rule.finding, FINDING),
        class_names=rule.class_names,
        read=FileReader(root=root),
        site="Stanford Hospital",
        warnings=tuple(f"{name} is not there: only the other part is read" for name in TABLES if name not in tables),
    )
    parts = set(list_folders(root)) & {"train", "valid"}
    columns = (*_DETAILS, rule.finding, NORMAL)
    rows = ((TABLES[name], row) for name, path in tables.items() for row in read_rows(path, columns))
    return images_of(common, _listed(rows, answers_of(rule, NAME), parts), wanted)


def _listed(
    rows: Iterator[tuple[Split, tuple[str, ...]]], answer_of: Callable[[str, str], Answer], parts: set[str]
) -> Iterator[Listed]:
    for split, (path, sex, age, side, direction, finding, normal) in rows:
        part, patient, study, file = _places(path)
        yield Listed(
            f"{part}/{patient}/{study}/{file}",
            patient,
            answer_of(finding, normal),
            _view(side, direction),
            "" if age in {"0", "0.0"} else age,  # unknown, as the publisher says; 90 stands for 90 and more
            sex_of(sex),
            split,
            f"{part}/" if parts and part not in parts else "",
        )


def _places(path: str) -> list[str]:
    """Return part, patient, study and file name of a path: ``CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg``."""
    places = path.split("/")[-4:]
    if len(places) < 4 or not places[1].startswith("patient"):
        raise DataError(
            f"the path {path!r} does not end like train/patient00001/study1/view1_frontal.jpg: use the published table"
        )
    return places


def _view(side: str, direction: str) -> str | None:
    """Return the view; a few frontal images have LL or RL as their direction, which is then unknown."""
    if side == "Lateral":
        return LATERAL
    if side != "Frontal":
        return None
    return direction if direction in {AP, PA} else FRONTAL


def _root(folder: Path) -> Path:
    return next((root for root in (folder, *(folder / name for name in INSIDE)) if _tables(root)), folder)


def _tables(root: Path) -> dict[str, Path]:
    """Return the tables of CheXpert in a folder, by name; other collections call theirs train.csv, too."""
    found = {name: path for name in TABLES for path in find_tables(root, name)[:1]}
    return {name: path for name, path in found.items() if _is_of_chexpert(path)}


def _is_of_chexpert(path: Path) -> bool:
    try:
        header = header_of(path)
    except CxrbenchError:
        return False
    return len(set(header) & {*_DETAILS, *LABELS}) > len(LABELS) // 2
