"""The sets of Shenzhen and Montgomery. The first readings are those that public documentation shows."""

from __future__ import annotations

import pytest

from cxrbench.plugin import ClassNames, DataError

CHINA = {
    "0001_0": "male 45yrs\nnormal",
    "0002_0": "male 63yrs\nnormal",
    "0003_0": "Female, 28yrs\nnormal",
    "0004_0": "femal 32yrs",
    "0005_0": "male 16month\nnormal",
    "0006_0": "\ufefffemale 64days",
    "0327_1": "male 37yrs\nPTB in the bilateral upper field",
    "0328_1": "",
    "0329_1": "secondary PTB in both upper fields",
}
COUNTY = {"0001_0": "Patient's Sex: F \nPatient's Age: 027Y\nnormal", "0108_1": "Patient's Sex: M \nPatient's Age: 040Y\nTB"}


@pytest.fixture
def trees(write, touch, tmp_path):
    """Write both collections in the folders of their archives, with masks, and one image without a reading."""
    for root, prefix, readings in (("ChinaSet_AllFiles", "CHNCXR", CHINA), ("MontgomerySet", "MCUCXR", COUNTY)):
        for name, text in readings.items():
            touch(tmp_path / root, f"CXR_png/{prefix}_{name}.png")
            write(tmp_path / root / "ClinicalReadings" / f"{prefix}_{name}.txt", text)
    touch(tmp_path, "ChinaSet_AllFiles/CXR_png/CHNCXR_0400_1.png", "ChinaSet_AllFiles/CXR_png/Thumbs.png")
    touch(tmp_path, "MontgomerySet/ManualMask/leftMask/MCUCXR_0001_0.png")
    return tmp_path


def test_shenzhen_has_labels_sexes_and_ages(trees, images_of):
    images = images_of(trees / "ChinaSet_AllFiles")
    facts = {record.key[7:13]: (record.label, record.sex, record.age) for record in images.records}
    assert facts == {
        **{"0001_0": (0, "M", "45"), "0002_0": (0, "M", "63"), "0003_0": (0, "F", "28"), "0004_0": (0, "F", "32")},
        **{"0005_0": (0, "M", "1.33"), "0006_0": (0, "F", "0.18"), "0327_1": (1, "M", "37")},
        **{"0328_1": (1, None, None), "0329_1": (1, None, None), "0400_1": (1, None, None)},
    }
    first = images.records[0]
    assert (first.key, first.patient, first.split, first.view) == ("CHNCXR_0001_0.png", "CHNCXR_0001", None, None)
    assert (first.site, first.source) == ("Shenzhen No. 3 People's Hospital", "shenzhen")
    assert images.class_names == ClassNames(negative="normal", positive="tuberculosis")
    assert (images.name, images.licence_class) == ("shenzhen", "open")
    assert images.warnings == ("left out 1 image whose names are not like CHNCXR_0001_0.png",)
    assert images.read(first.key).is_file()


def test_montgomery_has_labels_sexes_and_ages(trees, images_of):
    images = images_of(f"montgomery:source='{trees}'")
    facts = [(record.key, record.label, record.sex, record.age, record.view) for record in images.records]
    assert facts == [("MCUCXR_0001_0.png", 0, "F", "27", "PA"), ("MCUCXR_0108_1.png", 1, "M", "40", "PA")]
    assert (images.warnings, images.licence_class) == ((), "open")


@pytest.mark.parametrize("name", ["shenzhen", "montgomery"])
def test_another_folder_is_refused(tmp_path, load, name):
    with pytest.raises(DataError, match="has no images of this set"):
        load(name)


@pytest.mark.parametrize("name", ["shenzhen", "montgomery"])
def test_the_summary_says_that_the_finding_is_tuberculosis(host, name):
    from cxrbench.plugin import Dataset

    assert "tuberculosis (not pneumonia)" in host.find(Dataset, name).spec.summary


@pytest.mark.parametrize("name", ["shenzhen", "montgomery"])
def test_the_rules_for_datasets_are_kept(trees, broken_rules, name):
    assert broken_rules(name) == []
