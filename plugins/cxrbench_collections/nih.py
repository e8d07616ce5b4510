"""NIH ChestX-ray14 (Wang et al., CVPR 2017): labels mined from reports, so a label is what a program read in a report.

Of 802 images that it calls Pneumonia and that radiologists read again for RSNA's challenge, they called 364 so.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError, Images
from cxrbench_collections.disk import FileReader, list_folders, list_images, require_folder
from cxrbench_collections.labels import LabelRule, Negatives, find_finding
from cxrbench_collections.listing import Collected, Listed, Split, dataset_name, how_many, images_of
from cxrbench_collections.sexes import sex_of
from cxrbench_collections.table import find_tables, read_rows, read_words
from cxrbench_collections.views import wanted_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench_collections.labels import Answer

NAME = "nih"
LAYOUT = (
    "the folder of ChestX-ray14 with Data_Entry_2017_v2020.csv or Data_Entry_2017.csv, images_001/ to images_012/ or images/"
)
TABLES = "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"
"""The newer one first: it has corrected ages."""
LISTS: Mapping[str, Split] = {"train_val_list.txt": "train", "test_list.txt": "test"}
FINDING, NORMAL = "Pneumonia", "No Finding"
ARCHIVES = 12
_COLUMNS = (
    *("Image Index", "Finding Labels", "Patient ID", "Patient Age"),
    *(("Patient Gender", "Patient Sex"), "View Position"),
)
_ARCHIVE = re.compile(r"images_\d{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Disk:
    """The image files that are there.

    Attributes:
        folders: the folder of each image, relative to the root.
        absent: the folder of an image that is not in `folders`, or an empty string if all folders are there.
    """

    folders: Mapping[str, str]
    absent: str
    warnings: tuple[str, ...] = ()


def claims_nih(path: str | Path) -> bool:
    """Return whether a path is a folder with the table of ChestX-ray14."""
    return bool(find_tables(Path(path), *TABLES))


def load_nih(
    source: str | None, *, finding: str = FINDING, negatives: Negatives = "no-finding", views: str = "frontal"
) -> Images:
    """List the images of ChestX-ray14. Files are not opened, and missing ones are listed, too; the decoder reports them.

    If some of the twelve image folders are there and others are not, the images that are in none are left out and counted.

    Args:
        source: the folder of the table.
        finding: the label of positive images, as the table writes it, in upper or lower case.
        negatives: ``no-finding`` takes the images labelled No Finding alone; ``all`` takes every image without the finding. The
            table does not tell what a report excludes from what it does not mention.
        views: ``frontal``, ``PA``, ``AP``, ``lateral`` or ``all``, joined with ``+``.

    Raises:
        ConfigError: the folder does not exist, or an option is invalid.
        DataError: a table has no such column or cannot be read, or no image is left.
    """
    root, wanted = require_folder(source, NAME, LAYOUT), wanted_views(views)
    tables = find_tables(root, *TABLES)
    if not tables:
        raise DataError(f"{root} has neither {' nor '.join(TABLES)}: expected {LAYOUT}")
    rows = list(read_rows(tables[0], _COLUMNS))
    labels = {text: tuple(map(str.strip, text.split("|"))) for text in {row[1] for row in rows}}
    rule = LabelRule(finding=find_finding(finding, _by_count(rows, labels), NORMAL), negatives=negatives, normal=NORMAL)
    answers = {
        text: rule.answer(1 if rule.finding in found else None, is_normal=NORMAL in found) for text, found in labels.items()
    }
    disk, (splits, of_split) = _find_images(root), _official_split(root)
    common = Collected(
        collection=NAME,
        name=dataset_name(NAME, rule.finding, FINDING),
        class_names=rule.class_names,
        read=FileReader(root=root, default="images", folders=disk.folders),
        site="NIH Clinical Center",
        warnings=(*_unused(tables), *disk.warnings, *of_split, *_in_no_list(splits, rows)),
    )
    return images_of(common, _listed(rows, answers, splits, disk), wanted)


def _listed(
    rows: list[tuple[str, ...]], answers: Mapping[str, Answer], splits: Mapping[str, Split], disk: _Disk
) -> Iterator[Listed]:
    known, folders, absent = {"PA": "PA", "AP": "AP"}, disk.folders, disk.absent
    for image, labels, patient, age, sex, view in rows:
        yield Listed(
            image,
            patient.lstrip("0") or patient,
            answers[labels],
            known.get(view),
            age,
            sex_of(sex),
            splits.get(image),
            absent if absent and image not in folders else "",
        )


def _by_count(rows: list[tuple[str, ...]], labels: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the labels of a table, the most frequent first."""
    counts = Counter(row[1] for row in rows)
    totals = Counter[str]()
    for text, count in counts.items():
        totals.update(dict.fromkeys(labels[text], count))
    return [label for label, _ in totals.most_common()]


def _unused(tables: list[Path]) -> Iterator[str]:
    if len(tables) > 1:
        yield f"read {tables[0].name}, and not {', '.join(path.name for path in tables[1:])}, which is also there"


def _official_split(root: Path) -> tuple[Mapping[str, Split], tuple[str, ...]]:
    """Return the part of each image by the two published lists, or a warning that they are not there."""
    if missing := [name for name in LISTS if not (root / name).is_file()]:
        return {}, (f"no official split without {' and '.join(missing)}",)
    lists = ((name, read_words(root / name)) for name in LISTS)
    return dict(chain.from_iterable(((image, LISTS[name]) for image in images) for name, images in lists)), ()


def _in_no_list(splits: Mapping[str, Split], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if count := sum(row[0] not in splits for row in rows) if splits else 0:
        yield f"{how_many(count)} in neither train_val_list.txt nor test_list.txt: they count as training images"


def _find_images(root: Path) -> _Disk:
    """List the images in ``images_001/images/`` and so on, as on Kaggle, in ``images/`` and beside the table."""
    archives = [name for name in list_folders(root) if _ARCHIVE.fullmatch(name)]
    places = [*(f"{name}/images" for name in archives), *archives, "images", ""]
    folders: dict[str, str] = {}
    repeated = Counter[str]()
    for place in places:
        for name in list_images(root / place):
            if folders.setdefault(name, place) != place:
                repeated[place] += 1
    warnings = [f"{how_many(count)} in {place or '.'}/ and another folder, which is read" for place, count in repeated.items()]
    if not folders:
        warnings.append(f"no image files in {root.name}: expected images_001/images/ to images_012/images/, or images/")
    elif len(archives) < ARCHIVES:
        there = ", ".join(f"{place or '.'}/" for place in dict.fromkeys(folders.values()))
        return _Disk(folders=folders, absent=f"outside {there}", warnings=tuple(warnings))
    return _Disk(folders=folders, absent="", warnings=tuple(warnings))
