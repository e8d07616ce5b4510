from __future__ import annotations

import csv
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.evaluation.predictions import COLUMNS, Prediction, read_predictions, write_predictions


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("predictions") / "recipe.csv"


def prediction(part="test", score=0.5, key="a.png", label=1, patient="p1"):
    return Prediction(set=part, fold=0, seed=3, key=key, patient=patient, label=label, score=score)


def written(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_any_score_comes_back_bit_by_bit(file):
    @given(st.lists(st.floats(), min_size=1))
    def check(scores):
        write_predictions(file, [prediction(score=score) for score in scores])
        assert read_predictions(file, "test")[1].tobytes() == canonical(scores).tobytes()

    def canonical(scores):
        return np.array([float("nan") if np.isnan(score) else score for score in scores])

    check()


def test_scores_of_numpy_are_written_as_plain_numbers(file):
    write_predictions(file, [prediction(score=np.float64(0.1)), prediction(score=1 / 3)])
    assert [row[-1] for row in written(file)[1:]] == ["0.1", repr(1 / 3)]


def test_odd_keys_and_patients_do_not_break_the_table(file):
    texts = st.text(
        st.one_of(st.sampled_from(",\"'\n\r\t; |\\"), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    )

    @given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
    def check(odd):
        rows = [prediction(key=key, patient=patient, label=number % 2) for number, (key, patient) in enumerate(odd)]
        write_predictions(file, rows)
        assert written(file) == [list(COLUMNS), *([str(value) for value in astuple(row)] for row in rows)]
        labels, scores = read_predictions(file, "test")
        assert labels.tolist() == [row.label for row in rows]
        assert scores.tolist() == [0.5] * len(rows)

    check()


@pytest.mark.parametrize(
    "key", ["a,b.png", 'say "ah".png', "two\nlines.png", "carriage\rreturn.png", "dos\r\n.png", "Zürich ☃.png"]
)
def test_a_named_odd_key_comes_back(file, key):
    write_predictions(file, [prediction(key=key), prediction(key="next.png", score=0.25)])
    assert [row[3] for row in written(file)] == ["key", key, "next.png"]
    assert read_predictions(file, "test")[1].tolist() == [0.5, 0.25]


def test_the_sets_are_told_apart_and_keep_their_order(file):
    rows = [
        prediction("validation", 0.1, label=0),
        prediction("test", 0.9),
        prediction("validation", 0.2),
        prediction("test", 0.3),
    ]
    write_predictions(file, iter(rows))
    labels, scores = read_predictions(file, "validation")
    assert (labels.tolist(), scores.tolist()) == ([0, 1], [0.1, 0.2])
    assert read_predictions(file, "test")[1].tolist() == [0.9, 0.3]


def test_an_interrupted_write_leaves_the_old_table(tmp_path):
    path = tmp_path / "predictions" / "recipe.csv"
    write_predictions(path, [prediction()])

    def rows():
        yield prediction(score=0.1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(path, rows())
    assert read_predictions(path, "test")[1].tolist() == [0.5]
    assert [file.name for file in path.parent.iterdir()] == ["recipe.csv"]
