"""CheXpert. The first row is that of the published table, as public documentation shows it."""

from __future__ import annotations

import pytest

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.plugin import ClassNames, DataError, UnknownName
from cxrbench_collections.chexpert import claims_chexpert

HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
SMALL = "CheXpert-v1.0-small"


def row(place, normal="", pneumonia="", *, person="Male,61", view="Frontal,AP"):
    """Return a line with two labels; Fracture is 1.0 where an image is neither normal nor has pneumonia."""
    other = "1.0" if (normal, pneumonia) == ("", "") else ""
    return f"{SMALL}/{place},{person},{view},{normal},,,,,,,{pneumonia},,,,,{other},"


TRAIN = (
    f"{SMALL}/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0",
    row("train/patient00002/study1/view1_frontal.jpg", pneumonia="1.0", person="Female,90"),
    row("train/patient00002/study1/view2_lateral.jpg", pneumonia="1.0", person="Female,90", view="Lateral,"),
    row("train/patient00002/study2/view1_frontal.jpg", person="Female,90", view="Frontal,PA"),
    row("train/patient00003/study1/view1_frontal.jpg", pneumonia="-1.0", person="Unknown,0"),
    row("train/patient00004/study1/view1_frontal.jpg", pneumonia="0.0", view="Frontal,LL"),
    row("train/patient00004/study2/view1_frontal.jpg", normal="1.0", view="Frontal,RL"),
)
VALID = (
    row("valid/patient64541/study1/view1_frontal.jpg", "0.0", "1.0"),
    row("valid/patient64542/study1/view1_frontal.jpg", "1.0", "0.0"),
)


@pytest.fixture
def tree(write, touch, tmp_path):
    """Write both tables and all images, in the folder of the small release."""
    root = tmp_path / SMALL
    write(root / "train.csv", HEADER, *TRAIN)
    write(root / "valid.csv", HEADER, *VALID)
    touch(tmp_path, *(line.partition(",")[0] for line in (*TRAIN, *VALID)))
    return root


def short(images):
    """Return the labels by patient and study."""
    return {"/".join(record.key.split("/")[1:3]): record.label for record in images.records}


def test_records_have_all_that_the_tables_say(tree, images_of, records_of):
    images = images_of(tree)
    records = records_of(images)
    assert list(records) == [
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00002/study1/view1_frontal.jpg",
        "train/patient00004/study2/view1_frontal.jpg",
        "valid/patient64541/study1/view1_frontal.jpg",
        "valid/patient64542/study1/view1_frontal.jpg",
    ]
    first = records["train/patient00001/study1/view1_frontal.jpg"]
    assert (first.label, first.patient, first.split, first.view, first.age, first.sex) == (
        *(0, "patient00001", "train", "AP", "68", "F"),
    )
    assert (first.site, first.source) == ("Stanford Hospital", "chexpert")
    assert records["train/patient00004/study2/view1_frontal.jpg"].view == "frontal"
    assert records["valid/patient64541/study1/view1_frontal.jpg"].split == "val"
    assert (images.name, images.licence_class) == ("chexpert", "agreement")
    assert images.class_names == ClassNames(negative="No Finding", positive="Pneumonia")
    assert all(images.read(key).is_file() for key in records)


def test_what_is_left_out_is_counted_by_reason(tree, images_of):
    assert images_of(tree).warnings == (
        "left out 1 image of views that were not asked for: lateral (1)",
        "left out 1 image where Pneumonia is uncertain (label=positive-only)",
        "left out 2 images with neither Pneumonia nor No Finding (negatives=no-finding)",
    )


def test_a_study_never_borrows_labels_of_another_study(tree, load):
    assert short(load("chexpert", negatives="all"))["patient00002/study2"] == 0


@pytest.mark.parametrize(
    ("label", "expected"), [("positive-only", None), ("uncertain-as-positive", 1), ("uncertain-as-negative", 0)]
)
@pytest.mark.parametrize("negatives", ["no-finding", "all"])
def test_each_rule_decides_uncertain_images(tree, load, label, negatives, expected):
    labels = short(load("chexpert", label=label, negatives=negatives))
    assert labels.get("patient00003/study1") == expected
    assert labels.get("patient00004/study1") == (0 if negatives == "all" else None)
    assert len(labels) == 5 + (label != "positive-only") + 2 * (negatives == "all")


@pytest.mark.parametrize(
    ("views", "count"), [("frontal", 8), ("PA", 1), ("AP", 5), ("lateral", 1), ("all", 9), ("PA+lateral", 2)]
)
def test_views_choose_images(tree, load, views, count):
    options = {"label": "uncertain-as-negative", "negatives": "all", "views": views}
    assert len(load("chexpert", **options).records) == count


def test_age_zero_and_sex_unknown_are_unknown(tree, load, records_of):
    record = records_of(load("chexpert", label="uncertain-as-positive"))["train/patient00003/study1/view1_frontal.jpg"]
    assert (record.age, record.sex) == (None, None)


def test_the_label_rule_is_part_of_the_identity(tree, load):
    decoding = Decoding(size=8, resize="stretch", threads=1)
    options = [{"label": rule} for rule in ("positive-only", "uncertain-as-positive", "uncertain-as-negative")]
    options += [{"negatives": "all"}, {"views": "all"}]
    assert len({catalogue_images(load("chexpert", **each), decoding).fingerprint for each in options}) == len(options)


def test_the_full_release_reads_alike(tree, write, tmp_path, images_of, load):
    before = load("chexpert").records
    full = tree.rename(tmp_path / "CheXpert-v1.0")
    for name, lines in (("train.csv", TRAIN), ("valid.csv", VALID)):
        write(full / name, HEADER, *(line.replace(SMALL, "CheXpert-v1.0") for line in lines))
    assert images_of(full).records == load("chexpert").records == before


def test_one_of_the_tables_is_enough_and_said_so(tree, load):
    (tree / "train.csv").unlink()
    images = load("chexpert")
    assert len(images.records) == 2
    assert images.warnings == ("train.csv is not there: only the other part is read",)


def test_images_of_an_absent_folder_are_left_out_and_counted(tree, tmp_path, load):
    (tree / "train").rename(tmp_path / "elsewhere")
    images = load("chexpert")
    assert {record.split for record in images.records} == {"val"}
    assert images.warnings == ("left out 7 images whose folder is not on disk: train/ (7)",)
    (tree / "valid").rename(tmp_path / "too")
    assert len(load("chexpert").records) == 5


@pytest.mark.parametrize("column", ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", "Pneumonia"])
def test_a_missing_column_is_refused_by_name(tree, write, load, column):
    write(tree / "train.csv", HEADER.replace(column, "Other"), *TRAIN)
    with pytest.raises(DataError, match=rf"column '{column}' is missing"):
        load("chexpert")


def test_a_strange_label_or_path_is_refused(tree, write, load):
    write(tree / "train.csv", HEADER, TRAIN[1].replace("1.0", "2.0"))
    with pytest.raises(DataError, match=r"chexpert: a label is '2\.0'"):
        load("chexpert")
    write(tree / "train.csv", HEADER, TRAIN[1].replace("patient00002/", ""))
    with pytest.raises(DataError, match="does not end like train/patient00001"):
        load("chexpert")


def test_an_unknown_finding_is_refused_with_the_list(tree, load):
    with pytest.raises(UnknownName, match="did you mean Edema"):
        load("chexpert", finding="Oedema")


def test_a_train_csv_of_another_collection_is_not_claimed(write, tmp_path, load):
    write(tmp_path / "train.csv", "image_id,class_name,class_id,rad_id,x_min", "a,No finding,14,R1,")
    assert not claims_chexpert(tmp_path)
    with pytest.raises(DataError, match=r"has no train\.csv or valid\.csv"):
        load("chexpert")


def test_the_rules_for_datasets_are_kept(tree, broken_rules):
    assert broken_rules("chexpert") == []
