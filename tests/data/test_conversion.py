"""Any dataset becomes a table that `manifest` reads as the same records."""

from __future__ import annotations

import csv
import io
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cxrbench.data.conversion import convert, file_of, write_images
from cxrbench.errors import ConfigError, DataError
from cxrbench.plugin import ClassNames, Images, Record
from cxrbench_datasets.folder import load_folder
from cxrbench_datasets.manifest import load_manifest
from cxrbench_datasets.phantom import load as load_phantom
from cxrbench_datasets.sample import load_sample


def as_read(records, reader):
    """Return records without their keys, with the bytes of their images, and whether the patient is known."""
    for record in records:
        found = reader(record.key)
        content = found.read_bytes() if isinstance(found, Path) else found
        known = record.patient if record.patient != record.key else None
        yield replace(record, key="", patient=""), known, content


def written(images, file, place_of=None, **options):
    """Write a table, read it, and return the images of both."""
    conversion = convert(images, file.parent, place_of or partial(file_of, images))
    file.write_text(conversion.text(), encoding="utf-8")
    return load_manifest(str(file), **options)


@pytest.fixture
def tree(tmp_path, encode):
    """A tree of three classes with names that CSV, shells and spreadsheets stumble over."""
    for row, name in enumerate(("test/Normal/a, b.png", "train/Normal/\N{LUNGS}.png", 'train/TB "x"/c.png', "train/Flu/d.png")):
        path = tmp_path / "lungs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(np.full((4, 4), row, dtype=np.uint8)))
    return tmp_path / "lungs"


@pytest.mark.parametrize("place", ["table.csv", "lungs/table.csv", "deep/er/table.csv"])
def test_a_tree_is_read_again_from_its_table(tree, tmp_path, place):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    images = load_folder(str(tree), positive='TB "x"+Flu', negative="Normal")
    again = written(images, tmp_path / place, positive='TB "x"+Flu')
    assert list(as_read(again.records, again.read)) == list(as_read(images.records, images.read))
    assert again.class_names == images.class_names
    assert len({record.key for record in again.records}) == 4


def test_paths_are_right_where_the_table_is_reached_by_a_link(tree, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    images = load_folder(str(tree), positive="Flu", negative="Normal")
    again = written(images, tmp_path / "link" / "table.csv", positive="Flu")
    assert all(again.read(record.key).is_file() for record in again.records)


def test_a_table_and_its_images_can_be_moved_together(tree, tmp_path):
    images = load_folder(str(tree), positive="Flu", negative="Normal")
    keys = [record.key for record in written(images, tmp_path / "table.csv", positive="Flu").records]
    (tmp_path / "elsewhere").mkdir()
    for name in ("lungs", "table.csv"):
        shutil.move(tmp_path / name, tmp_path / "elsewhere" / name)
    moved = load_manifest(str(tmp_path / "elsewhere" / "table.csv"), positive="Flu")
    assert [record.key for record in moved.records] == keys
    assert all(moved.read(key).is_file() for key in keys)


def test_every_column_of_a_table_is_kept(tmp_path, encode):
    (tmp_path / "a.png").write_bytes(encode(np.zeros((4, 4), dtype=np.uint8)))
    header = "path;label;patient;split;view;age;sex;site;source;Scanner;note"
    (tmp_path / "first.csv").write_text(f"{header}\na.png;1,0;;val;PA;045Y;F;Bern;NIH;x;1;\n".replace("x;1;", '"x,y";1'))
    images = load_manifest(str(tmp_path / "first.csv"))
    again = written(images, tmp_path / "second.csv")
    assert again.records == images.records
    assert images.records[0].columns == (("scanner", "x,y"), ("note", "1"))


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6).map(str.strip)
OPTIONAL = TEXTS.map(lambda text: text or None)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r/\\"), min_size=1, max_size=5).map(
    lambda text: f"{text}.png"
)
RECORDS = st.builds(
    dict,
    label=st.sampled_from([0, 1]),
    patient=st.one_of(st.none(), TEXTS.filter(bool)),
    split=st.sampled_from([None, "train", "val", "test"]),
    **dict.fromkeys(("view", "age", "sex", "site", "source"), OPTIONAL),
    columns=TEXTS.map(lambda text: (("scanner", text),)),
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(NAMES.map(str.strip), RECORDS), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
def test_records_of_any_text_are_the_same_when_read_again(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("any")
    records = [Record(key=key, **{**values, "patient": values["patient"] or key}) for key, values in drawn]
    images = Images(name="any", records=records, read=lambda key: folder / "images" / key)
    again = written(images, folder / "table.csv")
    expected = [(replace(one, key="", patient=""), one.patient if one.patient != one.key else None) for one in records]
    found = [(replace(one, key="", patient=""), one.patient if one.patient != one.key else None) for one in again.records]
    assert found == expected
    assert [one.key for one in again.records] == [os.path.normpath(f"images/{one.key}") for one in records]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (ClassNames(), ("0", "1")),
        (ClassNames(negative="Normal", positive="TB"), ("Normal", "TB")),
        (ClassNames(negative="PNEUMONIA", positive="Normal"), ("0", "1")),  # else read the other way round without options
        (ClassNames(negative="1", positive="0"), ("0", "1")),
        (ClassNames(negative="false", positive="COVID"), ("0", "1")),
    ],
)
def test_labels_are_words_unless_they_would_be_misread(tmp_path, names, labels):
    records = [Record(key=f"{label}.png", label=label, patient=f"p{label}") for label in (0, 1)]
    images = Images(name="x", records=records, read=lambda key: tmp_path / key, class_names=names)
    assert [row[1] for row in convert(images, tmp_path, partial(file_of, images)).rows] == [*labels]


def test_the_collection_of_images_is_their_source(tmp_path):
    records = [Record(key="a.png", label=1, patient="p"), Record(key="b.png", label=0, patient="q", source="ward 3")]
    images = Images(name="x", records=records, read=lambda key: tmp_path / key, collection="nih")
    assert [one.source for one in written(images, tmp_path / "table.csv").records] == ["nih", "ward 3"]


def test_letters_that_spreadsheets_misread_get_a_byte_order_mark(tmp_path):
    def text(patient):
        images = Images(name="x", records=[Record(key="a.png", label=1, patient=patient)], read=lambda key: tmp_path / key)
        return convert(images, tmp_path, partial(file_of, images)).text()

    assert text("p") == "path,label,patient\na.png,1,p\n"
    assert text("\N{LATIN SMALL LETTER U WITH DIAERESIS}").startswith("\ufeffpath,")


def test_the_name_of_a_further_column_does_not_hide_a_known_one(tmp_path):
    (tmp_path / "first.csv").write_text("path,Target,label\na.png,1,old\n")
    images = load_manifest(str(tmp_path / "first.csv"), label="Target")
    again = written(images, tmp_path / "second.csv")
    assert (again.records[0].label, again.records[0].columns) == (1, (("other label", "old"),))


@pytest.mark.parametrize("load", [partial(load_phantom, None, images=60, size=32), load_sample])
def test_images_that_are_not_files_are_written(tmp_path, load):
    images, done = load(), []
    with pytest.raises(ConfigError, match="not files of their own: add --images FOLDER"):
        convert(images, tmp_path, partial(file_of, images))
    names = write_images(images, tmp_path / "images", lambda: done.append(1))
    again = written(images, tmp_path / "table.csv", lambda record: tmp_path / "images" / names[record.key])
    assert len(done) == len(images.records) == len(again.records)
    assert [(one.label, one.patient, one.split) for one in again.records] == [
        (one.label, one.patient, one.split) for one in images.records
    ]
    for first, second in zip(images.records[:20], again.records, strict=False):
        found, file = images.read(first.key), again.read(second.key)
        same = file.read_bytes() == found if isinstance(found, bytes) else np.array_equal(np.asarray(Image.open(file)), found)
        assert same, second.key


def test_keys_never_lead_out_of_the_folder_of_images(tmp_path):
    keys = ["../a", "/b", "c/../../d", "C:\\e", "f/", "F", ".hidden", "CO:N", "..", "x/y.png"]
    pixels = {key: np.full((2, 2), number, dtype=np.uint8) for number, key in enumerate(keys)}
    records = [Record(key=key, label=1, patient=key) for key in keys]
    names = write_images(Images(name="x", records=records, read=pixels.get), tmp_path / "images", lambda: None)
    assert len({name.casefold() for name in names.values()}) == len(keys)
    for key, name in names.items():
        path = tmp_path / "images" / name
        assert path.resolve().is_relative_to(tmp_path / "images")
        assert np.array_equal(np.asarray(Image.open(path)), pixels[key])
        assert not any(part.startswith(".") for part in Path(name).parts)


def test_files_need_no_folder_of_images(tree, tmp_path):
    images = load_folder(str(tree), positive="Flu", negative="Normal")
    with pytest.raises(ConfigError, match="are files already: leave --images out"):
        write_images(images, tmp_path / "images", lambda: None)


@pytest.mark.parametrize("name", ["back\\slash.png", " before.png", "bytes \udcff.png"])
def test_a_path_that_a_table_cannot_hold_is_refused(tmp_path, name):
    records = [Record(key="a", label=1, patient="p")]
    images = Images(name="x", records=records, read=lambda key: tmp_path / name)
    with pytest.raises(DataError, match="the path of a cannot be written in a table: rename the file"):
        convert(images, tmp_path, partial(file_of, images))


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    def fail(key):
        raise DataError("is gone")

    images = Images(name="x", records=[Record(key="a", label=1, patient="p")], read=fail)
    with pytest.raises(DataError, match="a is gone: it cannot be converted"):
        write_images(images, tmp_path, lambda: None)


def test_only_columns_with_values_are_written(tmp_path):
    records = [Record(key="a", label=1, patient="a", sex="F"), Record(key="b", label=0, patient="b")]
    images = Images(name="x", records=records, read=lambda key: tmp_path / f"{key}.png")
    rows = list(csv.reader(io.StringIO(convert(images, tmp_path, partial(file_of, images)).text())))
    assert rows == [["path", "label", "patient", "sex"], ["a.png", "1", "", "F"], ["b.png", "0", "", ""]]
