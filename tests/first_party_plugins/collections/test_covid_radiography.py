"""The COVID-19 Radiography Database, as Kaggle has it and as older releases were."""

from __future__ import annotations

import pytest

from cxrbench.data.source import find_dataset
from cxrbench.plugin import ClassNames, DataError, UnknownName

CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
NAMES = [f"{name}-{number}.png" for name in CLASSES for number in (1, 2, 10)]


@pytest.fixture
def tree(touch, tmp_path):
    """Write three images of each class with their masks, and the tables that are not read."""
    root = tmp_path / "COVID-19_Radiography_Dataset"
    for name in CLASSES:
        for kind in ("images", "masks"):
            touch(root / name / kind, *(f"{name}-{number}.png" for number in (1, 2, 10)))
        touch(root, f"{name}.metadata.xlsx", "README.md.txt")
    return root


def test_masks_are_left_out(tree, load, labels_of):
    images = load("covid-radiography", negatives="all")
    assert labels_of(images) == {name: int(name.startswith("COVID")) for name in NAMES}
    assert {images.read(name).parent.name for name in NAMES} == {"images"}
    assert all(images.read(name).is_file() for name in NAMES)


def test_what_is_left_out_and_unknown_is_said(tree, load, records_of):
    images = load("covid-radiography")
    assert images.warnings[0].startswith("this collection has no patient ids")
    assert images.warnings[1].startswith("its classes are of other hospitals")
    assert images.warnings[2:] == (
        "left out 3 images of class Lung_Opacity (negatives=no-finding)",
        "left out 3 images of class Viral Pneumonia (negatives=no-finding)",
    )
    record = records_of(images)["COVID-1.png"]
    assert (record.patient, record.split, record.view, record.source) == ("COVID-1.png", None, None, "covid-radiography")
    assert (images.name, images.licence_class) == ("covid-radiography", "undeclared")
    assert images.class_names == ClassNames(negative="Normal", positive="COVID")


@pytest.mark.parametrize("finding", ["Viral Pneumonia", "viral pneumonia", "Lung_Opacity"])
def test_another_class_may_be_positive(tree, load, labels_of, finding):
    labels = labels_of(load("covid-radiography", finding=finding))
    assert labels == {
        name: int(not name.startswith("Normal")) for name in NAMES if name.casefold().startswith((finding.casefold(), "normal"))
    }


def test_an_unknown_class_is_refused_with_the_list(tree, load):
    with pytest.raises(UnknownName, match=r"are COVID, Lung_Opacity, Viral Pneumonia$"):
        load("covid-radiography", finding="Pneumonia")


def test_older_releases_have_no_images_folder(touch, tmp_path, load, labels_of):
    touch(tmp_path, "COVID/COVID (1).png", "NORMAL/NORMAL (1).png", "Viral Pneumonia/Viral Pneumonia (1).png")
    images = load("covid-radiography")
    assert labels_of(images) == {"COVID (1).png": 1, "NORMAL (1).png": 0}
    assert images.read("NORMAL (1).png").is_file()


def test_a_folder_of_other_classes_is_refused(touch, tmp_path, load):
    touch(tmp_path, "COVID/1.png", "other/2.png")
    with pytest.raises(DataError, match="has no folder COVID and another class"):
        load("covid-radiography")


def test_a_hospital_tree_with_pneumonia_and_covid_is_a_folder(touch, tmp_path, tree, host):
    touch(tmp_path / "ward", "NORMAL/1.png", "PNEUMONIA/2.png", "COVID/3.png")
    assert find_dataset(str(tmp_path / "ward"), host).spec.name == "folder"
    assert find_dataset(str(tree), host).spec.name == find_dataset(str(tree.parent), host).spec.name == "covid-radiography"


def test_the_rules_for_datasets_are_kept(tree, broken_rules):
    assert broken_rules("covid-radiography") == []
