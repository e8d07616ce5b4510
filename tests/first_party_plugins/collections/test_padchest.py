"""PadChest, with made-up ids and reports."""

from __future__ import annotations

import pytest

from cxrbench.plugin import ClassNames, DataError, UnknownName

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
COLUMNS = (
    *("", "ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth", "PatientSex_DICOM"),
    *("ViewPosition_DICOM", "Projection", "MethodProjection", "Pediatric", "Modality_DICOM", "Rows_DICOM", "Columns_DICOM"),
    *("ReportID", "Report", "MethodLabel", "Labels", "Localizations", "LabelsLocalizationsBySentence", "labelCUIS"),
    "LocalizationsCUIS",
)
IMAGES = (
    ("a", 0, "1934.0", "F", "PA", "Physician", "['pneumonia', 'infiltrates']"),
    ("b", 0, "1934.0", "F", "L", "Physician", "['pneumonia']"),
    ("c", 1, "1950", "M", "AP_horizontal", "RNN_model", "[' pneumonia', 'normal']"),
    ("d", 1, "1960", "M", "AP", "RNN_model", "['normal']"),
    ("e", 2, "1970", "F", "PA", "Physician", "['normal', 'scoliosis']"),
    ("f", 2, "1980", "F", "PA", "Physician", "['atypical pneumonia', 'Reticular pattern']"),
    ("g", 2, "1980", "F", "PA", "Physician", '["viral pneumonia", "pneumonia"]'),
    ("h", 3, "", "O", "UNK", "RNN_model", "['normal']"),
    ("i", 3, "1850", "M", "PA", "RNN_model", "['normal']"),
    ("j", 3, "1990", "M", "PA", "RNN_model", "['exclude', 'pneumonia']"),
    ("k", 3, "1990", "M", "PA", "RNN_model", "['suboptimal study', 'normal']"),
    ("l", 3, "1990", "M", "PA", "RNN_model", "['unchanged']"),
    ("m", 3, "1990", "M", "COSTAL", "RNN_model", "['rib fracture']"),
    ("n", 3, "1990", "M", "PA", "RNN_model", ""),
    ("o", 3, "1990", "M", "PA", "RNN_model", "nan"),
)


def line(number, row):
    image, folder, birth, sex, projection, method, labels = row
    quoted = '"' + labels.replace('"', '""') + '"'
    report = '"una, opacidad"'
    cells = (
        number,
        f"{image}.png",
        folder,
        20100228,
        f"s{number}",
        f"p{image}",
        birth,
        sex,
        "",
        projection,
        "Manual",
        "No",
        "CR",
    )
    return ",".join(map(str, (*cells, 3000, 2500, number, report, method, quoted, '"[]"', '"[]"', '"[]"', '"[]"')))


@pytest.fixture
def tree(write, touch, tmp_path):
    """Write the table and all images."""
    write(tmp_path / TABLE, ",".join(COLUMNS), *(line(number, row) for number, row in enumerate(IMAGES)))
    touch(tmp_path, *(f"{folder}/{name}.png" for name, folder, *_ in IMAGES))
    return tmp_path


def short(images):
    return {record.key.removesuffix(".png"): record.label for record in images.records}


def test_records_have_all_that_the_table_says(tree, images_of, records_of):
    images = images_of(tree)
    records = records_of(images)
    assert short(images) == {"a": 1, "c": 1, "d": 0, "g": 1, "i": 0}
    one = records["c.png"]
    assert (one.patient, one.split, one.view, one.age, one.sex) == ("pc", None, "AP", "60", "M")
    assert (one.site, one.source) == ("Hospital San Juan", "padchest")
    assert (images.name, images.licence_class) == ("padchest", "agreement")
    assert images.class_names == ClassNames(negative="normal", positive="pneumonia")
    assert all(images.read(key).is_file() for key in records)


def test_what_is_left_out_is_counted_by_reason(tree, images_of):
    assert images_of(tree).warnings == (
        "left out 3 images of views that were not asked for: lateral (1), other (1), unknown (1)",
        "left out 1 image labelled atypical pneumonia, which is not pneumonia by name",
        "left out 1 image labelled exclude",
        "left out 1 image labelled suboptimal study",
        "left out 1 image labelled unchanged",
        "left out 1 image with neither pneumonia nor normal (negatives=no-finding)",
        "left out 2 images without labels",
        "1 image with an age above 120 years or one that cannot be read: the age is taken as unknown",
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"negatives": "all"}, {"a": 1, "c": 1, "d": 0, "e": 0, "g": 1, "i": 0}),
        ({"method": "Physician"}, {"a": 1, "g": 1}),
        ({"method": "Physician", "negatives": "all"}, {"a": 1, "e": 0, "g": 1}),
        ({"views": "lateral"}, {"b": 1}),
        ({"views": "AP"}, {"c": 1, "d": 0}),
        ({"views": "all"}, {"a": 1, "b": 1, "c": 1, "d": 0, "g": 1, "h": 0, "i": 0}),
        ({"finding": "Atypical Pneumonia"}, {"d": 0, "f": 1, "i": 0}),
        ({"finding": "reticular pattern", "views": "PA"}, {"f": 1, "i": 0}),
    ],
)
def test_options_choose_images_and_labels(tree, load, options, expected):
    assert short(load("padchest", **options)) == expected


def test_ages_are_those_at_the_examination(tree, load, records_of):
    records = records_of(load("padchest", views="all"))
    assert {key[0]: record.age for key, record in records.items()} == {
        **{"a": "76", "b": "76", "c": "60", "d": "50", "g": "30", "h": None, "i": None},
    }
    assert records["h.png"].sex is None


def test_an_unknown_finding_lists_labels_without_unusable_ones(tree, load):
    with pytest.raises(
        UnknownName, match=r"are pneumonia, infiltrates, scoliosis, atypical pneumonia, reticular pattern, viral"
    ):
        load("padchest", finding="fever")
    with pytest.raises(UnknownName):
        load("padchest", finding="exclude")


def test_images_of_absent_folders_are_left_out_and_counted(tree, tmp_path, load):
    (tree / "1").rename(tmp_path / "away")
    images = load("padchest")
    assert short(images) == {"a": 1, "g": 1, "i": 0}
    assert images.warnings[0] == "left out 2 images whose folder is not on disk: 1/ (2)"


@pytest.mark.parametrize("place", ["", "images"])
def test_images_may_lie_in_one_folder(tree, touch, load, place):
    for path in list(tree.glob("[0-9]/*.png")):
        path.unlink()
    for folder in "0123":
        (tree / folder).rmdir()
    touch(tree / place, *(f"{name}.png" for name, *_ in IMAGES))
    images = load("padchest")
    assert short(images) == {"a": 1, "c": 1, "d": 0, "g": 1, "i": 0}
    assert all(images.read(record.key).is_file() for record in images.records)


@pytest.mark.parametrize(
    "column", ["ImageID", "ImageDir", "StudyDate_DICOM", "PatientID", "PatientBirth", "Projection", "MethodLabel", "Labels"]
)
def test_a_missing_column_is_refused_by_name(tree, write, load, column):
    write(tree / TABLE, ",".join("other" if name == column else name for name in COLUMNS), line(0, IMAGES[0]))
    with pytest.raises(DataError, match=rf"column '{column}' is missing"):
        load("padchest")


def test_the_rules_for_datasets_are_kept(tree, broken_rules):
    assert broken_rules("padchest") == []
