"""`cxrbench figures`: files for a paper."""

from __future__ import annotations

import sys
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import Image

from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.plots.drawings import confusion, curves, intervals
from cxrbench.leaderboard.plots.files import write_figures
from cxrbench.leaderboard.store.folder import ProtocolFolder

CURVES = ("roc", "precision-recall", "calibration", "intervals")
HOSTILE = (
    "a_b%c&d#e",
    "$\\frac{1}$",
    "one $ sign",
    "{\\undefined}$$",
    "</text><script>alert(1)</script>",
    "\u202egnp.exe",
    "\x1b[2J\x00",
    "\u4e2d\u6587",
    "w" * 900,
)


@pytest.fixture
def make_folder(make_store):
    """Return a function that writes a board and returns its folder."""
    return lambda trials=5: make_store(trials).path


def test_every_figure_of_the_rows_is_written(make_folder, workspace):
    folder = make_folder()
    done = workspace.call_here(
        "figures", "texture + none + none", folder / "entries" / "vgg16+none+none.json", "--to", "new/figures"
    )
    assert done.returncode == 0, done.stderr
    names = [*CURVES, "confusion-1", "confusion-2"]
    assert done.stdout.split() == [f"new/figures/{name}.svg" for name in names]
    assert sorted(path.name for path in (workspace.folder / "new" / "figures").iterdir()) == sorted(
        f"{name}.svg" for name in names
    )
    matrix = (workspace.folder / "new" / "figures" / "confusion-2.svg").read_text(encoding="utf-8")
    assert "vgg16+none+none" in matrix


def test_curves_of_training_are_among_them_where_known(whole_board, tmp_path):
    paths = write_figures(whole_board, [2, 1], tmp_path, "png")
    assert [path.stem for path in paths] == [*CURVES, "confusion-1", "confusion-2", "loss-2", "accuracy-2"]
    for path in paths:
        with Image.open(path) as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert min(image.size) > 300


@pytest.mark.parametrize("format", ["svg", "pdf", "png"])
def test_equal_boards_give_equal_bytes(whole_board, format):
    first = curves(whole_board, 1)["roc"].encoded(format)
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": None, "lines.linewidth": 9}):  # what a user has set
        assert curves(replace(whole_board), 1)["roc"].encoded(format) == first
    assert b"CreationDate" not in first
    assert b"dc:date" not in first


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(make_folder, workspace):
    make_folder()
    own = workspace.call_here("figures", "--to", "here")
    other = workspace.call("figures", "--to", "there", PYTHONHASHSEED="1")
    assert own.returncode == other.returncode == 0, other.stderr
    here, there = ({path.name: content for path, content in workspace.files("*", out).items()} for out in ("here", "there"))
    assert len(here) == 6
    assert here == there


def texts_of(svg):
    """Return the texts of an SVG, which has no script."""
    root = ElementTree.fromstring(svg)
    assert not [one for one in root.iter() if one.tag.endswith("script")]
    return ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def test_text_stays_text(whole_board):
    drawing = curves(whole_board, 1)["roc"]
    assert {whole_board[0].recipe, "sensitivity", "1 - specificity"} <= set(texts_of(drawing.encoded("svg")))
    pdf = drawing.encoded("pdf")
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf


@pytest.mark.parametrize("format", ["svg", pytest.param("pdf", marks=pytest.mark.slow)])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_drawn_as_text(compete, board_of, text, format):
    entry = compete("texture", 3.0).entry
    names = entry.dataset.class_names.model_copy(update={"positive": text})
    dataset = entry.dataset.model_copy(update={"class_names": names})
    board = board_of(replace(compete("texture", 3.0), entry=entry.model_copy(update={"recipe": text, "dataset": dataset})))
    drawings = (curves(board, None)["roc"], confusion(board, 1), intervals(board, None))
    files = [drawing.encoded(format) for drawing in drawings]
    if format == "svg":
        visible = text if text.isprintable() else text.encode("unicode_escape").decode()
        found = [" ".join(texts_of(file)) for file in files]
        assert all(visible[:12] in one for one in found), found


def test_drawing_leaves_nothing_behind(whole_board, tmp_path):
    from matplotlib import pyplot

    before, settings = pyplot.get_fignums(), dict(matplotlib.rcParams)
    write_figures(whole_board, 1, tmp_path, "svg")
    assert pyplot.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings


def test_rows_of_two_protocols_are_refused(make_folder, workspace):
    one, other = make_folder(5), make_folder(6)
    rows = [folder / "entries" / "texture+none+none.json" for folder in (one, other)]
    done = workspace.call_here("figures", *rows, "--to", "figures")
    assert done.returncode == 2
    assert "the rows are of 2 protocols" in done.stderr
    assert all(folder.name in done.stderr for folder in (one, other))
    none_named = workspace.call_here("figures", "--to", "figures")
    assert none_named.returncode == 2
    assert "has 2 protocols. Give the folder of one" in none_named.stderr
    assert not (workspace.folder / "figures").exists()


def test_a_failed_row_has_no_figures(make_folder, make_entry, workspace):
    folder = make_folder()
    entry = make_entry("resnet50", protocol=read_board(folder).protocol)
    ProtocolFolder(out=folder.parent, protocol=entry.protocol).add(entry.recipe, entry)
    done = workspace.call_here("figures", "resnet50+none+smote", "--to", "figures")
    assert done.returncode == 2
    assert "resnet50+none+smote is failed: it has no stored scores" in done.stderr


def test_without_matplotlib_a_message_says_what_to_install(make_folder, workspace, monkeypatch):
    make_folder()
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = workspace.call_here("figures", "1", "--to", "figures")
    assert done.returncode == 2
    assert "pip install 'cxrbench[figures]'" in done.stderr
    assert workspace.call_here("leaderboard", "--format", "latex").returncode == 0  # which needs nothing
