"""The classes of a folder tree and the labels of a table are chosen by name; the others are left out and counted."""

from __future__ import annotations

import re
import shlex

import pytest

from cxrbench.plugin import ClassNames, ConfigError, DataError
from cxrbench_datasets.folder import claims_folder, load_folder, may_claim_folder
from cxrbench_datasets.manifest import load_manifest

TREE = ("Normal/a", "Normal/b", "TB/c", "COVID/d", "COVID/e", "COVID/f")


@pytest.fixture
def tree(tmp_path, draw):
    """Three classes in train, and one image of each in test."""
    for name in (*(f"train/{one}" for one in TREE), "test/Normal/g", "test/TB/h", "test/COVID/i"):
        draw(tmp_path / "lungs" / f"{name}.png")
    return tmp_path / "lungs"


@pytest.fixture
def table(tmp_path, draw):
    """Return a function that writes a table of labels."""

    def write(*labels):
        file = tmp_path / "lungs.csv"
        file.write_text("path,label,patient\n" + "".join(f"{row}.png,{label},p{row}\n" for row, label in enumerate(labels)))
        return file

    return write


def labels(images):
    return {record.key.rpartition("/")[2].removesuffix(".png"): record.label for record in images.records}


def test_two_classes_of_a_tree_are_read_and_others_counted(tree):
    images = load_folder(str(tree), positive="tb", negative="normal")
    assert labels(images) == {"a": 0, "b": 0, "c": 1, "g": 0, "h": 1}
    assert images.class_names == ClassNames(negative="normal", positive="tb")
    others = "ignored classes that are neither the positive nor the negative one: "
    assert images.warnings[0] == f"{others}4 image files in test/COVID/ (1), train/COVID/ (3)"


def test_masks_of_a_class_that_is_left_out_are_masks(tree, draw):
    draw(tree / "train" / "COVID" / "masks" / "d.png")
    images = load_folder(str(tree), positive="tb", negative="normal")
    assert images.warnings[0].endswith("4 image files in test/COVID/ (1), train/COVID/ (3)")
    assert images.warnings[1] == "ignored masks: 1 image file in train/COVID/masks/ (1)"


def test_several_classes_of_a_tree_are_one(tree):
    images = load_folder(str(tree), positive="TB+COVID", negative="Normal")
    assert sorted(labels(images).values()) == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert images.class_names == ClassNames(negative="Normal", positive="TB+COVID")
    assert not [warning for warning in images.warnings if "ignored" in warning or "read as one" in warning]


def test_the_one_class_that_is_left_is_the_other(tree, draw, tmp_path):
    assert load_folder(str(tree), positive="COVID+tb").class_names == ClassNames(negative="Normal", positive="COVID+tb")
    for name in ("Healthy/a", "TB/b"):
        draw(tmp_path / "two" / f"{name}.png")
    images = load_folder(str(tmp_path / "two"), negative="healthy")
    assert images.class_names == ClassNames(negative="healthy", positive="TB")
    assert labels(images) == {"a": 0, "b": 1}


def test_a_class_may_be_named_like_the_folder_of_all(tmp_path, draw):
    for name in ("TB/a", "Normal/b"):
        draw(tmp_path / "TB" / f"{name}.png")
    assert labels(load_folder(str(tmp_path / "TB"), positive="TB")) == {"a": 1, "b": 0}


def test_a_class_may_have_a_plus_sign_in_its_name(tmp_path, draw):
    for name in ("COVID+/a", "COVID-/b", "COVID/c"):
        draw(tmp_path / f"{name}.png")
    images = load_folder(str(tmp_path), positive="COVID+", negative="COVID-")
    assert labels(images) == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"unclear which class is positive .* Its classes: COVID \(4\), Normal \(3\), TB \(2\)\. Choose"),
        ({"positive": "TB"}, r"positive=TB leaves negative open\. Its classes: COVID \(4\)"),
        ({"negative": "Normal"}, r"negative=Normal leaves positive open"),
        (
            {"positive": "TBX", "negative": "Normal"},
            r"positive=TBX: no images of class 'TBX'\. Its classes: COVID \(4\), Normal",
        ),
        ({"positive": "TB+Flu", "negative": "Normal"}, r"no images of class 'Flu'"),
    ],
)
def test_an_unclear_choice_names_the_classes_of_a_tree(tree, options, message):
    with pytest.raises(DataError, match=message):
        load_folder(str(tree), **options)


def test_the_refusal_shows_flags_that_work(tree, tmp_path, draw):
    (tree / "train" / "COVID").rename(tree / "train" / "it's, COVID")
    with pytest.raises(DataError) as refused:
        load_folder(str(tree))
    flags = shlex.split(re.search(r"(--positive .*) \(several", str(refused.value))[1])
    chosen = dict(zip((flag.removeprefix("--") for flag in flags[::2]), flags[1::2], strict=True))
    assert load_folder(str(tree), **chosen).class_names == ClassNames(negative="Normal", positive="it's, COVID")


def test_a_class_cannot_be_in_both(tree):
    with pytest.raises(ConfigError, match="TB is in the negative and in the positive class"):
        load_folder(str(tree), positive="TB+COVID", negative="Normal+tb")


def test_the_usual_classes_need_no_choice(tmp_path, draw):
    for name in ("NORMAL/a", "PNEUMONIA/b", "COVID/c"):
        draw(tmp_path / f"{name}.png")
    images, chosen = load_folder(str(tmp_path)), load_folder(str(tmp_path), negative="NORMAL", positive="PNEUMONIA")
    assert (images.records, images.class_names) == (chosen.records, chosen.class_names)
    assert images.warnings[0].startswith("ignored folders that are neither a class nor train, val or test: 1 image file")


def test_trees_of_other_classes_may_be_claimed(tree, tmp_path, draw):
    assert (claims_folder(tree), may_claim_folder(tree)) == (False, True)
    draw(tmp_path / "one" / "TB" / "a.png")
    assert not may_claim_folder(tmp_path / "one")
    (tmp_path / "one" / "notes").mkdir()
    draw(tmp_path / "one" / "masks" / "a.png")
    assert not may_claim_folder(tmp_path / "one")
    for number in range(21):
        draw(tmp_path / "patients" / f"p{number}" / "a.png")
    assert not may_claim_folder(tmp_path / "patients")
    assert not may_claim_folder(tmp_path / "absent")


def test_two_labels_of_a_table_are_read_and_others_counted(table):
    images = load_manifest(str(table("TB", "Normal", "COVID", "normal ", "", "COVID")), positive="tb", negative="Normal")
    assert labels(images) == {"0": 1, "1": 0, "3": 0}
    assert images.class_names == ClassNames(negative="Normal", positive="tb")
    assert images.warnings[0] == (
        "ignored classes that are neither the positive nor the negative one: 3 of 6 images in COVID (2), without a label (1)"
    )


def test_several_labels_of_a_table_are_one(table):
    images = load_manifest(str(table("TB", "Normal", "COVID")), positive="TB+COVID")
    assert labels(images) == {"0": 1, "1": 0, "2": 1}
    assert images.class_names == ClassNames(negative="Normal", positive="TB+COVID")
    assert images.warnings == ()


@pytest.mark.parametrize("one", [1, 1.0, "1", "1.0", True])
def test_numbers_are_chosen_in_any_spelling(table, one):
    written = ("true", "false", "-1.0") if one is True else ("1.0", "0", "-1.0")
    images = load_manifest(str(table(*written)), positive=one, negative=False if one is True else 0)
    assert labels(images) == {"0": 1, "1": 0}


@pytest.mark.parametrize(
    ("written", "options", "message"),
    [
        (
            ("TB", "Normal"),
            {},
            r"line 2 has the label 'TB', .*Its classes: Normal \(1\), TB \(1\)\. Choose.* --positive TB --neg",
        ),
        (("1", "0", "2"), {}, r"line 4 has the label '2', .*--positive 1 --negative 0"),
        (
            ("1", "0", ""),
            {},
            r"line 4: label '' is not valid: .*with --positive and --negative, images without a label are left",
        ),
        (("TB", "TB"), {}, r"line 2: label 'TB' is not valid: write 0"),
        (("TB", "Normal", "COVID"), {"positive": "TB"}, r"positive=TB leaves negative open"),
        (("TB", "Normal"), {"positive": "Flu", "negative": "Normal"}, r"no images of class 'Flu'\. Its classes: Normal"),
    ],
)
def test_an_unclear_choice_names_the_labels_of_a_table(table, written, options, message):
    with pytest.raises(DataError, match=message):
        load_manifest(str(table(*written)), **options)
