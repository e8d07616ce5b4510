"""ChestX-ray14. The rows of patients 1 to 3 are those of the published tables, as public documentation shows them."""

from __future__ import annotations

import os

import pytest

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.plugin import ClassNames, ConfigError, DataError, UnknownName

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
SIZE = "2048,2500,0.171,0.171"
ROWS = (
    "00000001_000.png,Cardiomegaly,0,1,57,M,PA,2682,2749,0.14300000000000002,0.14300000000000002",
    "00000001_001.png,Cardiomegaly|Emphysema,1,1,58,M,PA,2894,2729,0.14300000000000002,0.14300000000000002",
    "00000001_002.png,Cardiomegaly|Effusion,2,1,58,M,PA,2500,2048,0.168,0.168",
    f"00000002_000.png,No Finding,0,2,80,M,PA,{SIZE}",
    f"00000013_000.png,Pneumonia,0,13,56,F,AP,{SIZE}",
    f"00000013_001.png,Infiltration|Pneumonia,1,13,56,F,AP,{SIZE}",
    f"00000013_002.png,No Finding,2,13,57,F,PA,{SIZE}",
    f"00000020_000.png,Pleural_Thickening,0,20,9,M,PA,{SIZE}",
    f"00000021_000.png,No Finding,0,21,414,F,AP,{SIZE}",
    f"00000021_001.png,Pneumonia,1,21,61,F,,{SIZE}",
)
KEYS = [row.partition(",")[0] for row in ROWS]


@pytest.fixture
def tree(write, touch, tmp_path):
    """Write the table, all images and the two lists."""
    write(tmp_path / "Data_Entry_2017_v2020.csv", HEADER, *ROWS)
    write(tmp_path / "train_val_list.txt", *KEYS[:7])
    write(tmp_path / "test_list.txt", *KEYS[7:])
    touch(tmp_path / "images", *KEYS)
    return tmp_path


def test_records_have_all_that_the_table_says(tree, images_of, records_of):
    images = images_of(tree)
    records = records_of(images)
    assert list(records) == ["00000002_000.png", "00000013_000.png", "00000013_001.png", "00000013_002.png", "00000021_000.png"]
    one = records["00000013_001.png"]
    assert (one.label, one.patient, one.split, one.view, one.age, one.sex) == (1, "13", "train", "AP", "56", "F")
    assert (one.site, one.source) == ("NIH Clinical Center", "nih")
    assert (records["00000021_000.png"].split, records["00000021_000.png"].age) == ("test", None)
    assert (images.name, images.licence_class, images.leaks) == ("nih", "open", ())
    assert images.class_names == ClassNames(negative="No Finding", positive="Pneumonia")
    assert images.read(one.key) == tree / "images" / one.key


def test_what_is_left_out_is_counted_by_reason(tree, load):
    assert load("nih").warnings == (
        "left out 1 image of views that were not asked for: unknown (1)",
        "left out 4 images with neither Pneumonia nor No Finding (negatives=no-finding)",
        "1 image with an age above 120 years or one that cannot be read: the age is taken as unknown",
    )


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({}, (3, 2)),
        ({"negatives": "all"}, (7, 2)),
        ({"views": "all"}, (3, 3)),
        ({"views": "PA", "negatives": "all"}, (6, 0)),
        ({"views": "AP+PA"}, (3, 2)),
        ({"finding": "pleural_thickening"}, (3, 1)),
        ({"finding": "Cardiomegaly", "negatives": "all"}, (6, 3)),
    ],
)
def test_rules_and_views_choose_images(tree, load, labels_of, options, counts):
    labels = list(labels_of(load("nih", **options)).values())
    assert (labels.count(0), labels.count(1)) == counts


def test_the_name_and_the_classes_tell_the_finding(tree, load):
    images = load("nih", finding="effusion", negatives="all")
    assert (images.name, images.class_names) == ("nih-effusion", ClassNames(negative="no Effusion", positive="Effusion"))


def test_an_unknown_finding_or_view_is_refused(tree, load):
    with pytest.raises(UnknownName, match="findings of this table are Cardiomegaly, Pneumonia, "):
        load("nih", finding="Fever")
    with pytest.raises(ConfigError, match="'side' is not a view: write frontal, PA, AP, lateral or all"):
        load("nih", views="PA+side")
    with pytest.raises(DataError, match="no image is left with these options"):
        load("nih", views="lateral")


def test_options_are_part_of_the_identity_of_the_dataset(tree, load):
    decoding = Decoding(size=8, resize="stretch", threads=1)
    options = ({}, {"negatives": "all"}, {"views": "PA"}, {"finding": "Cardiomegaly"}, {"views": "all"})
    assert len({catalogue_images(load("nih", **each), decoding).fingerprint for each in options}) == len(options)


def test_the_same_images_in_other_folders_are_the_same_dataset(tree, load, touch):
    decoding = Decoding(size=8, resize="stretch", threads=1)
    before = catalogue_images(load("nih"), decoding).fingerprint
    for number, key in enumerate(KEYS):
        touch(tree, f"images_{number % 12 + 1:03d}/images/{key}")
        (tree / "images" / key).unlink()
    assert catalogue_images(load("nih"), decoding).fingerprint == before


def test_the_old_table_with_commas_and_units_reads_alike(tree, write, load):
    new = load("nih").records
    (tree / "Data_Entry_2017_v2020.csv").unlink()
    old = [f"{row.replace(',56,', ',056Y,').replace(',9,', ',009M,').replace(',80,', ',080Y,')}," for row in ROWS]
    write(tree / "Data_Entry_2017.csv", f"{HEADER.replace('Gender', 'Sex')},", *old)
    assert load("nih").records == new


def test_of_two_tables_the_newer_is_read_and_said_so(tree, write, load):
    write(tree / "Data_Entry_2017.csv", HEADER, ROWS[3])
    images = load("nih")
    assert len(images.records) == 5
    assert images.warnings[0] == "read Data_Entry_2017_v2020.csv, and not Data_Entry_2017.csv, which is also there"


@pytest.mark.parametrize(
    "column", ["Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position"]
)
def test_a_missing_column_is_refused_by_name(tree, write, load, column):
    write(tree / "Data_Entry_2017_v2020.csv", HEADER.replace(column, "Other"), *ROWS)
    with pytest.raises(DataError, match=rf"column '{column}'.* is missing"):
        load("nih")


def test_without_the_lists_there_is_no_split(tree, load):
    (tree / "test_list.txt").unlink()
    images = load("nih")
    assert {record.split for record in images.records} == {None}
    assert images.warnings[0] == "no official split without test_list.txt"


def test_a_list_that_is_no_text_is_refused(tree, load):
    (tree / "test_list.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(DataError, match=r"test_list\.txt is not UTF-8 text"):
        load("nih")


def test_images_in_no_list_are_counted(tree, write, load, records_of):
    write(tree / "test_list.txt", KEYS[-1])
    images = load("nih")
    assert images.warnings[0].startswith("2 images in neither train_val_list.txt nor test_list.txt")
    assert records_of(images)["00000021_000.png"].split is None


def test_images_of_absent_folders_are_left_out_and_counted(tree, touch, load, labels_of):
    for key in KEYS:
        (tree / "images" / key).unlink()
    touch(tree, "images_001/images/00000002_000.png", "images_003/images/00000013_001.png", "images_003/readme.png")
    images = load("nih")
    assert labels_of(images) == {"00000002_000.png": 0, "00000013_001.png": 1}
    assert images.read("00000013_001.png") == tree / "images_003/images/00000013_001.png"
    assert images.warnings == (
        "left out 8 images whose folder is not on disk: outside images_001/images/, images_003/images/, images_003/ (8)",
    )


def test_with_all_folders_a_missing_file_is_left_to_the_decoder(tree, touch, load, labels_of):
    (tree / "images" / KEYS[3]).unlink()
    for number in range(1, 13):
        touch(tree, f"images_{number:03d}/images/unlisted{number}.png")
    assert labels_of(load("nih"))[KEYS[3]] == 0


def test_tables_alone_list_every_image(tree, load):
    for key in KEYS:
        (tree / "images" / key).unlink()
    images = load("nih")
    assert len(images.records) == 5
    assert images.warnings[0].startswith("no image files in ")


def test_an_image_in_two_folders_is_read_once_and_said_so(tree, touch, load):
    touch(tree, f"images_001/{KEYS[3]}")
    images = load("nih")
    assert len(images.records) == 5
    assert images.read(KEYS[3]) == tree / "images_001" / KEYS[3]
    assert images.warnings[0] == "1 image in images/ and another folder, which is read"


def test_an_image_that_is_listed_twice_is_refused(tree, write, load):
    write(tree / "Data_Entry_2017_v2020.csv", HEADER, *ROWS, ROWS[3])
    with pytest.raises(DataError, match=r"the tables list 00000002_000\.png more than once"):
        load("nih")


def test_no_image_is_looked_at(tree, touch, load, monkeypatch):
    def calls():
        counted = []
        with monkeypatch.context() as patch:
            real = os.stat
            patch.setattr(os, "stat", lambda *arguments, **options: counted.append(arguments) or real(*arguments, **options))
            load("nih")
        return len(counted)

    load("nih")
    before = calls()
    touch(tree / "images", *(f"{number:08d}_000.png" for number in range(100, 400)))
    assert calls() == before


def test_a_missing_folder_is_refused(images_of, tmp_path):
    with pytest.raises(ConfigError, match="nih needs a source: write nih:source=FOLDER, and give the folder of ChestX-ray14"):
        images_of("nih")
    with pytest.raises(ConfigError, match="is not a folder"):
        images_of(f"nih:source='{tmp_path / 'none'}'")
    with pytest.raises(DataError, match=r"has neither Data_Entry_2017_v2020\.csv nor"):
        images_of(f"nih:source='{tmp_path}'")


def test_the_rules_for_datasets_are_kept(tree, broken_rules):
    assert broken_rules("nih") == []
