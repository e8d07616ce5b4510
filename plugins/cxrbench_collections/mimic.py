"""MIMIC-CXR-JPG (Johnson et al., 2019): labels mined from reports, one for each study and all its images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError, Images
from cxrbench_collections.disk import FileReader, list_folders, require_folder
from cxrbench_collections.findings_table import NORMAL, answers_of, rule_of
from cxrbench_collections.labels import Negatives, UncertainRule  # noqa: TC001  # the harness reads the annotations
from cxrbench_collections.listing import Collected, Listed, Split, dataset_name, images_of
from cxrbench_collections.table import find_tables, read_rows, require_table
from cxrbench_collections.views import AP, LATERAL, OTHER, PA, wanted_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench_collections.labels import Answer, LabelRule

NAME = "mimic-cxr-jpg"
LAYOUT = "the folder of MIMIC-CXR-JPG with mimic-cxr-2.0.0-{chexpert,metadata,split}.csv.gz and files/"
LABELS_TABLE, IMAGES_TABLE, SPLIT_TABLE = (f"mimic-cxr-2.0.0-{what}.csv" for what in ("chexpert", "metadata", "split"))
FINDING = "Pneumonia"
NO_LABELS = "of studies without labels"
_SPLITS: Mapping[str, Split] = {"train": "train", "validate": "val", "test": "test"}
_POSITIONS = {"PA": PA, "AP": AP, "LATERAL": LATERAL, "LL": LATERAL}
_CODES = {"postero-anterior": PA, "antero-posterior": AP, "lateral": LATERAL, "left lateral": LATERAL}


def claims_mimic(path: str | Path) -> bool:
    """Return whether a path is a folder with the table of labels of MIMIC-CXR-JPG."""
    return bool(find_tables(Path(path), LABELS_TABLE))


def load_mimic(
    source: str | None,
    *,
    finding: str = FINDING,
    label: UncertainRule = "positive-only",
    negatives: Negatives = "no-finding",
    views: str = "frontal",
) -> Images:
    """List the images of MIMIC-CXR-JPG. Files are not opened, and missing ones are listed, too; the decoder reports them.

    If some of the folders files/p10 to files/p19 are there and others are not, the images of these are left out and counted.

    Args:
        source: the folder of the tables.
        finding: the label of positive images, in upper or lower case. Labels are of studies: a lateral image inherits them.
        label: what images are where the finding is uncertain (-1), whatever `negatives` is: left out, positive, or negative.
        negatives: ``no-finding`` takes the images where No Finding is 1 alone; ``all`` takes every image where the finding is 0
            or blank. Blank means that the report does not mention it, not that a radiologist excluded it.
        views: ``frontal``, ``PA``, ``AP``, ``lateral`` or ``all``, joined with ``+``. Where ViewPosition is empty,
            ViewCodeSequence_CodeMeaning tells.

    Raises:
        ConfigError: the folder does not exist, or an option is invalid.
        DataError: a table or one of its columns is missing, a table cannot be read, or no image is left.
    """
    root, wanted = require_folder(source, NAME, LAYOUT), wanted_views(views)
    rule = rule_of(finding, label, negatives)
    common = Collected(
        collection=NAME,
        name=dataset_name(NAME, rule.finding, FINDING),
        class_names=rule.class_names,
        read=FileReader(root=root / "files"),
        site="Beth Israel Deaconess Medical Center",
    )
    return images_of(common, _listed(root, _labels(root, rule), _splits(root), set(list_folders(root / "files"))), wanted)


def _listed(root: Path, labels: Mapping[str, Answer], splits: Mapping[str, Split], folders: set[str]) -> Iterator[Listed]:
    columns = ("dicom_id", "subject_id", "study_id", "ViewPosition", "ViewCodeSequence_CodeMeaning")
    for image, patient, study, position, code in read_rows(require_table(root, IMAGES_TABLE), columns):
        folder = f"p{patient[:2]}"
        yield Listed(
            f"{folder}/p{patient}/s{study}/{image}.jpg",
            patient,
            labels.get(study, NO_LABELS),
            _POSITIONS.get(position) or _view(position, code),
            split=splits.get(image),
            absent=f"files/{folder}/" if folders and folder not in folders else "",
        )


def _view(position: str, code: str) -> str | None:
    """Return the view of an image whose position is none of the usual ones."""
    if position.strip():
        return _POSITIONS.get(position.strip().upper(), OTHER)
    return _CODES.get(code.strip().casefold(), OTHER) if code.strip() else None


def _labels(root: Path, rule: LabelRule) -> dict[str, Answer]:
    """Return the answer for each study."""
    answer_of = answers_of(rule, NAME)
    rows = read_rows(require_table(root, LABELS_TABLE), ("subject_id", "study_id", rule.finding, NORMAL))
    return {study: answer_of(finding, normal) for _, study, finding, normal in rows}


def _splits(root: Path) -> dict[str, Split]:
    """Return the part of each image by the published split."""
    table = require_table(root, SPLIT_TABLE)
    rows = read_rows(table, ("dicom_id", "split"))
    try:
        return {image: _SPLITS[split] for image, split in rows}
    except KeyError as error:
        raise DataError(f"{table}: split {error} is not valid: expected train, validate or test") from None
