"""PadChest (Bustos et al., Medical Image Analysis 2020): labels of reports, a quarter of them by physicians."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import DataError, Images
from cxrbench_collections.ages import age_between
from cxrbench_collections.disk import FileReader, list_folders, require_folder
from cxrbench_collections.labels import LabelRule, Negatives, find_finding
from cxrbench_collections.listing import Collected, Listed, dataset_name, images_of
from cxrbench_collections.sexes import sex_of
from cxrbench_collections.table import find_tables, read_rows
from cxrbench_collections.views import AP, LATERAL, OTHER, PA, wanted_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cxrbench_collections.labels import Answer

NAME = "padchest"
TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
LAYOUT = f"the folder of PadChest with {TABLE}[.gz] and the folders 0/ to 54/, or images/"
Method = Literal["all", "Physician"]
"""Whose labels are read: all, or those of physicians alone."""
FINDING, NORMAL = "pneumonia", "normal"
UNUSABLE = ("exclude", "suboptimal study", "unchanged")
"""Labels of images whose other labels say little."""
_COLUMNS = (
    *("ImageID", "ImageDir", "StudyDate_DICOM", "PatientID", "PatientBirth", "PatientSex_DICOM"),
    *("Projection", "MethodLabel", "Labels"),
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_PROJECTIONS = {"PA": PA, "AP": AP, "AP_horizontal": AP, "L": LATERAL, "COSTAL": OTHER}


def claims_padchest(path: str | Path) -> bool:
    """Return whether a path is a folder with the table of PadChest."""
    return bool(find_tables(Path(path), TABLE))


def load_padchest(
    source: str | None,
    *,
    finding: str = FINDING,
    negatives: Negatives = "no-finding",
    views: str = "frontal",
    method: Method = "all",
) -> Images:
    """List the images of PadChest. Files are not opened, and missing ones are listed, too; the decoder reports them.

    If some of the folders 0 to 54 are there and others are not, the images of these are left out and counted. Images labelled
    ``exclude``, ``suboptimal study`` or ``unchanged`` are left out, and so are those without labels.

    Args:
        source: the folder of the table.
        finding: the label of positive images, in upper or lower case, and this label alone. ``atypical pneumonia`` is not
            ``pneumonia``; images with such a label that ends in the finding are left out unless they also have the finding.
        negatives: ``no-finding`` takes the images whose one label is ``normal``; ``all`` takes every image without the finding,
            which its report does not mention.
        views: ``frontal``, ``PA``, ``AP`` (also of patients who lie), ``lateral`` or ``all``, joined with ``+``.
        method: ``Physician`` takes only images whose report a physician labelled.

    Raises:
        ConfigError: the folder does not exist, or an option is invalid.
        DataError: a table has no such column or cannot be read, or no image is left.
    """
    root, wanted = require_folder(source, NAME, LAYOUT), wanted_views(views)
    tables = find_tables(root, TABLE)
    if not tables:
        raise DataError(f"{root} has no {TABLE}: expected {LAYOUT}")
    rows = list(read_rows(tables[0], _COLUMNS))
    counts = Counter(row[-1] for row in rows)
    labels = {text: frozenset(_labels(text)) for text in counts}
    found = find_finding(finding, _by_count(counts, labels), NORMAL)
    rule = LabelRule(finding=found, negatives=negatives, normal=NORMAL)
    answers = {text: _answer(rule, of_image) for text, of_image in labels.items()}
    base, folders = _image_folders(root)
    common = Collected(
        collection=NAME,
        name=dataset_name(NAME, found, FINDING),
        class_names=rule.class_names,
        read=FileReader(root=base, folders={row[0]: row[1] for row in rows} if folders else {}),
        site="Hospital San Juan",
    )
    return images_of(common, _listed(rows, answers, folders, method), wanted)


def _listed(
    rows: Iterable[tuple[str, ...]], answers: Mapping[str, Answer], folders: set[str], method: Method
) -> Iterator[Listed]:
    for image, folder, study, patient, birth, sex, projection, labelled_by, labels in rows:
        is_chosen = method in {"all", labelled_by}
        yield Listed(
            image,
            patient,
            answers[labels] if is_chosen else "whose report no physician labelled (method=Physician)",
            _PROJECTIONS.get(projection),
            age_between(birth, study),
            sex_of(sex),
            absent=f"{folder}/" if folders and folder not in folders else "",
        )


def _labels(text: str) -> Iterator[str]:
    """Yield the labels of a list as Python writes it, such as ``['pneumonia', ' normal']``."""
    for one, other in _QUOTED.findall(text):
        if label := (one or other).strip().casefold():
            yield label


def _answer(rule: LabelRule, labels: frozenset[str]) -> Answer:
    if not labels:
        return "without labels"
    if unusable := [label for label in UNUSABLE if label in labels]:
        return f"labelled {unusable[0]}"
    if rule.finding not in labels and (kinds := sorted(label for label in labels if label.endswith(f" {rule.finding}"))):
        return f"labelled {kinds[0]}, which is not {rule.finding} by name"
    return rule.answer(1 if rule.finding in labels else None, is_normal=labels == {rule.normal})


def _by_count(counts: Mapping[str, int], labels: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the labels of a table, the most frequent first, without those of unusable images."""
    totals = Counter[str]()
    for text, count in counts.items():
        totals.update(dict.fromkeys(sorted(labels[text]), count))
    return [label for label, _ in totals.most_common() if label not in UNUSABLE]


def _image_folders(root: Path) -> tuple[Path, set[str]]:
    """Return the folder of the images, and the numbered folders in it; none if the images lie in it or are not there."""
    for base in (root, root / "images"):
        if numbered := {name for name in list_folders(base) if name.isdecimal()}:
            return base, numbered
    return (root / "images" if (root / "images").is_dir() else root), set()
