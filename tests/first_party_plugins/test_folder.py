from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from cxrbench.plugin import ClassNames, ConfigError, DataError
from cxrbench_datasets.folder import claims_folder, load_folder


@pytest.fixture
def tree(tmp_path, draw):
    """Kaggle's layout with two patients of two images each in train and one image of each class in test."""
    root = tmp_path / "chest_xray"
    for name in (
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/NORMAL/IM-0115-0002.jpeg",
        "train/PNEUMONIA/person1000_virus_1681_2.jpeg",
        "train/PNEUMONIA/person1000_virus_1682.jpeg",
        "train/PNEUMONIA/person1000_bacteria_2931.jpeg",
        "test/NORMAL/NORMAL2-IM-0115-0001.jpeg",
        "test/PNEUMONIA/person7_virus_1.jpeg",
        "val/NORMAL/IM-0003-0001.jpeg",
        "val/PNEUMONIA/person8_virus_1.jpeg",
    ):
        draw(root / name)
    return root


def keys(images):
    return [record.key for record in images.records]


def test_lists_kaggles_tree_with_labels_parts_and_patients(tree):
    images = load_folder(str(tree))
    assert images.name == "chest_xray"
    assert images.warnings == ()
    assert keys(images) == sorted(keys(images))
    found = {record.key: (record.label, record.split, record.patient) for record in images.records}
    assert len(found) == 9
    assert found["train/NORMAL/IM-0115-0002.jpeg"] == (0, "train", "IM-115")
    assert found["train/PNEUMONIA/person1000_virus_1681_2.jpeg"] == (1, "train", "virus-1000")
    assert found["test/NORMAL/NORMAL2-IM-0115-0001.jpeg"] == (0, "test", "NORMAL2-IM-115")
    assert found["val/PNEUMONIA/person8_virus_1.jpeg"] == (1, "val", "virus-8")


def test_the_reader_survives_pickling_and_finds_every_file(tree):
    images = load_folder(str(tree))
    read = pickle.loads(pickle.dumps(images.read))
    assert all(read(record.key).is_file() for record in images.records)


def test_a_relative_source_still_reads_after_a_change_of_folder(tree, monkeypatch):
    monkeypatch.chdir(tree)
    images = load_folder(".")
    monkeypatch.chdir("/")
    assert images.name == "chest_xray"
    assert images.read("test/PNEUMONIA/person7_virus_1.jpeg").is_file()


def test_patient_keys_differ_in_how_much_they_merge(tree):
    def patients(patient_key):
        return len({record.patient for record in load_folder(str(tree), patient_key=patient_key).records})

    assert (patients("kermany-merged"), patients("kermany"), patients("file")) == (5, 7, 9)


def test_a_flat_tree_has_no_parts(tmp_path, draw):
    draw(tmp_path / "normal" / "a.png")
    draw(tmp_path / "Pneumonia" / "deeper" / "b.png")
    images = load_folder(str(tmp_path))
    assert keys(images) == ["Pneumonia/deeper/b.png", "normal/a.png"]
    assert {record.split for record in images.records} == {None}


def test_a_tree_may_have_only_some_parts_in_any_case(tmp_path, draw):
    for name in ("Train/NORMAL/a.png", "Train/PNEUMONIA/b.png", "valid/PNEUMONIA/c.png"):
        draw(tmp_path / name)
    assert [record.split for record in load_folder(str(tmp_path)).records] == ["train", "train", "val"]


def test_files_without_a_patient_are_counted_in_one_warning(tree, draw):
    draw(tree / "train" / "NORMAL" / "image.png")
    images = load_folder(str(tree))
    (warning,) = images.warnings
    assert "1 of 10 files" in warning
    assert "patient column" in warning
    record = next(record for record in images.records if record.key.endswith("image.png"))
    assert record.patient == record.key


def test_hidden_files_are_skipped_and_other_files_kept(tree):
    normal = tree / "train" / "NORMAL"
    before = len(load_folder(str(tree)).records)
    for hidden in (".DS_Store", "._IM-0115-0001.jpeg", "__MACOSX/IM-1-1.jpeg", ".cache/IM-1-1.jpeg"):
        (normal / hidden).parent.mkdir(exist_ok=True)
        (normal / hidden).write_bytes(b"x")
    (normal / "IM-0200-0001.txt").write_text("no image")
    (normal / "IM-0201-0001.jpeg").symlink_to(normal / "gone.jpeg")
    assert len(load_folder(str(tree)).records) == before + 2


def test_kaggles_archive_is_followed_one_level_and_counted_once(tree, draw):
    nested = tree / "chest_xray"
    draw(nested / "train" / "NORMAL" / "IM-0115-0001.jpeg")
    assert len(load_folder(str(tree)).records) == 9
    (warning,) = load_folder(str(tree)).warnings
    assert warning == "ignored a second copy, as in Kaggle's archive: 1 image file in chest_xray/ (1)"
    outer = tree.parent / "outer" / "chest_xray"
    outer.mkdir(parents=True)
    expected = keys(load_folder(str(tree)))
    tree.rename(outer / "chest_xray")
    assert claims_folder(outer)
    assert keys(load_folder(str(outer))) == expected


def test_other_class_names_can_be_given(tmp_path, draw):
    draw(tmp_path / "Normal" / "images" / "Normal-1.png")
    draw(tmp_path / "Normal" / "masks" / "Normal-1.png")
    draw(tmp_path / "Viral Pneumonia" / "images" / "Viral Pneumonia-1.png")
    draw(tmp_path / "COVID" / "images" / "COVID-1.png")
    images = load_folder(str(tmp_path), negative="NORMAL", positive="viral pneumonia")
    assert keys(images) == ["Normal/images/Normal-1.png", "Viral Pneumonia/images/Viral Pneumonia-1.png"]
    assert images.class_names == ClassNames(negative="NORMAL", positive="viral pneumonia")
    other, masks, _ = images.warnings
    assert other == "ignored classes that are neither the positive nor the negative one: 1 image file in COVID/ (1)"
    assert masks == "ignored masks: 1 image file in Normal/masks/ (1)"


def test_folders_beside_the_class_folders_of_a_part_are_named(tree, draw):
    draw(tree / "train" / "COVID19" / "c.png")
    (warning,) = load_folder(str(tree)).warnings
    assert "train/COVID19" in warning


@pytest.mark.parametrize("present", ["NORMAL", "PNEUMONIA"])
def test_one_class_alone_is_an_error_that_names_the_missing_one(tmp_path, draw, present):
    (missing,) = {"NORMAL", "PNEUMONIA"} - {present}
    draw(tmp_path / "train" / present / "a.png")
    with pytest.raises(DataError, match=rf"no files of class {missing}: found train/{present} \(files: 1\)"):
        load_folder(str(tmp_path))
    (tmp_path / "train" / missing).mkdir()
    with pytest.raises(DataError, match=rf"train/{missing} \(files: 0\)"):
        load_folder(str(tmp_path))


def test_no_class_folders_is_an_error_that_says_what_was_found(tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(DataError, match=r"has cats/; expected NORMAL/ and PNEUMONIA/"):
        load_folder(str(tmp_path))


def test_class_folders_on_two_levels_are_an_error(tree, draw):
    draw(tree / "NORMAL" / "a.png")
    with pytest.raises(DataError, match="NORMAL/ both directly and in"):
        load_folder(str(tree))


def test_an_invalid_source_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs a source"):
        load_folder(None)
    with pytest.raises(ConfigError, match="not a folder"):
        load_folder(str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="are both"):
        load_folder(str(tmp_path), negative="a", positive="A")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user to whom a folder can be closed")
def test_a_closed_folder_is_named(tree):
    closed = tree / "train" / "NORMAL"
    closed.chmod(0)
    with pytest.raises(DataError, match=r"cannot read .*NORMAL: Permission denied"):
        load_folder(str(tree))
    closed.chmod(0o755)


def test_claims_trees_and_nothing_else(tree, tmp_path):
    assert claims_folder(tree)
    assert claims_folder(str(tree / "train"))
    assert not claims_folder(tree / "train" / "NORMAL")
    assert not claims_folder(tmp_path / "absent")
    assert not claims_folder(Path(__file__))


def test_the_real_collection_has_its_known_counts(real_images):
    images = load_folder(str(real_images))
    assert images.warnings == ()
    assert len(images.records) == 5216
    assert sum(record.label for record in images.records) == 3875
    assert len({record.patient for record in images.records}) == 3654
