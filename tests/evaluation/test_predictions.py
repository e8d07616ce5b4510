from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.predictions import TABLE_COLUMNS, Predictions, of_subset, read_predictions, write_predictions


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("predictions") / "recipe.csv"


def make_predictions(scores=(0.5,), *, subset="test", fold=0, seed=3, keys=None, patients=None, labels=None):
    count = len(scores)
    return Predictions(
        subset=subset,
        fold=fold,
        seed=seed,
        keys=np.array(keys if keys is not None else [f"{number}.png" for number in range(count)], dtype=str),
        patients=np.array(patients if patients is not None else ["p1"] * count, dtype=str),
        labels=np.array(labels if labels is not None else [1] * count, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )


def written(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def as_text(one):
    """Return the lines that a table should have of these predictions."""
    columns = (one.keys.tolist(), one.patients.tolist(), one.labels.tolist(), one.scores.tolist())
    return [[one.subset, str(one.fold), str(one.seed), *map(str, values)] for values in zip(*columns, strict=True)]


def equal(one, other):
    arrays = ("keys", "patients", "labels", "scores")
    return (one.subset, one.fold, one.seed) == (other.subset, other.fold, other.seed) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


@given(scores=st.lists(st.floats(0, 1).map(abs), min_size=1))
def test_scores_survive_a_round_trip_bit_by_bit(file, scores):
    write_predictions(file, [make_predictions(scores)])
    (found,) = read_predictions(file)
    assert found.scores.tobytes() == np.array(scores).tobytes()


def test_scores_are_written_as_plain_numbers(file):
    write_predictions(file, [make_predictions([0.1, 1 / 3])])
    assert [row[-1] for row in written(file)[1:]] == ["0.1", repr(1 / 3)]


TEXTS = st.text(
    st.one_of(st.sampled_from(",\"'\n\r\t; |\\"), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)


@given(odd=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6, unique_by=lambda pair: pair[0]))
def test_odd_keys_and_patients_do_not_break_the_table(file, odd):
    keys, patients = zip(*odd, strict=True)
    one = make_predictions([0.5] * len(odd), keys=keys, patients=patients, labels=np.arange(len(odd)) % 2)
    write_predictions(file, [one])
    assert written(file) == [list(TABLE_COLUMNS), *as_text(one)]
    (found,) = read_predictions(file)
    assert equal(found, one)


@pytest.mark.parametrize(
    "key", ["a,b.png", 'say "ah".png', "two\nlines.png", "carriage\rreturn.png", "dos\r\n.png", "Zürich ☃.png"]
)
def test_an_odd_key_survives_a_round_trip(file, key):
    one = make_predictions([0.5, 0.25], keys=[key, "next.png"])
    write_predictions(file, [one])
    assert [row[3] for row in written(file)] == ["key", key, "next.png"]
    assert equal(read_predictions(file)[0], one)


def test_subsets_folds_and_seeds_stay_apart_and_in_order(file):
    heads = [
        make_predictions([0.1, 0.2], subset="validation", fold=0, labels=[0, 1]),
        make_predictions([0.9], subset="test", fold=1, seed=0),
        make_predictions([0.3, 0.4], subset="test", fold=0, seed=1, patients=["p2", "p1"]),
        make_predictions([0.5], subset="external", fold=1, seed=0),
        make_predictions([0.7], subset="test", fold=0, seed=0),
    ]
    write_predictions(file, iter(heads))
    found = read_predictions(file)
    assert len(found) == len(heads)
    assert all(equal(one, other) for one, other in zip(found, heads, strict=True))
    assert list(of_subset(found, "test")) == [(1, 0), (0, 1), (0, 0)]
    assert of_subset(found, "test")[0, 1].patients.tolist() == ["p2", "p1"]
    assert list(of_subset(found, "external")) == [(1, 0)]


def test_rows_of_one_head_need_not_be_together(file):
    one, other = make_predictions([0.1, 0.2], seed=0), make_predictions([0.3, 0.4], seed=1)
    heading, *rows = [TABLE_COLUMNS, *as_text(one), *as_text(other)]
    mixed = [heading, rows[0], rows[2], rows[1], rows[3]]
    file.write_text("".join(",".join(row) + "\n" for row in mixed), encoding="utf-8")
    assert all(equal(*pair) for pair in zip(read_predictions(file), (one, other), strict=True))


def test_an_interrupted_write_leaves_the_old_table(tmp_path):
    path = tmp_path / "predictions" / "recipe.csv"
    write_predictions(path, [make_predictions([0.5])])

    def rows():
        yield make_predictions([0.1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(path, rows())
    assert read_predictions(path)[0].scores.tolist() == [0.5]
    assert [file.name for file in path.parent.iterdir()] == ["recipe.csv"]


HEADING = ",".join(TABLE_COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the first line must be set,fold,seed,key,patient,label,score"),
        ("set,fold,key,label,score\ntest,0,a.png,1,0.5\n", "the first line must be"),
        (HEADING + "train,0,0,a.png,p1,1,0.5\n", "set 'train' must be validation, test or external"),
        (HEADING + "test,0,0,a.png,p1,1,high\n", "high"),
        (HEADING + "test,0,0,a.png,p1,sick,0.5\n", "sick"),
        (HEADING + "test,one,0,a.png,p1,1,0.5\n", "one"),
        (HEADING + "test,0,0,a.png,p1,1\n", "expected 7 values"),
        (HEADING + "test,0\n", "expected 7 values"),
        (HEADING + "test,0,0,a.png,p1,1,0.5\ntest,0,0,b.png,p1,1\n", "expected 7 values"),
    ],
)
def test_an_invalid_table_is_refused_with_its_path(tmp_path, content, words):
    path = tmp_path / "recipe.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CxrbenchError, match=words) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path} is not a valid predictions table: ")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CxrbenchError, match=r"absent\.csv is not a valid predictions table"):
        read_predictions(tmp_path / "absent.csv")
