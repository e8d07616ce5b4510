from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.files import write_json
from cxrbench.leaderboard.board import Board, read_board, read_boards, rows_as_json
from cxrbench.leaderboard.entry import DatasetFacts, read_entry, write_entry


@pytest.fixture(scope="session")
def make_board(make_protocol):
    def make(*entries, **protocol):
        return Board(protocol=make_protocol(**protocol), entries=tuple(entries))

    return make


@pytest.fixture(scope="session")
def five(make_entry):
    return (
        make_entry("vgg16", 0.9),
        make_entry("resnet50", 0.95),
        make_entry("densenet121"),
        make_entry("mobilenet", 0.9),
        make_entry("inceptionv3", status="unavailable", reason="weights are not here: run with --download"),
    )


def ranks(board, sort=""):
    return [(row["rank"], row["backbone"]) for row in board.rows(sort)]


def test_the_best_come_first_equals_share_a_rank_and_the_others_come_last_with_their_reason(make_board, five):
    board = make_board(*five)
    assert ranks(board) == [(1, "resnet50"), (2, "mobilenet"), (2, "vgg16"), (None, "densenet121"), (None, "inceptionv3")]
    assert [row["reason"] for row in board.rows()] == [
        "",
        "",
        "",
        "MemoryError: no room",
        "weights are not here: run with --download",
    ]
    assert [row["status"] for row in board.rows()][-2:] == ["failed", "unavailable"]


def test_the_rank_after_equals_counts_them_all(make_board, make_entry):
    board = make_board(*(make_entry(name, auc) for name, auc in [("a", 0.8), ("b", 0.9), ("c", 0.9), ("d", 0.7), ("e", 0.9)]))
    assert ranks(board) == [(1, "b"), (1, "c"), (1, "e"), (4, "a"), (5, "d")]


def test_the_order_of_the_entries_does_not_matter(make_board, five):
    expected = make_board(*five).rows()
    assert all(make_board(*order).rows() == expected for order in itertools.permutations(five))


def test_any_values_are_ranked_by_how_many_are_better(make_board, make_entry):
    @given(st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)), max_size=8), st.randoms())
    def check(values, random):
        entries = [make_entry(f"b{number}", value) for number, value in enumerate(values)]
        shuffled = random.sample(entries, len(entries))
        rows = make_board(*shuffled).rows()
        assert rows == make_board(*entries).rows()
        for row in rows:
            better = sum(value is not None and row["auc"] is not None and value > row["auc"] for value in values)
            assert row["rank"] == (None if row["auc"] is None else better + 1)
        ranked = [row["rank"] for row in rows if row["rank"]]
        assert ranked == sorted(ranked)
        assert [row["rank"] for row in rows[len(ranked) :]] == [None] * (len(rows) - len(ranked))

    check()


def test_a_model_that_is_always_wrong_still_comes_before_one_that_failed(make_board, make_entry):
    assert ranks(make_board(make_entry("a-failed"), make_entry("z", 0.0))) == [(1, "z"), (None, "a-failed")]


def test_another_metric_can_be_ranked_by(make_board, make_entry):
    metrics = {"accuracy": 0.9, "recall": 0.9, "precision": 0.9, "f1": 0.9, "auc": 0.5}
    board = make_board(make_entry("a", 0.9), make_entry("b", 0.5, metrics=metrics), make_entry("c"))
    assert ranks(board) == [(1, "a"), (2, "b"), (None, "c")]
    assert ranks(board, "recall") == [(1, "b"), (2, "a"), (None, "c")]
    assert ranks(make_board(*board.entries, metric="f1")) == [(1, "b"), (2, "a"), (None, "c")]


def test_a_row_has_what_scripts_read(make_board, make_entry):
    (row,) = json.loads(rows_as_json([make_board(make_entry("vgg16", 0.9))]))
    assert {key: row[key] for key in ("rank", "recipe", "backbone", "augmentation", "imbalance", "status", "threshold")} == {
        "rank": 1,
        "recipe": "vgg16+none+smote",
        "backbone": "vgg16",
        "augmentation": "none",
        "imbalance": "smote",
        "status": "complete",
        "threshold": 0.4375,
    }
    assert [row[key] for key in ("accuracy", "recall", "precision", "f1", "auc")] == [0.75, 0.5, 0.25, 0.375, 0.9]
    assert (row["trials"], row["trials_failed"], row["trials_pruned"], row["validation"]) == (5, 1, 0, 0.875)
    assert (row["learning_rate"], row["dropout"], row["seconds"], row["control"]) == (0.001, 0.5, 3.75, False)


def test_a_failed_row_has_the_same_keys_and_no_numbers(make_board, make_entry):
    complete, failed = json.loads(rows_as_json([make_board(make_entry("a", 0.5), make_entry("b"))]))
    assert failed.keys() == complete.keys()
    numbers = ("rank", "accuracy", "recall", "precision", "f1", "auc", "threshold", "validation")
    assert [failed[key] for key in numbers] == [None] * 8
    assert failed["trials"] == 0


def test_the_rows_of_all_boards_are_one_list(make_board, make_entry):
    boards = [make_board(make_entry("a", 0.5)), make_board(make_entry("ü", 0.9))]
    assert [row["backbone"] for row in json.loads(rows_as_json(boards))] == ["a", "ü"]
    assert json.loads(rows_as_json([make_board()])) == []


def test_an_entry_comes_back_as_it_was_written(make_entry, tmp_path, facts):
    entry = make_entry("vgg16", 0.1 + 0.2, warnings=("ü|\n<b>",), versions={"keras": "3"}, dataset=DatasetFacts(**facts))
    write_entry(tmp_path / "entry.json", entry)
    assert read_entry(tmp_path / "entry.json") == entry
    assert json.loads((tmp_path / "entry.json").read_text(encoding="utf-8"))["schema_version"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"schema_version": 2}, "schema_version: "),
        ({"status": "perfect"}, "status: "),
        ({"metrics": {"auc": "high"}}, "metrics.auc: "),
    ],
)
def test_an_entry_of_another_kind_is_refused_by_file_and_field(make_entry, tmp_path, change, words):
    path = tmp_path / "entries" / "vgg16.json"
    write_json(path, make_entry("vgg16", 0.9).model_dump(mode="json") | change)
    with pytest.raises(CxrbenchError, match=words) as caught:
        read_entry(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b'{"protocol": "phan', b"\xff\xfe", b"[]", b"null"])
def test_a_broken_entry_is_refused_by_file(tmp_path, content):
    path = tmp_path / "vgg16.json"
    path.write_bytes(content)
    with pytest.raises(CxrbenchError, match=r"vgg16\.json is no entry"):
        read_entry(path)


def test_boards_are_read_from_their_folders(make_protocol, make_entry, tmp_path):
    for split in ("paper", "grouped"):
        protocol = make_protocol(split=split)
        write_json(tmp_path / protocol.name / "protocol.json", protocol.model_dump(mode="json"))
        write_entry(tmp_path / protocol.name / "entries" / "a.json", make_entry("a", 0.5))
    (tmp_path / "studies").mkdir()
    grouped, paper = read_boards(tmp_path)
    assert (grouped.protocol.split, paper.protocol.split) == ("grouped", "paper")
    assert ranks(grouped) == [(1, "a")]
    assert read_board(tmp_path / make_protocol(split="paper").name) == paper


def test_a_folder_without_boards_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="no leaderboard here; make one with: cxrbench run --out"):
        read_boards(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["{}", "{", '{"schema_version": 7}'])
def test_a_broken_protocol_is_refused_by_file(tmp_path, content):
    (tmp_path / "protocol.json").write_text(content, encoding="utf-8")
    with pytest.raises(CxrbenchError, match=r"protocol\.json is no protocol of this version"):
        read_board(tmp_path)
