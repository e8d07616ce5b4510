"""Write tables of public collections at full size, with the published numbers of rows, patients, labels and views.

What is not published (which label goes with which patient) is drawn. There are no images.
"""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FOURTEEN = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture", "Lung Lesion"),
    *("Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices"),
)


def write_nih(folder: Path) -> None:
    """Write the table and the two lists of ChestX-ray14: 1,431 of 112,120 images have Pneumonia, 322 of them alone."""
    rows, generator = 112_120, np.random.default_rng(0)
    counts = {"Pneumonia": 322, "Infiltration|Pneumonia": 1_109, "No Finding": 60_361, "Infiltration": 18_785}
    labels = _drawn({**counts, "Consolidation": 4_667}, rows, "Atelectasis|Effusion", generator)
    views = _views_of_nih(labels, generator)
    patients = _patients(rows, 30_805, generator)
    names = [f"{patient:08d}_{number:03d}.png" for patient, number in zip(patients, _numbers(patients), strict=True)]
    ages, sexes = generator.integers(1, 96, rows), _drawn({"M": 63_340}, rows, "F", generator)
    header = (
        *("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position"),
        *("OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]"),
    )
    size = ([2048] * rows, [2500] * rows, [0.171] * rows, [0.171] * rows)
    columns = (names, labels, _numbers(patients), patients, ages, sexes, views, *size)
    _write(folder / "Data_Entry_2017_v2020.csv", header, zip(*columns, strict=True))
    (folder / "train_val_list.txt").write_text("\n".join(names[:86_524]))
    (folder / "test_list.txt").write_text("\n".join(names[86_524:]))


def write_chexpert(folder: Path) -> None:
    """Write train.csv of CheXpert: in 223,414 rows, Pneumonia is 6,039 times positive and 18,770 times uncertain."""
    rows, generator = 223_414, np.random.default_rng(0)
    pneumonia = _drawn({"1.0": 6_039, "-1.0": 18_770, "0.0": 2_799}, rows, "", generator)
    normal = np.full(rows, "", dtype=object)
    normal[generator.choice(np.flatnonzero(pneumonia == ""), 22_381, replace=False)] = "1.0"
    views = _drawn(
        {"Frontal,AP": 161_590, "Frontal,PA": 29_420, "Frontal,LL": 16, "Frontal,RL": 1}, rows, "Lateral,", generator
    )
    ages = _drawn({"0": 3, "90": 7_579}, rows, "61", generator)
    patients = _patients(rows, 64_540, generator)
    numbers = _numbers(patients)
    folders = (f"CheXpert-v1.0-small/train/patient{patient:05d}" for patient in patients)
    studies = (f"{folder}/study{number // 2 + 1}" for folder, number in zip(folders, numbers, strict=True))
    names = ("No Finding", *(name for name in FOURTEEN if name != "No Finding"))
    lines = (
        [
            f"{study}/view{number % 2 + 1}_{view.partition(',')[0].lower()}.jpg",
            *("Unknown" if row == 7 else "Female", age, *view.split(",")),
            *(has if name == "Pneumonia" else is_normal if name == "No Finding" else "" for name in names),
        ]
        for row, (study, number, age, view, has, is_normal) in enumerate(
            zip(studies, numbers, ages, views, pneumonia, normal, strict=True)
        )
    )
    _write(folder / "train.csv", ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *names), lines)


def write_mimic(folder: Path) -> None:
    """Write the three tables of MIMIC-CXR-JPG: 377,110 images of 227,827 studies, of which 2,991 validate and 5,159 test."""
    rows, studies, generator = 377_110, 227_827, np.random.default_rng(0)
    of_study = np.sort(np.concatenate([np.arange(studies), generator.integers(0, studies, rows - studies)]))
    subjects = 10_000_032 + 37 * (np.arange(studies) // 4)
    images = [f"{row:08x}-{row * 7919 % 2**32:08x}-9dc0a8f2-16cc8ad3-a38f6c71" for row in range(rows)]
    values = _drawn({"1.0": 16_556, "-1.0": 18_291, "0.0": 24_338}, studies, "", generator)
    normal = np.where(values == "", _drawn({"1.0": 75_455}, studies, "", generator), "")
    labels = (
        (
            subject,
            50_000_001 + study,
            *(has if name == "Pneumonia" else no if name == "No Finding" else "" for name in FOURTEEN),
        )
        for study, (subject, has, no) in enumerate(zip(subjects, values, normal, strict=True))
    )
    _write(folder / "mimic-cxr-2.0.0-chexpert.csv.gz", ("subject_id", "study_id", *FOURTEEN), labels)
    views = _drawn({"AP": 147_173, "PA": 96_161, "LATERAL": 82_853, "LL": 35_133}, rows, "", generator)
    metadata = (
        (
            image,
            subjects[study],
            50_000_001 + study,
            "CHEST",
            view,
            2544,
            3056,
            21_800_506,
            213_014.5,
            "CHEST (PA AND LAT)",
            "lateral",
            "Erect",
        )
        for image, study, view in zip(images, of_study, views, strict=True)
    )
    header = (
        *("dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns"),
        *("StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning"),
        "PatientOrientationCodeSequence_CodeMeaning",
    )
    _write(folder / "mimic-cxr-2.0.0-metadata.csv.gz", header, metadata)
    parts = _drawn({"validate": 2_991, "test": 5_159}, rows, "train", generator)
    split = zip(images, (50_000_001 + of_study).tolist(), subjects[of_study].tolist(), parts, strict=True)
    _write(folder / "mimic-cxr-2.0.0-split.csv.gz", ("dicom_id", "study_id", "subject_id", "split"), split)


def write_padchest(folder: Path) -> None:
    """Write the table of PadChest: 160,861 images of 67,625 patients, with some 29,000 different lists of labels."""
    rows, generator = 160_861, np.random.default_rng(0)
    several = [f"finding {number}" for number in range(170)]
    lists = [str(sorted(generator.choice(several, 3, replace=False).tolist())) for _ in range(28_800)]
    labels = _drawn({"['normal']": 50_340, "['pneumonia']": 7_953, "['unchanged']": 14_207}, rows, "", generator)
    labels = np.where(labels == "", np.array(lists, dtype=object)[generator.integers(0, len(lists), rows)], labels)
    views = _drawn(
        {"PA": 91_728, "AP_horizontal": 14_346, "L": 49_579, "AP": 4_559, "COSTAL": 630, "EXCLUDE": 11}, rows, "UNK", generator
    )
    header = (
        *("", "ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth", "PatientSex_DICOM"),
        *("Projection", "MethodLabel", "Report", "Labels"),
    )
    lines = (
        (
            *(row, f"{row * 7919:017d}_{row:06d}.png", row % 55, 20_100_228, row // 2, f"p{row % 67_625}", 1930 + row % 70),
            *("MF"[row % 2], view, "Physician" if row % 100 < 27 else "RNN_model", "sin hallazgos , patologicos " * 4, text),
        )
        for row, (view, text) in enumerate(zip(views, labels, strict=True))
    )
    _write(folder / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", header, lines)


def write_rsna(folder: Path) -> None:
    """Write the tables of RSNA's challenge and its mapping: 26,684 images in 30,227 lines, 6,012 of them positive."""
    images = [f"{row:08x}-9b2e-4d1f-8c77-{row:012x}" for row in range(26_684)]
    kinds = ["Lung Opacity"] * 6_012 + ["Normal"] * 8_851 + ["No Lung Opacity / Not Normal"] * 11_821
    again = images[: 30_227 - 26_684]  # a second opacity
    positives = [(image, 264.0, 152.0, 213.0, 379.0, 1) for image in (*images[:6_012], *again)]
    targets = [*positives, *((image, "", "", "", "", 0) for image in images[6_012:])]
    _write(folder / "stage_2_train_labels.csv", ("patientId", "x", "y", "width", "height", "Target"), targets)
    classes = [*zip(images, kinds, strict=True), *((image, "Lung Opacity") for image in again)]
    _write(folder / "stage_2_detailed_class_info.csv", ("patientId", "class"), classes)
    patients = [f"{row * 7919 % 11_410 + 1:08d}_{row:03d}.png" for row in range(len(images))]
    entries = [{"subset_img_id": image, "img_id": name} for image, name in zip(images, patients, strict=True)]
    (folder / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(entries))


TABLES: Mapping[str, Callable[[Path], None]] = {
    "nih": write_nih,
    "chexpert": write_chexpert,
    "mimic-cxr-jpg": write_mimic,
    "padchest": write_padchest,
    "rsna": write_rsna,
}
"""By dataset, the function that writes its tables into a folder."""


def _drawn(counts: Mapping[str, int], rows: int, rest: str, generator: np.random.Generator) -> NDArray[Any]:
    """Return so many of each text, and the rest, in random order; object ``[rows]``."""
    texts = np.full(rows, rest, dtype=object)
    start = 0
    for text, count in counts.items():
        texts[start : start + count] = text
        start += count
    return generator.permutation(texts)


def _views_of_nih(labels: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
    """Return views with 44,810 AP, 801 of them with Pneumonia."""
    views = np.full(len(labels), "PA", dtype=object)
    has_pneumonia = np.array(["Pneumonia" in text for text in labels])
    for rows, count in ((np.flatnonzero(has_pneumonia), 801), (np.flatnonzero(~has_pneumonia), 44_810 - 801)):
        views[generator.choice(rows, count, replace=False)] = "AP"
    return views


def _patients(rows: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of a patient for each row, ascending, each patient at least once; int ``[rows]``."""
    return np.sort(np.concatenate([np.arange(count), generator.integers(0, count, rows - count)])) + 1


def _numbers(patients: NDArray[np.int64]) -> list[int]:
    """Return the number of each row among those of its patient, from 0."""
    first = np.searchsorted(patients, patients)
    numbers: list[int] = (np.arange(len(patients)) - first).tolist()
    return numbers


def _write(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    with gzip.open(path, "wt", compresslevel=1, newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(lines)
