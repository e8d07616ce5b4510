from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.errors import ConfigError, CxrbenchError, DataError
from cxrbench.evaluation.metrics import METRICS, SORTABLE
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.leaderboard.board import Board, read_board, read_boards
from cxrbench.leaderboard.store.entry import DatasetFacts, FoldResult
from cxrbench.leaderboard.store.entry_files import read_entry, write_entry
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.storage.files import write_json


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
    return [(row["rank"], row["backbone"]) for row in board.records(sort)]


def test_best_first_equals_share_a_rank_failed_last_with_reason(make_board, five):
    board = make_board(*five)
    assert ranks(board) == [(1, "resnet50"), (2, "mobilenet"), (2, "vgg16"), (None, "densenet121"), (None, "inceptionv3")]
    assert [row["reason"] for row in board.records()] == [
        "",
        "",
        "",
        "MemoryError: no room",
        "weights are not here: run with --download",
    ]
    assert [row["status"] for row in board.records()][-2:] == ["failed", "unavailable"]


def test_the_rank_after_equals_counts_them_all(make_board, make_entry):
    board = make_board(*(make_entry(name, auc) for name, auc in [("a", 0.8), ("b", 0.9), ("c", 0.9), ("d", 0.7), ("e", 0.9)]))
    assert ranks(board) == [(1, "b"), (1, "c"), (1, "e"), (4, "a"), (5, "d")]


def test_the_order_of_the_entries_does_not_matter(make_board, five):
    expected = make_board(*five).records()
    assert all(make_board(*order).records() == expected for order in itertools.permutations(five))


def test_any_values_are_ranked_by_how_many_are_better(make_board, make_entry):
    @given(st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)), max_size=8), st.randoms())
    def check(values, random):
        entries = [make_entry(f"b{number}", value) for number, value in enumerate(values)]
        shuffled = random.sample(entries, len(entries))
        rows = make_board(*shuffled).records()
        assert rows == make_board(*entries).records()
        for row in rows:
            better = sum(value is not None and row["auc"] is not None and value > row["auc"] for value in values)
            assert row["rank"] == (None if row["auc"] is None else better + 1)
        ranked = [row["rank"] for row in rows if row["rank"]]
        assert ranked == sorted(ranked)
        assert [row["rank"] for row in rows[len(ranked) :]] == [None] * (len(rows) - len(ranked))

    check()


def test_a_model_that_is_always_wrong_precedes_one_that_failed(make_board, make_entry):
    assert ranks(make_board(make_entry("a-failed"), make_entry("z", 0.0))) == [(1, "z"), (None, "a-failed")]


def test_another_metric_can_be_ranked_by(make_board, make_entry):
    metrics = {"accuracy": 0.9, "recall": 0.9, "precision": 0.9, "f1": 0.9, "auc": 0.5}
    board = make_board(make_entry("a", 0.9), make_entry("b", 0.5, metrics=metrics), make_entry("c"))
    assert ranks(board) == [(1, "a"), (2, "b"), (None, "c")]
    assert ranks(board, "recall") == [(1, "b"), (2, "a"), (None, "c")]
    assert ranks(make_board(*board.entries, metric="f1")) == [(1, "b"), (2, "a"), (None, "c")]


@pytest.mark.parametrize("metric", ["brier", "ece"])
def test_the_smallest_is_first_where_lower_is_better(board_of, compete, metric):
    rows = board_of(*(compete(name, distance) for name, distance in (("a", 1), ("b", 3), ("c", 2)))).records(metric)
    assert [row[metric] for row in rows] == sorted(row[metric] for row in rows)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert rows[0]["p_first"] == max(row["p_first"] for row in rows)


@pytest.mark.parametrize("protocol", [{}, {"folds": 3, "seeds": 2}], ids=["one-split", "folds-and-seeds"])
@pytest.mark.parametrize("metric", SORTABLE)
def test_a_rank_is_in_its_interval_and_p_first_sums_to_one(board_of, compete, make_protocol, protocol, metric):
    made = make_protocol(**protocol)
    competitors = [compete(f"b{distance}", distance, images=90, images_each=3, protocol=made) for distance in (0, 1, 1.1, 3)]
    twin = replace(competitors[1], entry=competitors[1].entry.model_copy(update={"recipe": "twin+none+none"}))
    rows = board_of(*competitors, twin).records(metric)
    assert sum(row["p_first"] for row in rows) == pytest.approx(1)
    for row in rows:
        assert 1 <= row["rank_low"] <= row["rank"] <= row["rank_high"] <= 5
        assert row[f"{metric}_low"] - 1e-12 <= row[metric] <= row[f"{metric}_high"] + 1e-12
    by_recipe = {row["recipe"]: row for row in rows}
    one, other = by_recipe["b1+none+none"], by_recipe["twin+none+none"]
    assert all(one[name] == other[name] for name in ("rank", "rank_low", "rank_high", "p_first", metric))


def test_a_row_has_what_scripts_read(make_board, make_entry, facts):
    (row,) = make_board(make_entry("vgg16", 0.75, dataset=facts)).records()
    assert {key: row[key] for key in ("rank", "recipe", "backbone", "augmentation", "imbalance", "status", "threshold")} == {
        "rank": 1,
        "recipe": "vgg16+none+smote",
        "backbone": "vgg16",
        "augmentation": "none",
        "imbalance": "smote",
        "status": "complete",
        "threshold": 0.4375,
    }
    assert [row[key] for key in ("accuracy", "recall", "precision", "f1", "auc")] == [0.75, 0.5, 0.25, 1 / 3, 0.75]
    assert (row["trials"], row["trials_failed"], row["trials_pruned"], row["validation"]) == (5, 1, 0, 0.875)
    assert (row["learning_rate"], row["dropout"], row["seconds"], row["control"]) == (0.001, 0.5, 4.0, False)
    assert (row["kind"], row["folds"], row["seeds"], row["audit"], row["warnings"]) == ("recipe", 1, 1, "clean", [])
    assert (row["validation_negative"], row["validation_positive"]) == (10, 40)


def test_a_row_of_folds_and_seeds_has_means_sums_and_spreads(board_of, compete, make_protocol):
    protocol = make_protocol(folds=3, seeds=2, also_at=(0.7,))
    competitor = compete(threshold=0.5, protocol=protocol)
    (row,) = board_of(competitor).records()
    assert (row["folds"], row["seeds"], row["trials"], row["threshold"]) == (3, 2, 9, 0.5)
    assert (row["learning_rate"], row["dropout"]) == (None, None)  # each fold has its own
    assert all(row[f"{metric}_seed_sd"] == competitor.entry.seed_spread[metric] > 0 for metric in METRICS)
    for metric in ("accuracy", "recall", "precision", "f1", "specificity"):
        assert row[f"{metric}@0.7_low"] <= row[f"{metric}@0.7"] <= row[f"{metric}@0.7_high"]
    assert row["recall@0.7"] < row["recall"]


def test_a_failed_row_has_the_same_keys_and_no_numbers(make_board, make_entry):
    complete, failed = json.loads(json.dumps(make_board(make_entry("a", 0.5), make_entry("b")).records()))
    assert failed.keys() == complete.keys()
    numbers = (
        "rank",
        "rank_low",
        "p_first",
        "accuracy",
        "recall",
        "precision",
        "f1",
        "auc",
        "auc_low",
        "threshold",
        "validation",
    )
    assert [failed[key] for key in numbers] == [None] * len(numbers)
    assert failed["trials"] == 0


def test_an_entry_comes_back_as_it_was_written(make_entry, tmp_path, facts):
    entry = make_entry("vgg16", 0.75, warnings=("ü|\n<b>",), versions={"keras": "3"}, dataset=facts)
    write_entry(tmp_path / "entry.json", entry)
    assert read_entry(tmp_path / "entry.json") == entry
    assert json.loads((tmp_path / "entry.json").read_text(encoding="utf-8"))["schema_version"] == 4


def test_numbers_come_back_bit_by_bit(compete, make_protocol, tmp_path):
    entry = compete(protocol=make_protocol(folds=3, seeds=2)).entry
    write_entry(tmp_path / "entry.json", entry)
    assert read_entry(tmp_path / "entry.json") == entry


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"schema_version": 1}, "schema_version 1 is not known"),
        ({"schema_version": 5}, "schema_version 5 is newer than 4, which this cxrbench reads: update cxrbench"),
        ({"status": "perfect"}, "status: "),
        ({"metrics": {"auc": "high"}}, "metrics.auc: "),
        ({"protocol": "phantom-grouped-55484817"}, "protocol: "),
        ({"folds": [{"fold": 0}]}, "folds.0.heads: "),
    ],
)
def test_an_entry_of_another_kind_is_refused_by_file_and_field(make_entry, tmp_path, change, words):
    path = tmp_path / "entries" / "vgg16.json"
    write_json(path, make_entry("vgg16", 0.75).model_dump(mode="json") | change)
    with pytest.raises(CxrbenchError, match=words) as caught:
        read_entry(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b'{"protocol": "phan', b"\xff\xfe", b"[]", b"null"])
def test_a_broken_entry_is_refused_by_file(tmp_path, content):
    path = tmp_path / "vgg16.json"
    path.write_bytes(content)
    with pytest.raises(CxrbenchError, match=r"vgg16\.json is not a valid entry"):
        read_entry(path)


def test_the_means_of_an_entry_over_its_folds(make_entry):
    folds = tuple(
        FoldResult(fold=fold, validation={"auc": value}, trials={"complete": 2, "failed": fold}, heads=())
        for fold, value in enumerate((0.5, 1.0))
    )
    entry = make_entry("vgg16", 0.75, folds=folds)
    assert entry.validation("auc") == 0.75
    assert entry.validation("f1") is None
    assert entry.trials == {"complete": 4, "failed": 1}


def written(out, protocol, *competitors):
    """Write a protocol's folder down and return where it is."""
    folder = ProtocolFolder(out=out, protocol=protocol)
    folder.write_protocol()
    for competitor in competitors:
        competitor.write(folder)
    return folder.path


def test_what_is_read_gives_the_rows_that_were_written(board_of, compete, make_protocol, tmp_path):
    protocol = make_protocol(folds=2, seeds=2)
    competitors = [compete(name, distance, protocol=protocol) for name, distance in (("a", 1), ("b", 2))]
    assert read_board(written(tmp_path, protocol, *competitors)).records() == board_of(*competitors).records()


def test_rows_of_two_protocols_are_never_ranked_together(compete, make_protocol, tmp_path):
    (tmp_path / "studies").mkdir()
    for split, distance in (("paper", 3), ("grouped", 1)):
        protocol = make_protocol(split=split)
        written(tmp_path, protocol, *(compete(name, distance + more, protocol=protocol) for name, more in (("a", 0), ("b", 1))))
    boards = read_boards(tmp_path)
    assert [board.protocol.split for board in boards] == ["grouped", "paper"]
    assert [ranks(board) for board in boards] == [[(1, "b"), (2, "a")]] * 2
    assert [sum(row["p_first"] for row in board.records()) for board in boards] == pytest.approx([1, 1])


def test_an_entry_of_another_protocol_is_refused(compete, make_protocol, tmp_path):
    path = written(tmp_path, make_protocol(), compete("a"))
    stranger = compete("b", protocol=make_protocol(seed=1)).entry
    write_entry(path / "entries" / "b+none+none.json", stranger)
    with pytest.raises(CxrbenchError, match=rf"b\+none\+none belongs to another protocol, {stranger.protocol.name}"):
        read_board(path)


@pytest.mark.parametrize("damage", ["absent", "seed", "text"])
def test_a_complete_entry_without_its_scores_is_refused(compete, make_protocol, tmp_path, damage):
    protocol = make_protocol(seeds=2)
    competitor = compete("a", protocol=protocol)
    path = written(tmp_path, protocol, competitor)
    predictions = path / competitor.entry.predictions
    if damage == "absent":
        predictions.unlink()
    elif damage == "seed":
        write_predictions(predictions, competitor.scored[:1])
    else:
        predictions.write_text("nothing", encoding="utf-8")
    words = {
        "absent": "is not a valid predictions table",
        "seed": "lacks the test scores of fold 0, seed 1",
        "text": "it is not a NumPy archive",
    }
    with pytest.raises(CxrbenchError, match=words[damage]) as caught:
        read_board(path)
    assert str(predictions) in str(caught.value)


def test_entries_of_other_images_cannot_be_ranked_together(compete, make_protocol, tmp_path):
    protocol = make_protocol()
    one, other = compete("a"), compete("b")
    scored = replace(other.scored[0], patients=other.scored[0].patients[::-1])
    board = read_board(written(tmp_path, protocol, one, replace(other, scored=(scored,))))
    with pytest.raises(DataError, match=r"b\+none\+none: .*cannot be ranked with the others"):
        board.records()


def test_a_folder_without_boards_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match=r"no leaderboard here\. Make one with: cxrbench run --out"):
        read_boards(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["{}", "{", '{"schema_version": 7}'])
def test_a_broken_protocol_is_refused_by_file(tmp_path, content):
    (tmp_path / "protocol.json").write_text(content, encoding="utf-8")
    with pytest.raises(CxrbenchError, match=r"protocol\.json is not a valid protocol"):
        read_board(tmp_path)


def test_the_fewest_validation_images_of_any_fold_are_in_the_row(make_board, make_entry, facts):
    (part,) = facts.folds
    other = part.model_copy(update={"validation_negative": 9, "validation_positive": 41})
    (row,) = make_board(make_entry("a", 0.75, dataset=DatasetFacts(**{**dict(facts), "folds": (part, other)}))).records()
    assert (row["validation_negative"], row["validation_positive"]) == (9, 40)
