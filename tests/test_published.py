"""The published results: readable, consistent, and shown unchanged in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cxrbench import load_model
from cxrbench.leaderboard.board import read_boards
from cxrbench.leaderboard.render import board_as_markdown
from cxrbench.leaderboard.report.page import board_as_html
from cxrbench.leaderboard.store.model_folder import read_model_record

ROOT = Path(__file__).parents[1]
WINNER = ROOT / "leaderboard" / "winner"


@pytest.fixture(scope="module")
def board():
    boards = read_boards(ROOT / "leaderboard")
    return next(board for board in boards if board.protocol.dataset == "chest_xray" and board.protocol.folds == 3)


def table(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_entries_match_their_predictions_and_the_page(board):
    page = (ROOT / "leaderboard" / board.protocol.name / "LEADERBOARD.md").read_text(encoding="utf-8")
    assert page == board_as_markdown(board)


def test_the_page_for_people_is_that_of_the_entries(board):
    page = (ROOT / "leaderboard" / board.protocol.name / "index.html").read_text(encoding="utf-8")
    assert page == board_as_html(board)
    assert f'data-key="auc" data-value="{board.rows()[0].entry.metrics["auc"]}"' in page


def test_the_documentation_shows_that_table(board):
    page = (ROOT / "docs" / "explanation" / "published-results.md").read_text(encoding="utf-8")
    assert table(page) == table(board_as_markdown(board))


def test_the_board_holds_all_available_backbones_and_controls(board):
    assert (board.protocol.split, board.protocol.folds, board.protocol.seeds, board.protocol.trials) == ("grouped", 3, 1, 50)
    assert {entry.status for entry in board.entries} == {"complete"}
    recipes = {
        f"{backbone}+{augmentation}+{imbalance}"
        for backbone in ("mobilenet:alpha=0.25", "texture")
        for augmentation in ("none", "gentle")
        for imbalance in ("none", "class-weights", "smote")
    }
    controls = {f"control-{name}+none+none" for name in ("border", "intensity", "thumbnail")}
    trained = "mobilenet:alpha=0.25+none+none@fine-tuned"
    assert {entry.name for entry in board.entries} == recipes | controls | {"majority-class", trained}
    assert all("SHORTCUT" in " ".join(row["warnings"]) for row in board.records() if row["backbone"] == "control-border")


def test_the_exported_folder_is_the_model_of_the_first_row(board):
    record = read_model_record(WINNER)
    first = board.rows()[0].entry
    assert (record.name, record.study, record.protocol) == (first.name, first.study, first.protocol)
    assert record.heads.models == (first.folds[0].heads[0].model,)
    assert record.metrics["auc"] == first.folds[0].heads[0].metrics["auc"]


@pytest.mark.slow  # TensorFlow
def test_the_exported_folder_passes_its_self_test(board):
    model = load_model(WINNER)
    first = board.rows()[0].entry.folds[0].heads[0]
    assert (model.record.stage, model.classifier.threshold) == ("fine-tuned", first.threshold)
    assert set(model.learnt.values()) == {"train", "validation", "test"}


def test_nothing_names_a_path_of_one_machine(board):
    folder = ROOT / "leaderboard" / board.protocol.name
    texts = [path.read_text(encoding="utf-8") for part in (folder, WINNER) for path in part.rglob("*.json")]
    assert not [text for text in texts if re.search(r'"(/|[A-Z]:\\|~)', text)]
