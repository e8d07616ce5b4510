"""RSNA's challenge, with made-up ids."""

from __future__ import annotations

import json

import pytest

from cxrbench.plugin import ClassNames, ConfigError, DataError

MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
CLASSES = {
    **{"a1": "Lung Opacity", "a2": "Lung Opacity", "a3": "Normal", "b1": "Normal", "b2": "No Lung Opacity / Not Normal"},
    "c1": "No Lung Opacity / Not Normal",
}
PATIENTS = {"a1": "00000012_000", "a2": "00000012_001", "a3": "00000012_002", "b1": "00000450_000", "b2": "00030805_004"}


@pytest.fixture
def tree(write, touch, tmp_path):
    """Write both tables, with two lines for an image with two opacities, and all images; there is no mapping."""
    boxes = ["a1,264.0,152.0,213.0,379.0,1", "a1,562.0,152.0,256.0,453.0,1", "a2,1.0,2.0,3.0,4.0,1"]
    lines = [f"{image},,,,,0" for image in ("a3", "b1", "b2", "c1")]
    write(tmp_path / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", *boxes, *lines)
    write(
        tmp_path / "stage_2_detailed_class_info.csv",
        "patientId,class",
        *(f"{one},{kind}" for one, kind in CLASSES.items()),
        "a1,Lung Opacity",
    )
    touch(tmp_path / "stage_2_train_images", *(f"{image}.dcm" for image in CLASSES))
    return tmp_path


@pytest.fixture
def write_mapping(tree):
    """Write RSNA's mapping beside the tables, or elsewhere."""

    def write_entries(patients=None, path=tree / MAPPING):
        patients = {**PATIENTS, "c1": "00000450_001", "x9": "00000001_000"} if patients is None else patients
        entries = [
            {"subset_img_id": image, "img_id": f"{name}.png", "orig_labels": ["No Finding"], "SOPInstanceUID": "1.2.3"}
            for image, name in patients.items()
        ]
        path.write_text(json.dumps(entries))
        return path

    return write_entries


def short(images):
    return {record.key.removesuffix(".dcm"): record.label for record in images.records}


def test_records_have_patients_of_the_mapping(tree, write_mapping, images_of, records_of):
    write_mapping()
    images = images_of(tree)
    records = records_of(images)
    assert {key: record.patient for key, record in records.items()} == {
        **{"a1.dcm": "12", "a2.dcm": "12", "a3.dcm": "12", "b1.dcm": "450"},
    }
    assert short(images) == {"a1": 1, "a2": 1, "a3": 0, "b1": 0}
    assert (images.name, images.licence_class, images.leaks) == ("rsna", "agreement", ())
    assert images.class_names == ClassNames(negative="Normal", positive="Lung Opacity")
    assert images.warnings == ("left out 2 images of class No Lung Opacity / Not Normal (negatives=normal)",)
    assert (records["a1.dcm"].site, records["a1.dcm"].source) == ("NIH Clinical Center", "rsna")
    assert images.read("a1.dcm").is_file()


def test_negatives_may_be_all_without_an_opacity(tree, write_mapping, load, records_of):
    write_mapping()
    (tree / "stage_2_detailed_class_info.csv").unlink()
    images = load("rsna", negatives="all")
    assert short(images) == {"a1": 1, "a2": 1, "a3": 0, "b1": 0, "b2": 0, "c1": 0}
    assert {record.patient for record in images.records} == {"12", "450", "30805"}
    assert images.warnings == ()
    assert images.class_names.negative == "no Lung Opacity"


def test_without_the_mapping_a_leak_is_declared(tree, images_of):
    images = images_of(tree)
    (leak,) = images.leaks
    assert leak.startswith("the ids of 6 images are of images, not of patients")
    assert f"/{MAPPING} and put it beside the tables, or set mapping=FILE" in leak
    assert [record.patient for record in images.records] == ["a1", "a2", "a3", "b1"]


def test_the_mapping_may_lie_elsewhere(tree, write_mapping, load, tmp_path):
    path = write_mapping(path=tmp_path / "there.json")
    assert load("rsna", mapping=str(path)).leaks == ()
    with pytest.raises(ConfigError, match=r"none\.json"):
        load("rsna", mapping=str(tmp_path / "none.json"))


def test_a_mapping_that_lacks_an_image_is_refused(tree, write_mapping, load):
    write_mapping(PATIENTS)
    with pytest.raises(DataError, match="the mapping lacks 1 image of 6, such as c1: use the file https://"):
        load("rsna")


@pytest.mark.parametrize(
    "content", ["{}x", '{"a": 1}', '[{"img_id": "00000001_000.png"}]', "[1]", '[{"subset_img_id": "a", "img_id": 1}]']
)
def test_another_file_than_the_mapping_is_refused(tree, load, content):
    (tree / MAPPING).write_text(content)
    with pytest.raises(DataError, match="is not RSNA's mapping"):
        load("rsna")


def test_tables_that_contradict_each_other_are_refused(tree, write, load):
    write(tree / "stage_2_detailed_class_info.csv", "patientId,class", *(f"{one},Lung Opacity" for one in CLASSES))
    with pytest.raises(DataError, match=r"a3 has target 0 in .* and class 'Lung Opacity'"):
        load("rsna")
    write(tree / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", "a1,1,1,1,1,1", "a1,,,,,0")
    with pytest.raises(DataError, match="a1 has target '0'"):
        load("rsna")


@pytest.mark.parametrize(
    ("table", "column"), [("train_labels", "Target"), ("train_labels", "patientId"), ("detailed_class_info", "class")]
)
def test_a_missing_column_is_refused_by_name(tree, write, load, table, column):
    header = "patientId,x,y,width,height,Target,class".replace(column, "other")
    write(tree / f"stage_2_{table}.csv", header)
    with pytest.raises(DataError, match=rf"stage_2_{table}\.csv: column '{column}' is missing"):
        load("rsna")


def test_a_run_without_the_mapping_ends_with_3(tree, workspace):
    command = ("run", "--data", tree, "--backbone", "texture", "--offline")
    refused = workspace.call_here(*command)
    assert refused.returncode == 3
    assert "the ids of 6 images are of images, not of patients" in refused.stderr
    assert "--allow-leak" in refused.stderr
    allowed = workspace.call_here(*command, "--allow-leak")
    assert "not of patients" not in allowed.stderr
    assert "none of the 4 files could be read" in allowed.stderr


def test_the_rules_for_datasets_are_kept(tree, broken_rules):
    assert broken_rules("rsna") == []
