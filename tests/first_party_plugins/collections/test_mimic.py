"""MIMIC-CXR-JPG, with made-up ids and values."""

from __future__ import annotations

import gzip

import pytest

from cxrbench.plugin import DataError

LABELS = (
    "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
    "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
IMAGES = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
SPLIT = "dicom_id,study_id,subject_id,split"
STUDIES = {
    "50000001": ("", "1.0"),
    "50000002": ("1.0", ""),
    "50000003": ("", "-1.0"),
    "50000004": ("", "0.0"),
    "50000005": ("", ""),
}
"""No Finding and Pneumonia of each study."""
FILES = (
    ("d01", "10000032", "50000001", "PA", "postero-anterior", "train"),
    ("d02", "10000032", "50000001", "LATERAL", "lateral", "train"),
    ("d03", "10000032", "50000002", "AP", "antero-posterior", "train"),
    ("d04", "11000011", "50000003", "", "antero-posterior", "validate"),
    ("d05", "11000011", "50000003", "LL", "left lateral", "validate"),
    ("d06", "11000011", "50000004", "", "lateral", "validate"),
    ("d07", "12000012", "50000005", "", "", "test"),
    ("d08", "12000012", "50000005", "AP AXIAL", "axial", "test"),
    ("d09", "12000012", "50000005", "Lateral", "", "test"),
    ("d10", "12000012", "50000006", "PA", "postero-anterior", "test"),
    ("d11", "12000012", "50000002", "PA", "postero-anterior", "test"),
)


def label_line(study, normal, pneumonia):
    return f"10000032,{study},,,,,,,,,{normal},,,{pneumonia},,"


def packed(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


@pytest.fixture
def tree(touch, tmp_path):
    """Write the three tables, packed as they are published, and all images."""
    packed(tmp_path / "mimic-cxr-2.0.0-chexpert.csv.gz", LABELS, *(label_line(study, *two) for study, two in STUDIES.items()))
    images = (
        f"{one},{patient},{study},CHEST,{view},2544,3056,21800506,213014.5,x,{code},Erect"
        for one, patient, study, view, code, _ in FILES
    )
    packed(tmp_path / "mimic-cxr-2.0.0-metadata.csv.gz", IMAGES, *images)
    packed(
        tmp_path / "mimic-cxr-2.0.0-split.csv.gz",
        SPLIT,
        *(f"{one},{study},{patient},{part}" for one, patient, study, _, _, part in FILES),
    )
    touch(tmp_path / "files", *(f"p{patient[:2]}/p{patient}/s{study}/{one}.jpg" for one, patient, study, *_ in FILES))
    return tmp_path


def short(images):
    return {record.key.rpartition("/")[2].removesuffix(".jpg"): record for record in images.records}


def test_records_have_all_that_the_tables_say(tree, images_of):
    images = images_of(tree)
    records = short(images)
    assert sorted(records) == ["d01", "d03", "d11"]
    first = records["d01"]
    assert first.key == "p10/p10000032/s50000001/d01.jpg"
    assert (first.label, first.patient, first.split, first.view, first.age, first.sex) == (
        1,
        "10000032",
        "train",
        "PA",
        None,
        None,
    )
    assert (first.site, first.source) == ("Beth Israel Deaconess Medical Center", "mimic-cxr-jpg")
    assert (records["d11"].label, records["d11"].split) == (0, "test")
    assert (images.name, images.licence_class) == ("mimic-cxr-jpg", "credentialed")
    assert all(images.read(record.key).is_file() for record in images.records)


def test_what_is_left_out_is_counted_by_reason(tree, images_of):
    assert images_of(tree).warnings == (
        "left out 6 images of views that were not asked for: lateral (4), other (1), unknown (1)",
        "left out 1 image of studies without labels",
        "left out 1 image where Pneumonia is uncertain (label=positive-only)",
    )


def test_a_missing_view_is_taken_from_the_code(tree, load):
    records = short(load("mimic-cxr-jpg", views="all", label="uncertain-as-positive", negatives="all"))
    views = {name: record.view for name, record in records.items()}
    assert views == {
        **{"d01": "PA", "d02": "lateral", "d03": "AP", "d04": "AP", "d05": "lateral", "d06": "lateral"},
        **{"d07": None, "d08": "other", "d09": "lateral", "d11": "PA"},
    }


@pytest.mark.parametrize(
    ("label", "expected"), [("positive-only", None), ("uncertain-as-positive", 1), ("uncertain-as-negative", 0)]
)
def test_all_images_of_a_study_have_its_label(tree, load, label, expected):
    records = short(load("mimic-cxr-jpg", views="all", label=label, negatives="all"))
    assert [records[name].label if name in records else None for name in ("d04", "d05")] == [expected] * 2
    assert [records[name].label for name in ("d01", "d02", "d06", "d07", "d08", "d09")] == [1, 1, 0, 0, 0, 0]
    assert "d10" not in records


def test_the_published_split_is_kept(tree, load):
    records = short(load("mimic-cxr-jpg", views="all", label="uncertain-as-negative", negatives="all"))
    assert [records[name].split for name in ("d02", "d05", "d07")] == ["train", "val", "test"]


def test_images_of_absent_folders_are_left_out_and_counted(tree, tmp_path, load):
    for name in ("p10", "p12"):
        (tree / "files" / name).rename(tmp_path / name)
    images = load("mimic-cxr-jpg", label="uncertain-as-positive")
    assert list(short(images)) == ["d04"]
    assert images.warnings[0] == "left out 8 images whose folder is not on disk: files/p10/ (3), files/p12/ (5)"


def test_unpacked_tables_are_read_too(tree, images_of):
    before = images_of(tree).records
    for path in list(tree.glob("*.csv.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert images_of(tree).records == before


@pytest.mark.parametrize("table", ["metadata", "split"])
def test_a_missing_table_is_refused_by_name(tree, load, table):
    (tree / f"mimic-cxr-2.0.0-{table}.csv.gz").unlink()
    with pytest.raises(DataError, match=rf"neither mimic-cxr-2\.0\.0-{table}\.csv nor"):
        load("mimic-cxr-jpg")


@pytest.mark.parametrize(
    ("table", "header", "column"),
    [
        *(("chexpert", LABELS, column) for column in ("subject_id", "study_id", "No Finding", "Pneumonia")),
        *(("metadata", IMAGES, column) for column in ("dicom_id", "ViewPosition", "ViewCodeSequence_CodeMeaning")),
        *(("split", SPLIT, column) for column in ("dicom_id", "split")),
    ],
)
def test_a_missing_column_is_refused_by_name(tree, load, table, header, column):
    packed(tree / f"mimic-cxr-2.0.0-{table}.csv.gz", header.replace(column, "other"), ",".join("x" * (header.count(",") + 1)))
    with pytest.raises(DataError, match=rf"{table}\.csv\.gz: column '{column}' is missing"):
        load("mimic-cxr-jpg")


def test_an_unknown_part_is_refused(tree, load):
    packed(tree / "mimic-cxr-2.0.0-split.csv.gz", SPLIT, "d01,1,1,dev")
    with pytest.raises(DataError, match="split 'dev' is not valid"):
        load("mimic-cxr-jpg")


def test_the_rules_for_datasets_are_kept(tree, broken_rules):
    assert broken_rules("mimic-cxr-jpg") == []
