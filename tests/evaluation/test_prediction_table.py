"""The table of predictions on disk: small, equal for equal predictions, and safe to read whoever wrote it."""

from __future__ import annotations

import io
import json
import os
import re
import tracemalloc
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.errors import CxrbenchError
from cxrbench.evaluation import prediction_table
from cxrbench.evaluation.prediction_table import ARRAYS, read_predictions, write_predictions
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS, SUBSETS, Predictions

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
SCORES = st.floats(0, 1).map(abs)


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("predictions") / "recipe.npz"


def head(images, scores, *, subset="test", fold=0, seed=0):
    """Return the predictions of a head for images, each a key, a patient and a label."""
    keys, patients, labels = zip(*images, strict=True)
    return Predictions(
        subset=subset,
        fold=fold,
        seed=seed,
        keys=np.array(keys, dtype=str),
        patients=np.array(patients, dtype=str),
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )


IMAGES = [(f"{number}.png", f"p{number // 2}", number % 2) for number in range(4)]


def two_heads():
    return [head(IMAGES, [0.1, 0.2, 1 / 3, 0.4]), head(IMAGES, [0.5, 0.6, 0.7, 0.8], seed=1)]


@st.composite
def tables(draw):
    """Draw heads that scored parts of the same images, in any order."""
    keys = draw(st.lists(TEXTS, min_size=1, max_size=6, unique=True))
    images = [(key, draw(TEXTS), draw(st.integers(0, 1))) for key in keys]
    place = st.tuples(st.sampled_from(SUBSETS), st.integers(0, 3), st.integers(MEAN_OF_SEEDS, 3))
    heads = []
    columns = draw(st.lists(TEXTS, max_size=2, unique=True))
    groups = {column: dict(zip(keys, draw(st.lists(TEXTS, min_size=6, max_size=6)), strict=False)) for column in columns}
    for subset, fold, seed in draw(st.lists(place, min_size=1, max_size=6, unique=True)):
        part = draw(st.permutations(images))[: draw(st.integers(1, len(images)))]
        made = head(part, [draw(SCORES) for _ in part], subset=subset, fold=fold, seed=seed)
        heads.append(replace(made, groups={column: np.array([of[key] for key, *_ in part]) for column, of in groups.items()}))
    return heads


def content(one):
    groups = {column: values.tolist() for column, values in one.groups.items()}
    return (
        groups,
        one.subset,
        one.fold,
        one.seed,
        one.keys.tolist(),
        one.patients.tolist(),
        one.labels.tolist(),
        one.scores.astype(np.float64).tobytes(),
    )


def assert_valid(heads):
    """What every caller relies on, whoever wrote the table."""
    assert len({(one.subset, one.fold, one.seed) for one in heads}) == len(heads)
    for one in heads:
        assert one.subset in SUBSETS
        assert one.fold >= 0
        assert one.seed >= MEAN_OF_SEEDS
        assert len(one.keys) == len(one.patients) == len(one.labels) == len(one.scores) == len(set(one.keys.tolist()))
        assert set(one.labels.tolist()) <= {0, 1}
        assert ((one.scores >= 0) & (one.scores <= 1)).all()
        assert max(map(len, (*one.keys.tolist(), *one.patients.tolist())), default=0) <= 1000


@given(heads=tables())
def test_written_predictions_are_read_back_in_order(file, heads):
    write_predictions(file, iter(heads))
    assert [content(one) for one in read_predictions(file)] == [content(one) for one in heads]


@given(heads=tables())
def test_equal_predictions_give_equal_bytes(file, heads):
    write_predictions(file, heads)
    first = file.read_bytes()
    write_predictions(file.with_name("again.npz"), heads)
    assert file.with_name("again.npz").read_bytes() == first


@given(place=st.integers(0, 10**6), mask=st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_harmless(file, place, mask):
    write_predictions(file, two_heads())
    changed = bytearray(file.read_bytes())
    changed[place % len(changed)] ^= mask
    file.write_bytes(changed)
    with suppress(CxrbenchError):
        assert_valid(read_predictions(file))


@given(kept=st.integers(0, 2000))
def test_a_table_cut_short_is_refused(file, kept):
    write_predictions(file, two_heads())
    whole = file.read_bytes()
    file.write_bytes(whole[: kept % len(whole)])
    with pytest.raises(CxrbenchError, match="is not a valid predictions table"):
        read_predictions(file)


def test_an_image_is_in_the_table_once(file):
    seeds, folds, images = 10, 4, [(f"ward/{number:06}.png", f"patient-{number}", number % 2) for number in range(2000)]
    heads = [
        head(images[fold::folds], np.full(500, 0.5), fold=fold, seed=seed) for fold in range(folds) for seed in range(seeds)
    ]
    write_predictions(file, heads)
    with np.load(file, allow_pickle=False) as arrays:
        assert len(arrays["keys"]) == len(arrays["part_images"]) == 2000
        assert len(arrays["part_sizes"]) == folds
        assert len(arrays["scores"]) == 2000 * seeds


def test_the_lines_on_the_page_of_files_read_it(tmp_path, monkeypatch, capsys):
    heads = two_heads()
    write_predictions(tmp_path / "predictions" / "RECIPE.npz", heads)
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(lines, {})
    printed = capsys.readouterr().out
    assert printed == "".join(f"1 0 {one.seed} {one.keys} {one.scores}\n" for one in heads)


@pytest.mark.parametrize("other", [("0.png", "p9", 0), ("0.png", "p0", 1)])
def test_an_image_of_two_patients_or_labels_is_not_written(file, other):
    with pytest.raises(ValueError, match="an image has two patients or two labels"):
        write_predictions(file, [head(IMAGES[:1], [0.5]), head([other], [0.5], seed=1)])


def test_an_interrupted_write_leaves_the_old_table(tmp_path):
    path = tmp_path / "predictions" / "recipe.npz"
    write_predictions(path, two_heads())

    def heads():
        yield two_heads()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(path, heads())
    assert len(read_predictions(path)) == 2
    assert [file.name for file in path.parent.iterdir()] == ["recipe.npz"]


def plain_arrays():
    """Return the arrays of a table of two heads, to change."""
    return {
        "keys": np.array([b"a", b"b"]),
        "patients": np.array([b"p", b"q"]),
        "labels": np.array([0, 1], dtype=np.uint8),
        "part_sizes": np.array([2], dtype="<i4"),
        "part_images": np.array([0, 1], dtype="<i4"),
        "heads": np.array([[1, 0, 0, 0], [1, 0, 1, 0]], dtype="<i4"),
        "scores": np.array([0.1, 0.2, 0.3, 0.4]),
    }


def member(array):
    """Return an array as the bytes of a `.npy` file."""
    text = io.BytesIO()
    np.lib.format.write_array(text, array, version=(1, 0))
    return text.getvalue()


def write_members(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, text in members:
            archive.writestr(f"{name}.npy", text)


def with_value(name, place, value):
    def change(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


def with_array(name, values, dtype=None):
    return lambda arrays: arrays.update({name: np.array(values, dtype=dtype)})


LONG = "x" * 1001
WRONG = {
    "a score that is not a number": (with_value("scores", 1, np.nan), "a score is not in 0..1"),
    "an infinite score": (with_value("scores", 0, np.inf), "a score is not in 0..1"),
    "a score above one": (with_value("scores", 3, 1.5), "a score is not in 0..1"),
    "a negative score": (with_value("scores", 2, -0.1), "a score is not in 0..1"),
    "too few scores": (with_array("scores", [0.1, 0.2, 0.3]), "it has 3 scores, but its heads scored 4 images"),
    "too many scores": (with_array("scores", [0.1] * 5), "it has 5 scores, but its heads scored 4 images"),
    "a label of two": (with_value("labels", 0, 2), "label 2 must be 0 or 1"),
    "too few labels": (with_array("labels", [1], np.uint8), "2 keys, 2 patients and 1 labels"),
    "too many patients": (with_array("patients", [b"p"] * 3), "2 keys, 3 patients and 2 labels"),
    "a key twice": (with_array("keys", [b"a", b"a"]), "an image appears twice"),
    "an image twice in a part": (with_array("part_images", [1, 1], "<i4"), "an image appears twice in part 0"),
    "an image that is not there": (with_value("part_images", 1, 2), "a part has an image that is not one of 2"),
    "a negative image": (with_value("part_images", 0, -1), "a part has an image that is not one of 2"),
    "a part too large": (with_array("part_sizes", [3], "<i4"), "the sizes of its parts do not add up to their 2 images"),
    "a part of negative size": (with_array("part_sizes", [3, -1], "<i4"), "the sizes of its parts do not add up"),
    "a part that is not there": (
        with_value("heads", (0, 3), 1),
        "a head has a subset, a fold, a seed or a part that cannot be",
    ),
    "a negative part": (with_value("heads", (0, 3), -1), "that cannot be"),
    "a fourth subset": (with_value("heads", (1, 0), 3), "that cannot be"),
    "a negative fold": (with_value("heads", (1, 1), -1), "that cannot be"),
    "an endless fold": (with_value("heads", (1, 1), 10**6), "that cannot be"),
    "a seed below the mean": (with_value("heads", (1, 2), -2), "that cannot be"),
    "a head twice": (with_value("heads", (1, 2), 0), "one fold and seed appears twice in a subset"),
    "three numbers for a head": (with_array("heads", [[1, 0, 0]], "<i4"), "that cannot be"),
    "heads in a row": (with_array("heads", [1, 0, 0, 0], "<i4"), "heads has the type int32 and 1 dimensions"),
    "a key that is not UTF-8": (with_array("keys", [b"\xff", b"b"]), "can't decode byte 0xff"),
    "half of a surrogate pair": (with_array("keys", [b"\xed\xa0\x80", b"b"]), "can't decode byte 0xed"),
    "an endless key": (with_array("keys", [LONG.encode(), b"b"]), "longer than 1,000 characters"),
    "an endless patient": (with_array("patients", [LONG.encode(), b"b"]), "longer than 1,000 characters"),
    "a text of four megabytes": (with_array("keys", [b"x" * 2**22, b"b"]), r"keys has the type \|S4194304"),
    "text of another type": (with_array("keys", ["a", "b"]), "keys has the type <U1"),
    "labels of another type": (with_array("labels", [0, 1], np.int64), "labels has the type int64"),
    "scores of another type": (with_array("scores", [0.1] * 4, np.float32), "scores has the type float32"),
    "big-endian scores": (with_array("scores", [0.1] * 4, ">f8"), "scores has the type >f8"),
    "objects": (with_array("labels", [0, {}], object), "labels has the type object"),
    "named fields": (with_array("scores", [(0.5,)] * 4, [("a", "<f8")]), "scores has the type"),
    "columns first": (
        lambda arrays: arrays.update(heads=np.asfortranarray(arrays["heads"])),
        "heads has the type int32 and 2 dimensions",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_arrays_that_cannot_be_are_refused(tmp_path, what):
    change, words = WRONG[what]
    arrays = plain_arrays()
    change(arrays)
    path = tmp_path / "recipe.npz"
    np.savez_compressed(path, **arrays)
    with pytest.raises(CxrbenchError, match=words) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path} is not a valid predictions table: ")


def test_the_arrays_that_the_others_are_made_from_are_valid(tmp_path):
    np.savez(tmp_path / "recipe.npz", **plain_arrays())
    assert [one.scores.tolist() for one in read_predictions(tmp_path / "recipe.npz")] == [[0.1, 0.2], [0.3, 0.4]]


class Trap:
    """An object that leaves a file when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "recipe.npz", **{**plain_arrays(), "scores": np.array([Trap()] * 4, dtype=object)})
    with pytest.raises(CxrbenchError, match="scores has the type object"):
        read_predictions(tmp_path / "recipe.npz")
    assert not (tmp_path / "unpickled").exists()


HEADERS = {
    "no array": b"hello",
    "an endless header": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
    "an open bracket": b"\x93NUMPY\x01\x00\x05\x00((((\n",
    "half of a dictionary": b"\x93NUMPY\x01\x00\x05\x00{'a'\n",
    "indented": b"\x93NUMPY\x01\x00\x08\x00  1\n 2\n\n",
    "another version": b"\x93NUMPY\x09\x00\x05\x00hello",
    "a shape beyond memory": member(np.zeros(4)).replace(b"(4,), }            ", b"(4000000000000,), }"),
    "another shape": member(np.zeros(4)).replace(b"(4,)", b"(3,)"),
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_member_that_is_not_an_array_is_refused(tmp_path, what):
    members = {**{name: member(array) for name, array in plain_arrays().items()}, "scores": HEADERS[what]}
    write_members(tmp_path / "recipe.npz", members.items())
    with pytest.raises(CxrbenchError, match="is not a valid predictions table"):
        read_predictions(tmp_path / "recipe.npz")


MEMBERS = [(name, member(array)) for name, array in plain_arrays().items()]


@pytest.mark.parametrize(
    "members",
    [[], MEMBERS[:-1], MEMBERS[::-1], [*MEMBERS, ("more", b"")], [*MEMBERS, MEMBERS[-1]], [("../keys", b""), *MEMBERS[1:]]],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members_than_the_arrays_are_refused(tmp_path, members):
    write_members(tmp_path / "recipe.npz", members)
    with pytest.raises(CxrbenchError, match=f"expected the arrays {', '.join(ARRAYS)}"):
        read_predictions(tmp_path / "recipe.npz")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_without_a_limit_is_refused(tmp_path, compression):
    write_members(tmp_path / "recipe.npz", MEMBERS, compression)
    with pytest.raises(CxrbenchError, match="keys has a compression other than deflate"):
        read_predictions(tmp_path / "recipe.npz")


@pytest.mark.parametrize("content", [b"", b"PK", b"set,fold,seed\n", json.dumps({}).encode(), b"\x93NUMPY\x01\x00"])
def test_another_kind_of_file_is_refused(tmp_path, content):
    (tmp_path / "recipe.npz").write_bytes(content)
    with pytest.raises(CxrbenchError, match=r"recipe\.npz is not a valid predictions table: it is not a NumPy archive"):
        read_predictions(tmp_path / "recipe.npz")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """It declares what it unpacks to: the largest size is lowered here, so that the test is fast."""
    monkeypatch.setattr(prediction_table, "LARGEST_TABLE_BYTES", 2**20)
    arrays = {**plain_arrays(), "scores": np.zeros(2**20)}
    np.savez_compressed(tmp_path / "recipe.npz", **arrays)
    assert (tmp_path / "recipe.npz").stat().st_size < 2**14
    with pytest.raises(CxrbenchError, match=r"it unpacks to 8,389,\d+ bytes \(limit: 1,048,576\)"):
        read_predictions(tmp_path / "recipe.npz")


def test_a_bomb_that_declares_too_little_is_not_unpacked(tmp_path):
    path, unpacked = tmp_path / "recipe.npz", 2**26
    members = [*MEMBERS[:-1], ("scores", member(np.zeros(4)) + bytes(unpacked))]
    write_members(path, members)
    size = len(members[-1][1])
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), (160).to_bytes(4, "little")))
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("scores.npy").file_size == 160
    tracemalloc.start()
    with pytest.raises(CxrbenchError, match="is not a valid predictions table"):
        read_predictions(path)
    assert tracemalloc.get_traced_memory()[1] < unpacked / 16
    tracemalloc.stop()


def test_text_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    """Each image of each part has the room of the longest key, so a small table could take any amount."""
    monkeypatch.setattr(prediction_table, "LARGEST_TABLE_BYTES", 2**20)
    parts = 300
    arrays = {
        **plain_arrays(),
        "keys": np.array([b"x" * 1000, b"b"]),
        "part_sizes": np.array([2] * parts, dtype="<i4"),
        "part_images": np.array([0, 1] * parts, dtype="<i4"),
    }
    np.savez_compressed(tmp_path / "recipe.npz", **arrays)
    with pytest.raises(CxrbenchError, match="its keys, patients and groups take more than 1,048,576 bytes"):
        read_predictions(tmp_path / "recipe.npz")


def test_a_table_that_links_to_outside_is_refused(tmp_path):
    write_predictions(tmp_path / "outside.npz", two_heads())
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "recipe.npz").symlink_to(tmp_path / "outside.npz")
    with pytest.raises(CxrbenchError, match="it links to a file outside"):
        read_predictions(tmp_path / "board" / "recipe.npz")


def of_groups():
    """Return the arrays of a table of two heads whose two images are of two groups of each of two columns."""
    return {
        **plain_arrays(),
        "columns": np.array([b"sex", b"site"]),
        "group_names": np.array([b"F", b"M", b"ward"]),
        "group_of": np.array([[0, 1], [2, 2]], dtype="|u1"),
    }


def test_groups_are_those_of_the_arrays(tmp_path):
    np.savez_compressed(tmp_path / "recipe.npz", **of_groups())
    for one in read_predictions(tmp_path / "recipe.npz"):
        assert {column: groups.tolist() for column, groups in one.groups.items()} == {
            "sex": ["F", "M"],
            "site": ["ward", "ward"],
        }


WRONG_GROUPS = {
    "a group that is not there": (with_value("group_of", (1, 0), 3), "an image is of group 3, but there are 3 groups"),
    "too few images": (with_array("group_of", [[0], [1]], "|u1"), r"groups of \(2, 1\) columns and images"),
    "too few columns": (with_array("group_of", [[0, 1]], "|u1"), "but 2 different columns"),
    "a column twice": (with_array("columns", [b"sex", b"sex"]), "but 2 different columns"),
    "a name too long": (with_array("group_names", [b"x" * 4001] * 3), "group_names has the type"),
    "numbers of another type": (with_array("group_of", [[0, 1], [2, 2]], "<i4"), "group_of has the type int32"),
    "bytes that are no text": (with_array("group_names", [b"\xff", b"M", b"x"]), "is not a valid predictions table"),
}


@pytest.mark.parametrize("what", WRONG_GROUPS)
def test_groups_that_cannot_be_are_refused(tmp_path, what):
    change, words = WRONG_GROUPS[what]
    change(arrays := of_groups())
    np.savez_compressed(tmp_path / "recipe.npz", **arrays)
    with pytest.raises(CxrbenchError, match=words):
        read_predictions(tmp_path / "recipe.npz")


def test_columns_that_not_all_heads_have_are_not_written(file):
    first, second = two_heads()
    groups = {"sex": np.array(["F", "M", "F", "M"]), "site": np.array(["a"] * 4)}
    write_predictions(file, [replace(first, groups=groups), replace(second, groups={"sex": groups["sex"]})])
    assert [list(one.groups) for one in read_predictions(file)] == [["sex"], ["sex"]]
    with pytest.raises(ValueError, match="an image has two groups of a column"):
        write_predictions(file, [replace(first, groups=groups), replace(second, groups={"sex": groups["site"]})])
