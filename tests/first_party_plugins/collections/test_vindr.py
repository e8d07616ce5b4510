"""VinDr-CXR, with made-up ids and votes."""

from __future__ import annotations

import pytest

from cxrbench.plugin import ClassNames, DataError
from cxrbench_collections.vindr import claims_vindr

LABELS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,Enlarged PA,ILD,"
    "Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,Pleural thickening,"
    "Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,Tuberculosis,Other diseases,No finding"
)
TRAIN_HEADER = f"image_id,rad_id,{LABELS}"
TEST_HEADER = f"image_id,{LABELS.replace('Other diseases', 'Other disease')}"
KAGGLE = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
NAMES = LABELS.split(",")


def votes(*said, blank="0"):
    """Return the cells of a reader who said these labels."""
    return ",".join("1" if name in said else blank for name in NAMES)


@pytest.fixture
def tree(write, touch, tmp_path):
    """Write both tables and all images: three readers of each training image, one line for a test image."""
    readers = {
        "a": (("Pneumonia",), ("Pneumonia", "Nodule/Mass"), ("No finding",)),
        "b": (("Pneumonia",), ("No finding",), ("No finding",)),
        "c": (("No finding",),) * 3,
        "d": (("Nodule/Mass",), ("Nodule/Mass",), ("No finding",)),
        "e": (("Nodule/Mass",), ("No finding",), ("No finding",)),
    }
    lines = [
        f"{image},R{number},{votes(*said)}" for image, all_said in readers.items() for number, said in enumerate(all_said, 8)
    ]
    write(tmp_path / "annotations" / "image_labels_train.csv", TRAIN_HEADER, *lines)
    test = [f"t1,{votes('Pneumonia')}", f"t2,{votes('No finding', blank='')}", f"t3,{votes('Other diseases')}"]
    write(tmp_path / "annotations" / "image_labels_test.csv", TEST_HEADER, *test)
    touch(tmp_path, *(f"train/{image}.dicom" for image in readers), "test/t1.dicom", "test/t2.dicom", "test/t3.dicom")
    return tmp_path


def short(images):
    return {record.key.rpartition("/")[2].removesuffix(".dicom"): record.label for record in images.records}


def test_records_have_all_that_is_published(tree, images_of, records_of):
    images = images_of(tree)
    records = records_of(images)
    assert list(records) == [f"test/{name}.dicom" for name in ("t1", "t2")] + [f"train/{name}.dicom" for name in "abce"]
    one = records["train/a.dicom"]
    assert (one.label, one.patient, one.split, one.view, one.age, one.sex) == (1, "train/a.dicom", "train", "PA", None, None)
    assert (one.site, one.source) == (None, "vindr-cxr")
    assert records["test/t1.dicom"].split == "test"
    assert (images.name, images.licence_class) == ("vindr-cxr", "credentialed")
    assert images.class_names == ClassNames(negative="No finding", positive="Pneumonia")
    assert all(images.read(key).is_file() for key in records)
    assert images.warnings[0].startswith("VinDr-CXR has no patient ids")
    assert images.warnings[1] == "left out 2 images with neither Pneumonia nor No finding (negatives=no-finding)"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"a": 1, "b": 0, "c": 0, "e": 0, "t1": 1, "t2": 0}),
        ({"readers": "any"}, {"a": 1, "b": 1, "c": 0, "t1": 1, "t2": 0}),
        ({"negatives": "all"}, {"a": 1, "b": 0, "c": 0, "d": 0, "e": 0, "t1": 1, "t2": 0, "t3": 0}),
        ({"readers": "any", "negatives": "all"}, {"a": 1, "b": 1, "c": 0, "d": 0, "e": 0, "t1": 1, "t2": 0, "t3": 0}),
        ({"finding": "nodule/mass"}, {"b": 0, "c": 0, "d": 1, "e": 0, "t2": 0}),
        ({"finding": "Other diseases"}, {"b": 0, "c": 0, "e": 0, "t2": 0, "t3": 1}),
    ],
)
def test_readers_and_rules_decide_labels(tree, load, options, expected):
    assert short(load("vindr-cxr", **options)) == expected


def test_kaggles_table_is_refused_with_the_reason(write, tmp_path, images_of):
    table = write(tmp_path / "train.csv", KAGGLE, "50a418190bc3fb1ef1633bf9678929b3,No finding,14,R11,,,,")
    assert claims_vindr(tmp_path)
    for source in (str(tmp_path), f"vindr-cxr:source='{table}'"):
        with pytest.raises(DataError, match=r"Kaggle, which has no pneumonia .* from PhysioNet"):
            images_of(source)


def test_one_part_may_be_absent(tree, tmp_path, load):
    (tree / "test").rename(tmp_path / "away")
    images = load("vindr-cxr")
    assert short(images) == {"a": 1, "b": 0, "c": 0, "e": 0}
    assert images.warnings[1] == "left out 3 images whose folder is not on disk: test/ (3)"
    (tree / "annotations" / "image_labels_test.csv").unlink()
    assert load("vindr-cxr").warnings[0] == "image_labels_test.csv is not there: only the other part is read"


@pytest.mark.parametrize("column", ["image_id", "Pneumonia", "Lung tumor", "No finding", "Other diseases"])
def test_a_missing_column_is_refused_by_name(tree, write, load, column):
    header = TRAIN_HEADER.replace(column, "x")
    write(tree / "annotations" / "image_labels_train.csv", header, f"a,R8,{votes('Pneumonia')}")
    with pytest.raises(DataError, match=rf"image_labels_train\.csv: column '{column}'.* is missing"):
        load("vindr-cxr")


def test_the_rules_for_datasets_are_kept(tree, broken_rules):
    assert broken_rules("vindr-cxr") == []
