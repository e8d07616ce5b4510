"""What is said of a row beside the others: controls that it does not beat, shortcuts, collapse."""

from __future__ import annotations

import pytest

from cxrbench.leaderboard.standings import SHORTCUT

CONTROL = "control-border+none+none"


def warnings(board, sort=""):
    return {row["backbone"]: row["warnings"] for row in board.records(sort)}


@pytest.fixture
def control(compete):
    def make(distance, backbone="control-border", **given):
        return compete(backbone, distance, control=True, **given)

    return make


def test_a_row_not_beating_a_control_says_which_and_in_what(board_of, compete, control):
    board = board_of(compete("good", 4), compete("blind", 0), control(0.2), control(2.5, "control-intensity"))
    found = warnings(board)
    assert found["good"] == []
    assert found["blind"] == [
        "does no better in auc than control-border+none+none and control-intensity+none+none, which see no detail of a lung: "
        "it may be using a shortcut, or have learnt little"
    ]
    assert not any("does no" in line for name in ("control-border", "control-intensity") for line in found[name])


def test_a_better_number_alone_does_not_beat_a_control(board_of, compete, control):
    recipe, rival = compete("a", 1.0), control(1.1)
    assert recipe.entry.metrics["auc"] > rival.entry.metrics["auc"]
    assert warnings(board_of(recipe, rival))["a"] == [
        f"does not beat {CONTROL} in auc beyond chance: it may be using a shortcut"
    ]


def test_controls_ahead_of_a_row_and_others_are_told_apart(board_of, compete, control):
    board = board_of(compete("a", 1.0), control(1.1), control(6.0, "control-intensity"))
    ahead, beside = warnings(board)["a"]
    assert ahead.startswith("does no better in auc than control-intensity+none+none, which sees no detail of a lung: ")
    assert beside == f"does not beat {CONTROL} in auc beyond chance: it may be using a shortcut"


@pytest.mark.parametrize("metric", ["brier", "ece"])
def test_the_smaller_value_beats_where_lower_is_better(board_of, compete, control, metric):
    good, bad = compete("good", 8), compete("bad", -4)
    board = board_of(good, bad, control(0))
    found = warnings(board, metric)
    assert good.entry.metrics[metric] < bad.entry.metrics[metric]
    assert found["good"] == []
    assert f"does no better in {metric} than {CONTROL}, which sees no detail" in " ".join(found["bad"])


def test_a_control_that_surely_does_well_is_called_a_shortcut(board_of, compete, control):
    strong = control(6)
    low = strong.entry.intervals["auc"][0]
    assert low > SHORTCUT
    (line,) = warnings(board_of(compete("good", 8), strong))["control-border"]
    assert line.startswith(
        f"SHORTCUT: this control sees no detail of a lung and still reaches AUC {strong.entry.metrics['auc']:.3f}"
    )
    assert f"at least {low:.3f}" in line


def test_a_control_that_may_be_lucky_is_not_called_a_shortcut(board_of, compete, control):
    weak = control(1.4)
    assert weak.entry.metrics["auc"] > SHORTCUT > weak.entry.intervals["auc"][0]
    assert warnings(board_of(compete("good", 8), weak))["control-border"] == []


def test_a_good_recipe_is_no_shortcut(board_of, compete):
    assert warnings(board_of(compete("good", 8)))["good"] == []


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_recipe_that_calls_all_images_alike_has_collapsed(board_of, compete, threshold):
    found = warnings(board_of(compete("dull", 2, threshold=threshold), compete("keen", 2)))
    assert found == {"dull": ["collapsed: at its threshold it assigns all images of a test part to one class"], "keen": []}


def test_one_collapsed_fold_is_enough(board_of, compete, make_protocol):
    protocol = make_protocol(folds=2)
    dull, keen = (compete("dull", 2, threshold=threshold, protocol=protocol) for threshold in (1.0, 0.5))
    mixed = keen.entry.model_copy(update={"folds": (keen.entry.folds[0], dull.entry.folds[1])})
    board = board_of(keen)
    (row,) = type(board)(protocol=protocol, entries=(mixed,)).records()
    assert row["warnings"] == ["collapsed: at its threshold it assigns all images of a test part to one class"]


def test_the_majority_class_is_a_control_and_has_not_collapsed(board_of, compete):
    everyone = compete("majority-class", 0, threshold=0.0, control=True, kind="baseline")
    found = warnings(board_of(everyone, compete("blind", 0)))
    assert found["majority-class"] == []
    assert "does not beat majority-class+none+none" in " ".join(found["blind"])


def test_who_is_told_apart_from_the_first_and_who_is_not(board_of, compete):
    rows = board_of(compete("first", 4), compete("near", 3.8), compete("far", 0)).records()
    told = {row["backbone"]: (row["tied_with_first"], row["p_auc"], row["p_accuracy"]) for row in rows}
    assert told["first"] == (True, 1, 1)
    assert told["near"][0]
    assert told["near"][1] > 0.05
    assert not told["far"][0]
    assert told["far"][1] < 1e-6
    assert told["far"][2] < 0.01


def test_entries_that_are_not_complete_have_no_verdict(board_of, compete, make_entry):
    board = board_of(compete("first", 4))
    failed = make_entry("broken")
    row = type(board)(protocol=board.protocol, entries=(*board.entries, failed), predictions=board.predictions).records()[-1]
    told = ("rank", "rank_low", "rank_high", "p_first", "tied_with_first", "p_auc", "p_accuracy")
    assert [row[name] for name in told] == [None] * 7
    assert row["warnings"] == []
