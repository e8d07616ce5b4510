"""Predictions as CSV: as earlier versions stored them, and as they are printed."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.prediction_csv import TABLE_COLUMNS, predictions_as_csv
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS, Predictions, of_subset


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


def rows_of(one):
    """Return the lines that a table should have of these predictions."""
    columns = (one.keys.tolist(), one.patients.tolist(), one.labels.tolist(), one.scores.tolist())
    return [[one.subset, str(one.fold), str(one.seed), *map(str, values)] for values in zip(*columns, strict=True)]


def write_as_earlier(path, heads):
    """Write a table as earlier versions did: every text as it is."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [TABLE_COLUMNS, *(row for one in heads for row in rows_of(one))]
    )
    path.write_bytes(text.getvalue().encode())


def equal(one, other):
    arrays = ("keys", "patients", "labels", "scores")
    return (one.subset, one.fold, one.seed) == (other.subset, other.fold, other.seed) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


@given(scores=st.lists(st.floats(0, 1).map(abs), min_size=1))
def test_printed_scores_are_read_back_bit_by_bit(file, scores):
    file.write_text(predictions_as_csv([make_predictions(scores)]))
    (found,) = read_predictions(file)
    assert found.scores.tobytes() == np.array(scores).tobytes()


def test_a_line_has_set_fold_seed_image_and_score():
    heads = [
        make_predictions([0.1, 1 / 3], subset="validation", patients=["p1", "p2"], labels=[0, 1]),
        make_predictions([0.25], fold=2, seed=MEAN_OF_SEEDS),
    ]
    assert predictions_as_csv(heads).splitlines() == [
        '"set","fold","seed","key","patient","label","score"',
        '"validation",0,3,"0.png","p1",0,0.1',
        f'"validation",0,3,"1.png","p2",1,{1 / 3!r}',
        '"test",2,"mean","0.png","p1",1,0.25',
    ]


def test_the_mean_of_the_seeds_is_read_back(file):
    heads = [make_predictions([0.25], seed=MEAN_OF_SEEDS), make_predictions([0.5], seed=0)]
    file.write_text(predictions_as_csv(heads))
    assert [one.seed for one in read_predictions(file)] == [MEAN_OF_SEEDS, 0]


def test_printed_text_is_no_formula_and_hides_nothing():
    printed = predictions_as_csv([make_predictions(keys=["=1+1"], patients=["\x1b[2J\u202e"])])
    (_, row) = csv.reader(io.StringIO(printed))
    assert row[3:5] == ["'=1+1", "\\x1b[2J\\u202e"]


TEXTS = st.text(
    st.one_of(st.sampled_from(",\"'\n\r\t; |\\"), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)


@given(odd=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6, unique_by=lambda pair: pair[0]))
def test_odd_keys_and_patients_of_an_earlier_table_are_read(file, odd):
    keys, patients = zip(*odd, strict=True)
    one = make_predictions([0.5] * len(odd), keys=keys, patients=patients, labels=np.arange(len(odd)) % 2)
    write_as_earlier(file, [one])
    (found,) = read_predictions(file)
    assert equal(found, one)


def test_subsets_folds_and_seeds_stay_apart_and_in_order(file):
    heads = [
        make_predictions([0.1, 0.2], subset="validation", fold=0, labels=[0, 1]),
        make_predictions([0.9], subset="test", fold=1, seed=0),
        make_predictions([0.3, 0.4], subset="test", fold=0, seed=1, patients=["p2", "p1"]),
        make_predictions([0.5], subset="external", fold=1, seed=0),
        make_predictions([0.7], subset="test", fold=0, seed=0),
    ]
    write_as_earlier(file, heads)
    found = read_predictions(file)
    assert all(equal(one, other) for one, other in zip(found, heads, strict=True))
    assert list(of_subset(found, "test")) == [(1, 0), (0, 1), (0, 0)]
    assert of_subset(found, "test")[0, 1].patients.tolist() == ["p2", "p1"]
    assert list(of_subset(found, "external")) == [(1, 0)]


def test_rows_of_one_head_need_not_be_together(file):
    one, other = make_predictions([0.1, 0.2], seed=0), make_predictions([0.3, 0.4], seed=1)
    heading, *rows = [TABLE_COLUMNS, *rows_of(one), *rows_of(other)]
    mixed = [heading, rows[0], rows[2], rows[1], rows[3]]
    file.write_text("".join(",".join(row) + "\n" for row in mixed), encoding="utf-8")
    assert all(equal(*pair) for pair in zip(read_predictions(file), (one, other), strict=True))


HEADING = ",".join(TABLE_COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the first line must be set,fold,seed,key,patient,label,score"),
        ("set,fold,key,label,score\ntest,0,a.png,1,0.5\n", "the first line must be"),
        (HEADING + "train,0,0,a.png,p1,1,0.5\n", "line 2: set 'train' must be validation, test or external"),
        (HEADING + "test,0,0,a.png,p1,1,high\n", "high"),
        (HEADING + "test,0,0,a.png,p1,1,nan\n", "line 2: score 'nan' must be a number in 0..1"),
        (HEADING + "test,0,0,a.png,p1,1,inf\n", "must be a number in 0..1"),
        (HEADING + "test,0,0,a.png,p1,1,1.5\n", "must be a number in 0..1"),
        (HEADING + "test,0,0,a.png,p1,1,\x1b[2J\n", r"score '\\x1b\[2J' must be a number"),
        (HEADING + "test,0,0,a.png,p1,sick,0.5\n", "sick"),
        (HEADING + "test,one,0,a.png,p1,1,0.5\n", "one"),
        (HEADING + "test,0,-1,a.png,p1,1,0.5\n", "must be whole numbers"),
        (HEADING + "test,0,0,a.png,p1,1\n", "line 2: expected 7 values"),
        (HEADING + "test,0,0,a.png,p1,1,0.5,0.5\n", "line 2: expected 7 values"),
        (HEADING + "test,0\n", "expected 7 values"),
        (HEADING + "test,0,0,a.png,p1,1,0.5\ntest,0,0,b.png,p1,1\n", "line 3: expected 7 values"),
        (HEADING + 'test,0,0,a.png,p1,1,"0.5\n', "line 2: unexpected end of data"),
        (HEADING + "test,0,0,a.png,p1,1,0.5\ntest,0,0,a.png,p1,1,0.5\n", "line 3: image 'a.png' appears twice"),
        (HEADING + f"test,0,0,{'x' * 2**18},p1,1,0.5\n", "line 2: field larger than"),
        (HEADING + f"test,0,0,{'x' * 1001},p1,1,0.5\n", "line 2: key or patient is longer than 1,000 characters"),
    ],
)
def test_an_invalid_table_is_refused_with_its_path(tmp_path, content, words):
    path = tmp_path / "recipe.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CxrbenchError, match=words) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path} is not a valid predictions table: ")


def test_a_table_that_is_not_utf_8_is_refused(file):
    file.write_bytes(HEADING.encode() + b"test,0,0,\xff.png,p1,1,0.5\n")
    with pytest.raises(CxrbenchError, match="not UTF-8 text"):
        read_predictions(file)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CxrbenchError, match=r"absent\.csv is not a valid predictions table"):
        read_predictions(tmp_path / "absent.csv")


def test_groups_are_columns_of_their_own():
    head = make_predictions((0.25, 0.75))
    text = predictions_as_csv([replace(head, groups={"sex": np.array(["F", "=M"])}), head])
    heading, first, second, third, _ = text.splitlines()
    assert heading.endswith('"score","sex"')
    assert (first.endswith('0.25,"F"'), second.endswith('0.75,"\'=M"'), third.endswith('0.25,""')) == (True, True, True)
