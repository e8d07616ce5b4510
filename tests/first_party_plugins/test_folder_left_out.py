"""What is beside the images of a folder tree: left out and named, taken and named, or refused with what to do."""

from __future__ import annotations

import os

import pytest

from cxrbench.plugin import ClassNames, DataError
from cxrbench_datasets.folder import claims_folder, load_folder


@pytest.fixture
def tree(tmp_path, draw):
    """Return a function that draws further files beside one image of each class and returns the folder."""

    def make(*names):
        for name in ("NORMAL/IM-1-1.png", "PNEUMONIA/person1_virus_1.png", *names):
            draw(tmp_path / "set" / name)
        return tmp_path / "set"

    return make


def keys(images):
    return [record.key for record in images.records]


@pytest.mark.parametrize("folder", ["masks", "Masks", "lung masks", "mask", "ManualMask/leftMask", "lung_mask_left"])
def test_masks_beside_the_images_are_left_out_and_counted(tmp_path, draw, folder):
    for name in ("NORMAL/images/IM-1-1.png", "PNEUMONIA/images/person1_virus_1.png", f"NORMAL/{folder}/IM-1-1.png"):
        draw(tmp_path / "set" / name)
    images = load_folder(str(tmp_path / "set"))
    assert keys(images) == ["NORMAL/images/IM-1-1.png", "PNEUMONIA/images/person1_virus_1.png"]
    assert images.warnings == (f"ignored masks: 1 image file in NORMAL/{folder}/ (1)",)


def test_files_named_as_masks_are_left_out_and_counted(tree):
    images = load_folder(str(tree("NORMAL/IM-1-1_mask.png", "NORMAL/IM-1-1-Masks.png")))
    assert keys(images) == ["NORMAL/IM-1-1.png", "PNEUMONIA/person1_virus_1.png"]
    assert images.warnings == ("ignored masks: 2 image files in NORMAL/ (2)",)


@pytest.mark.parametrize(
    ("beside", "where"),
    [
        ("NORMAL/lungs only/a.png", "images/ and elsewhere (lungs only/a.png)"),
        ("NORMAL/a.png", "images/ and elsewhere (a.png)"),
        ("NORMAL/heatmaps/a.png", "heatmaps/"),
        ("NORMAL/images/masked/a.png", "images/masked/"),
        ("NORMAL/augmented/a.png", "augmented/"),
        ("NORMAL/train/a.png", "train/"),
        ("NORMAL/Pneumonia/a.png", "Pneumonia/"),
    ],
)
def test_folders_that_may_not_be_meant_are_refused(tmp_path, draw, beside, where):
    for name in ("NORMAL/images/IM-1-1.png", "PNEUMONIA/images/person1_virus_1.png", beside):
        draw(tmp_path / "set" / name)
    with pytest.raises(DataError) as caught:
        load_folder(str(tmp_path / "set"))
    assert f"NORMAL has images in {where}; it is unclear" in str(caught.value)
    assert "subfolder=images" in str(caught.value)
    assert len(keys(load_folder(str(tmp_path / "set"), subfolder="*"))) == 3


def test_the_subfolders_of_the_images_can_be_named(tmp_path, draw):
    for name in ("NORMAL/PA/a.png", "NORMAL/AP 2/b.png", "NORMAL/lateral/c.png", "NORMAL/d.png", "PNEUMONIA/pa/deeper/e.png"):
        draw(tmp_path / name)
    images = load_folder(str(tmp_path), subfolder="PA+ap*")
    assert keys(images) == ["NORMAL/AP 2/b.png", "NORMAL/PA/a.png", "PNEUMONIA/pa/deeper/e.png"]
    assert images.warnings[0] == (
        "ignored files outside the chosen subfolder: 2 image files in NORMAL/ (1), NORMAL/lateral/ (1)"
    )
    with pytest.raises(DataError, match="no files of class PNEUMONIA"):
        load_folder(str(tmp_path), subfolder="lateral")


def test_loose_images_are_counted_and_named(tree, draw):
    root = tree("test/a.png", "test/b.png", "c.png")
    (root / "test" / "labels.csv").write_text("a.png,1")
    (root / "test" / "d").write_bytes((root / "c.png").read_bytes())
    images = load_folder(str(root))
    assert len(images.records) == 2
    assert images.warnings == ("ignored files in no class folder: 4 image files in ./ (1), test/ (3)",)


def test_hidden_images_are_named_and_other_hidden_files_are_not(tree, draw):
    root = tree("NORMAL/.trash/a.png", "NORMAL/.b.png", "__MACOSX/NORMAL/c.png")
    (root / "NORMAL" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (root / "NORMAL" / "._IM-1-1.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    images = load_folder(str(root))
    assert images.warnings == ("ignored hidden files: 3 image files in NORMAL/.b.png (1), NORMAL/.trash/ (1), __MACOSX/ (1)",)


def test_what_a_second_copy_has_beyond_the_first_is_named(tree):
    images = load_folder(str(tree("set/NORMAL/IM-1-1.png", "set/NORMAL/IM-2-1.png")))
    assert len(images.records) == 2
    assert images.warnings == (
        "ignored a second copy, as in Kaggle's archive: 1 image file in set/ (1)",
        "ignored folders that are neither a class nor train, val or test: 1 image file in set/ (1)",
    )


def test_what_is_outside_an_inner_tree_is_named(tmp_path, draw):
    for name in ("NORMAL/IM-1-1.png", "PNEUMONIA/person1_virus_1.png"):
        draw(tmp_path / "set" / "set" / name)
    draw(tmp_path / "set" / "more" / "a.png")
    assert load_folder(str(tmp_path / "set")).warnings == (
        "ignored folders that are neither a class nor train, val or test: 1 image file in more/ (1)",
    )


def test_images_that_links_lead_to_are_not_named_again(tree, tmp_path, draw):
    root = tree()
    draw(root / "pool" / "IM-2-1.png")
    draw(root / "pool" / "more" / "IM-3-1.png")
    (root / "NORMAL" / "IM-2-1.png").symlink_to(root / "pool" / "IM-2-1.png")
    (root / "NORMAL" / "linked").symlink_to(root / "pool" / "more")
    images = load_folder(str(root))
    assert len(images.records) == 4
    assert not [warning for warning in images.warnings if warning.startswith("ignored")]


def test_two_names_of_one_part_or_class_are_named(tmp_path, draw):
    for name in ("train/NORMAL/IM-1-1.png", "train/normal/IM-2-1.png", "train/PNEUMONIA/person1_virus_1.png"):
        draw(tmp_path / name)
    for name in ("val/NORMAL/IM-3-1.png", "validation/NORMAL/IM-4-1.png", "validation/NORMAL/IM-5-1.png"):
        draw(tmp_path / name)
    assert load_folder(str(tmp_path)).warnings == (
        "several folders are read as one: 2 image files in train/NORMAL/ (1), train/normal/ (1)",
        "several folders are read as one: 3 image files in val/NORMAL/ (1), validation/NORMAL/ (2)",
    )


def test_images_of_several_folders_in_a_class_are_named(tree):
    images = load_folder(str(tree("NORMAL/more/IM-2-1.png", "NORMAL/more/IM-3-1.png")))
    assert len(images.records) == 4
    assert images.warnings == (
        "folders inside the class folders count as well: 3 image files in NORMAL/ (1), NORMAL/more/ (2)",
    )


def test_a_warning_counts_the_places_that_it_does_not_name(tree):
    (warning,) = load_folder(str(tree(*(f"other{number:02d}/a.png" for number in range(20))))).warnings
    assert "test: 20 image files in other00/ (1), " in warning
    assert warning.endswith("other11/ (1), and 8 more")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user to whom a folder can be closed")
def test_a_closed_folder_beside_the_classes_is_named(tree):
    root = tree("more/a.png")
    (root / "more").chmod(0)
    assert load_folder(str(root)).warnings == ("ignored folders that cannot be read: more",)
    (root / "more").chmod(0o755)


@pytest.mark.parametrize("part", ["", "train/"])
def test_classes_named_0_and_1_are_negative_and_positive(tmp_path, draw, part):
    for name in ("0/IM-1-1.png", "1/person1_virus_1.png", "1/person2_virus_1.png"):
        draw(tmp_path / "set" / f"{part}{name}")
    assert claims_folder(tmp_path / "set")
    for options in ({}, {"negative": 0, "positive": 1}, {"negative": "0", "positive": "1"}):
        images = load_folder(str(tmp_path / "set"), **options)
        assert [record.label for record in images.records] == [0, 1, 1]
        assert images.class_names == ClassNames(negative="0", positive="1")


def test_more_numbers_than_0_and_1_are_more_than_two_classes(tmp_path, draw):
    for name in ("0/a.png", "1/b.png", "2/c.png"):
        draw(tmp_path / name)
    assert not claims_folder(tmp_path)
    with pytest.raises(DataError, match=r"unclear .* Its classes: 0 \(1\), 1 \(1\), 2 \(1\)\."):
        load_folder(str(tmp_path))
    images = load_folder(str(tmp_path), negative=0, positive=2)
    assert keys(images) == ["0/a.png", "2/c.png"]
    assert images.warnings[0].endswith("1 image file in 1/ (1)")
