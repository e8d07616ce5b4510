"""The board and its models from Python."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cxrbench
from cxrbench.errors import CxrbenchError


@pytest.fixture
def board(kept_run):
    return cxrbench.load_board(kept_run.folder / "leaderboard")


@pytest.fixture(scope="session")
def scans(draw_images, tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("scans") / "images", 2, 2)


def test_a_board_is_a_sequence_of_ranked_rows(board, kept_run):
    assert len(board) == 3
    assert [row.recipe for row in board] == [row.recipe for row in board.rows()]
    assert board[0].rank == 1
    assert board[-1].recipe == "majority-class"
    assert isinstance(board, cxrbench.Board)
    assert isinstance(board[0].entry, cxrbench.Entry)
    assert cxrbench.load_board(kept_run.protocol_folder()).entries == board.entries


def test_a_board_is_a_pandas_table(board):
    pytest.importorskip("pandas", reason="pandas is optional")
    frame = board.to_frame()
    assert list(frame["recipe"]) == [row.recipe for row in board]
    assert frame["auc"].tolist() == [row["auc"] for row in board]


def test_a_row_and_a_name_give_the_same_model(board, kept_run, scans):
    row = next(row for row in board if row.entry.backbone == "random-convnet")
    model = row.model(fold=1, seed=0)
    assert isinstance(model, cxrbench.Model)
    predictions = model.predict(scans)
    assert [one.name for one in predictions] == [str(path) for path in sorted(scans.rglob("*.jpeg"))]
    assert all(0 <= one.score <= 1 and one.call in {"NORMAL", "PNEUMONIA"} for one in predictions)
    other = cxrbench.load_model(row.recipe, out=kept_run.folder / "leaderboard", fold=1, seed=0)
    assert [one.score for one in other.predict([scans / "NORMAL", scans / "PNEUMONIA"])] == [one.score for one in predictions]


def test_a_file_that_cannot_be_read_has_a_reason(board, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG broken")
    (prediction,) = board[0].model().predict(tmp_path / "broken.png")
    assert prediction.score is None
    assert prediction.reason


def test_what_cannot_be_loaded_says_what_to_do(board, tmp_path):
    with pytest.raises(CxrbenchError, match="gives every image the same score"):
        board[-1].model()
    with pytest.raises(CxrbenchError, match="no leaderboard here"):
        cxrbench.load_board(tmp_path)
    with pytest.raises(CxrbenchError, match="leave --fold and --seed out"):
        board[0].model(all_folds=True, fold=1)
    with pytest.raises(AttributeError, match="has no attribute 'Bored'"):
        cxrbench.Bored  # noqa: B018


def test_public_names_are_imported_when_they_are_used():
    code = "import sys, cxrbench; assert 'numpy' not in sys.modules; cxrbench.Board; print('numpy' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout == "True\n"
    assert all(hasattr(cxrbench, name) for name in cxrbench.__all__)
