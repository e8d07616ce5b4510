from __future__ import annotations

import pickle
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.plugin import ConfigError, DataError
from cxrbench_datasets.manifest import claims_manifest, load_manifest
from cxrbench_datasets.paths import locate, name_places

WORDS = st.text("ab", min_size=1, max_size=2)
ABSOLUTE = st.lists(WORDS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
RELATIVE = st.lists(st.one_of(WORDS, st.just(".."), st.just(".")), min_size=1, max_size=4).map("/".join)


@pytest.fixture
def write(tmp_path):
    """Write the lines of a manifest and return its path."""

    def write_lines(*lines: str, name: str = "study.csv") -> Path:
        file = tmp_path / "set" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    return write_lines


def keys(images):
    return [record.key for record in images.records]


def test_every_column_arrives(write, draw):
    file = write(
        "path,label,patient,split,view,age,sex,site,source",
        "images/a.png,1,p1,train,PA,4,F,Basel,Kermany",
        "images/b.png,0,p2,test,,,,,",
    )
    draw(file.parent / "images" / "a.png")
    images = load_manifest(str(file))
    first, second = images.records
    assert (images.name, images.warnings) == ("study", ())
    assert (first.key, first.label, first.patient, first.split) == ("images/a.png", 1, "p1", "train")
    assert (first.view, first.age, first.sex, first.site, first.source) == ("PA", "4", "F", "Basel", "Kermany")
    assert (second.label, second.split) == (0, "test")
    assert (second.view, second.age, second.sex, second.site, second.source) == (None,) * 5
    assert pickle.loads(pickle.dumps(images.read))("images/a.png").is_file()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *(("0", 0), ("1", 1), ("normal", 0), ("NORMAL", 0), (" Pneumonia ", 1), ("pneumonia", 1)),
        *(("0.0", 0), ("1.0", 1), ("1.", 1), ("1.00", 1), ('"1,0"', 1), ("True", 1), ("FALSE", 0)),
    ],
)
def test_labels_may_be_numbers_or_words(write, text, label):
    assert load_manifest(str(write("path,label", f"a.png,{text}"))).records[0].label == label


def test_images_without_patient_are_counted_in_one_warning(write):
    images = load_manifest(str(write("path,label,patient", "a.png,0,", "b.png,1,p", "c.png,1,p")))
    (warning,) = images.warnings
    assert "1 of 3 images" in warning
    assert [record.patient for record in images.records] == ["a.png", "p", "p"]
    (warning,) = load_manifest(str(write("path,label", "a.png,0", "b.png,1"))).warnings
    assert "2 of 2 images" in warning


def test_unknown_columns_are_named_once(write):
    images = load_manifest(str(write("path,label,patient,scanner,note", "a.png,0,p,x,y")))
    (warning,) = images.warnings
    assert "scanner, note" in warning


def test_a_column_without_a_name_is_named_if_it_has_values(write):
    def warnings(*lines):
        return load_manifest(str(write(*lines))).warnings

    assert warnings(",path,label,patient", ",a.png,0,p", ",b.png,1,q") == ()
    (warning,) = warnings("path,label,patient,,", "a.png,0,p,,", "b.png,1,q,AP,")
    assert warning.startswith("ignored columns without a name of their own: (without a name) (known")


def test_images_beside_listed_ones_are_counted_and_named(write, draw, tmp_path):
    file = write("path,label,patient", "a.png,0,p", "images/b.png,1,q", f"{tmp_path / 'away' / 'c.png'},1,r", "gone/d.png,1,s")
    for name in ("set/a.png", "set/images/b.png", "set/images/e.png", "set/images/no ending", "set/deeper/f.png", "away/c.png"):
        draw((tmp_path / name).with_suffix(".png")).rename(tmp_path / name)
    draw(tmp_path / "away" / "g.png")
    (tmp_path / "set" / "images" / "._b.png").write_bytes(b"\0\5\x16\7")
    (warning,) = load_manifest(str(file)).warnings
    assert warning == ("ignored 3 image files that the manifest does not list, beside those that it lists: ./ (1), images/ (2)")


def test_what_spreadsheets_do_to_a_file_is_understood(write):
    file = write("unused", name="excel.CSV")
    file.write_bytes('\ufeffPath, Label ,patient\r\n"a, b.png",1,p\r\n,,\r\n\r\nsub\\c.png,0,q\r\n'.encode())
    images = load_manifest(str(file))
    assert keys(images) == ["a, b.png", "sub/c.png"]
    assert images.warnings == ()


ROWS = (["a.png", "1.0", "p 1"], ["b, c.png", "0.0", "q;2"])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_encodings_of_spreadsheets_are_understood(tmp_path, separator, encoding):
    file = tmp_path / "table.csv"
    lines = [separator.join(f'"{cell}"' if set(cell) & {",", ";"} else cell for cell in row) for row in ROWS]
    file.write_bytes("\r\n".join([separator.join(("path", "label", "patient")), *lines, ""]).encode(encoding))
    images = load_manifest(str(file))
    assert [(record.key, record.label, record.patient) for record in images.records] == [
        ("a.png", 1, "p 1"),
        ("b, c.png", 0, "q;2"),
    ]
    assert images.warnings == ()


def test_the_separator_that_excel_writes_first_is_used(write):
    images = load_manifest(str(write("sep=;", "path;label;patient", "a,b.png;1;p")))
    assert keys(images) == ["a,b.png"]


def test_a_header_with_commas_in_names_is_read_by_its_semicolons(write):
    images = load_manifest(str(write("path;label;patient;size[w,h,d]", "a.png;1;p;2")))
    assert images.records[0].columns == (("size[w,h,d]", "2"),)


def test_tables_with_tabs_are_claimed(write):
    assert claims_manifest(write("path\tlabel", name="a.tsv"))


def test_columns_may_have_other_names(write):
    file = write("Image,Target,PatientID,Fold,View,sex,label", "a.png,1,p,valid,PA,F,old", "b.png,0,q,validate,AP,M,new")
    images = load_manifest(str(file), path="Image", label="target", patient=" PatientID ", split="Fold", age="View")
    first, second = images.records
    assert (first.key, first.label, first.patient, first.split, first.sex, first.age) == ("a.png", 1, "p", "val", "F", "PA")
    assert (second.split, second.view) == ("val", None)
    assert first.columns == (("label", "old"),)
    assert "unknown columns, which only --split left-out:by=COLUMN can use: label " in images.warnings[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label": "Target"}, DataError, r"line 1: column target is missing \(found: 'path', 'label', 'age'\)"),
        ({"patient": "Person"}, DataError, r"column person is missing .*manifest:source=study.csv,patient=COLUMN"),
        ({"label": "path"}, ConfigError, "two columns are both to be read from 'path'"),
        ({"label": "age", "view": "Age"}, ConfigError, "two columns are both to be read from 'age'"),
    ],
)
def test_a_column_that_is_not_there_is_named(write, options, error, message):
    with pytest.raises(error, match=message):
        load_manifest(str(write("path,label,age", "a.png,1,4")), **options)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_accents_in_another_unicode_form_find_the_file(write, draw, tmp_path, forms, elsewhere):
    in_table, on_disk = forms
    folder, name = "M\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen", "ll\N{LATIN SMALL LETTER E WITH ACUTE}.png"
    top = tmp_path / ("away" if elsewhere else "set")
    there = draw(top / unicodedata.normalize(on_disk, folder) / unicodedata.normalize("NFC", name))
    written = unicodedata.normalize(in_table, f"{folder}/{name}")
    images = load_manifest(
        str(write("path,label,patient", f"{tmp_path / 'away'}/{written},1,p" if elsewhere else f"{written},1,p"))
    )
    assert keys(images) == [written.rpartition("/")[2] if elsewhere else written]  # as written: the same on every machine
    assert images.read(keys(images)[0]).samefile(there)
    assert images.warnings == ()
    there.unlink()
    assert not images.read(keys(images)[0]).exists()


def test_a_named_file_that_does_not_exist_is_listed(write):
    images = load_manifest(str(write("path,label,patient", "gone.png,1,p")))
    assert not images.read("gone.png").exists()


def test_keys_never_hold_an_absolute_path(write, tmp_path, draw):
    inside = draw(tmp_path / "set" / "images" / "a.png")
    outside = [draw(tmp_path / "elsewhere" / patient / "view1.png", grey) for patient, grey in (("p1", 1), ("p2", 2))]
    lines = [f"{path},1,p" for path in (inside, *outside, "../elsewhere/c.png", "C:\\Users\\me\\d.png")]
    images = load_manifest(str(write("path,label,patient", *lines)))
    assert keys(images) == ["images/a.png", "p1/view1.png", "p2/view1.png", "../elsewhere/c.png", "me/d.png"]
    read = pickle.loads(pickle.dumps(images.read))
    assert [read(key) for key in keys(images)[:3]] == [inside, *outside]
    assert read("../elsewhere/c.png").resolve() == tmp_path / "elsewhere" / "c.png"


def test_a_manifest_reached_by_a_link_has_the_same_keys(write, tmp_path, draw):
    inside = draw(tmp_path / "set" / "a.png")
    write("path,label,patient", f"{inside},1,p", "b.png,0,q")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    assert keys(load_manifest(str(tmp_path / "link" / "study.csv"))) == ["a.png", "b.png"]


@given(st.lists(st.one_of(ABSOLUTE, RELATIVE), max_size=6))
def test_distinct_places_have_distinct_relative_keys(texts):
    texts = list({place: text for text, place in zip(texts, locate(texts, Path("/a/b")), strict=True)}.values())
    try:
        names = name_places(locate(texts, Path("/a/b")), texts)
    except DataError:  # an absolute path outside whose whole length is also a relative one
        return
    assert len(set(names)) == len(names) == len(texts)
    assert not any(name.startswith("/") for name in names)


@given(st.lists(ABSOLUTE, unique=True, max_size=6), WORDS)
def test_keys_do_not_depend_on_where_the_data_is_mounted(paths, mount):
    here = [f"/here{path}" for path in paths]
    there = [f"/there/{mount}{path}" for path in paths]
    assert name_places(here, here) == name_places(there, there)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["path,label,patient", "a.png,2,p"],
            r"study.csv, line 2: label '2' is not valid: write 0 or normal, or 1 or pneumonia",
        ),
        (["path,label", "a.png,"], r"line 2: label '' is not valid"),
        (["path,label,split", "a.png,1,train", "", "b.png,1,dev"], r"line 4: split 'dev' is not valid: write train, val, test"),
        (["path,label", "a.png,1", "b.png,0", "./a.png,0"], r"line 4: './a.png' is already listed at .*study.csv, line 2"),
        (["path,label", ",1"], r"line 2: the path is empty"),
        (["file,label", "a.png,1"], r"line 1: column path is missing \(found: 'file', 'label'\).*header path,label\["),
        (
            ["file|label", "a.png|1"],
            r"column path and label is missing \(found: 'file|label'\).*manifest:source=study.csv,path=",
        ),
        (["path,label,label", "a.png,1,1"], r"column label appears twice"),
        (["path,label", "a,b.png,1"], r"line 2: 3 values for 2 columns"),
        (["path,label,patient", "a.png,1"], r"line 2: 2 values for 3 columns"),
        (["path,label", '"a.png,1'], r"line 2: unexpected end of data: check the quotes"),
        (["path,label", '"a.png"x,1'], r"line 2: .*check the quotes"),
        (["path,label"], r"a header but no images"),
        ([""], r"is empty: the first line must be the header"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(write, lines, message):
    with pytest.raises(DataError, match=message):
        load_manifest(str(write(*lines)))


def test_a_duplicate_is_found_under_another_spelling(write, tmp_path):
    file = write("path,label", "../set/a.png,1", f"{tmp_path / 'set' / 'a.png'},1")
    with pytest.raises(DataError, match=r"line 3: .* is already listed"):
        load_manifest(str(file))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("path,label\na.png,1\nbücher.png,0\n".encode("latin-1"), r"line 3: byte 0xfc is not UTF-8"),
        ("path,label\n".encode("utf-16-le"), "zero bytes"),
        (
            "path,label\na.png,1\n".encode("utf-16")[:-1],
            r"begins like UTF-16 text and is none \(truncated data\): save the file",
        ),
    ],
)
def test_text_in_another_encoding_is_refused(write, data, message):
    file = write("unused")
    file.write_bytes(data)
    with pytest.raises(DataError, match=message):
        load_manifest(str(file))


def test_an_invalid_source_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs a source"):
        load_manifest(None)
    with pytest.raises(ConfigError, match="not a file"):
        load_manifest(str(tmp_path))


def test_claims_csv_files_and_nothing_else(write, tmp_path):
    assert claims_manifest(write("path,label", name="a.csv"))
    assert claims_manifest(str(write("path,label", name="a.CSV")))
    assert not claims_manifest(write("path,label", name="a.txt"))
    assert not claims_manifest(tmp_path / "absent.csv")
