"""`cxrbench leaderboard --format latex`: tables for papers."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cxrbench.leaderboard.board import Board
from cxrbench.leaderboard.latex import board_as_latex
from cxrbench.leaderboard.plots.files import write_figures
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.storage.latex_text import escape_latex

DOCS = (Path(__file__).parents[2] / "docs" / "how-to" / "figures.md").read_text(encoding="utf-8")
HOSTILE = (
    "\\input{/etc/passwd}",
    "\\end{tabular}\\undefined",
    "^^5cundefined",
    "a_b % c & d # e $ f ~ g ^ h",
    "{{{",
    "}}}",
    "[8pt]",
    "*",
    "%",
    "\u202egnp.exe",
    "\x1b[2J\x00",
    "\u4e2d\u6587 \u0434\u0430 \u00ab\u00fe\u0105\u00bb \U0001fac1",
    "two\nlines",
    "\u2028%\r\\undefined",
)
LETTERS = "".join(map(chr, range(0x20, 0x180))) + "\N{EN DASH}\N{EM DASH}\N{HORIZONTAL ELLIPSIS}"


def cells_of(text):
    """Return the rows of values of the first table, and those of what is below them."""
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    lines = [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in body.splitlines() if line.endswith(r" \\")]
    return lines[::2], [[cell.removeprefix(r"\scriptsize ") for cell in line] for line in lines[1::2]]


def test_values_and_intervals_are_those_of_the_entries(whole_board):
    values, below = cells_of(board_as_latex(whole_board))
    rows = whole_board.rows()
    for row, cells, small in zip(rows, values, below, strict=True):
        assert cells[1] == row.entry.backbone
        assert small[1].startswith(f"{row.entry.augmentation} + {row.entry.imbalance}")
        assert small[0] == f"{row.standing.rank_low}--{row.standing.rank_high}"
        for place, metric in enumerate(("accuracy", "recall", "precision", "f1", "auc"), start=2):
            low, high = row.entry.intervals[metric]
            assert re.sub(r"\\textbf{(.*)}", r"\1", cells[place]) == f"{row.entry.metrics[metric]:.3f}"
            assert small[place] == f"{low:.3f}--{high:.3f}"
    assert len(values[0]) == 7


def test_shifts_have_a_table_of_their_own(whole_board):
    main, shifted = board_as_latex(whole_board).split(r"\begin{table}")[1:]
    assert "auc shifted" not in main
    assert "the test images were made (blur@2, exposure@1.5, noise@3, crop@0.1)." in shifted
    assert r"recipe & auc shifted & blur & exposure & noise & crop \\" in shifted
    first = whole_board[0]
    assert shifted.count(f" {first['auc_shifted']:.3f} ") == shifted.count(f" {first['shift_noise@3_auc']:.3f} ") >= 4
    by_shifted = board_as_latex(whole_board, "auc_shifted").split(r"\begin{table}")[1]
    assert rf"\textbf{{{first['auc_shifted']:.3f}}}" in by_shifted


@pytest.mark.parametrize(("sort", "column"), [("", 6), ("f1", 5)])
def test_bold_are_the_first_row_and_those_tied_with_it(compete, board_of, sort, column):
    board = board_of(compete("first", 3.0), compete("near", 2.9), compete("far", 0.5))
    values, _ = cells_of(board_as_latex(board, sort))
    bold = [[place for place, cell in enumerate(cells) if cell.startswith(r"\textbf{")] for cells in values]
    tied = [row.standing.tied for row in board.rows(sort)]
    assert tied == [True, True, False]
    assert bold == [[column], [column], []]
    assert [cells[0] for cells in values] == ["1", "=2", "3"]
    caption = re.search(r"\\caption{(.*)}", board_as_latex(board, sort))[1]
    assert f"Bold: {sort or 'auc'} of the first row and of each row that is not distinguishable from it" in caption
    assert "split grouped, 5 trials per study, auc maximised on validation" in caption


def test_without_scores_only_the_first_row_is_bold(make_protocol, make_entry):
    board = Board(protocol=make_protocol(), entries=(make_entry("a", 0.875), make_entry("b", 0.75), make_entry("c")))
    text = board_as_latex(board)
    assert text.count(r"\textbf{") == 1
    assert r"\textbf{0.875}" in text
    assert "Bold: auc of the first row. " in text
    assert "% c+none+smote is failed: MemoryError: no room" in text


def test_the_caption_says_that_images_are_drawn_or_leak(whole_board):
    caption = re.search(r"\\caption{(.*)}", board_as_latex(whole_board))[1]
    assert "drawn images: a test of the tool, \\textbar{} not of medicine." in caption
    assert r"Data audit: 1 finding: 3 shared-patients (leak)." in caption


def test_ordinary_names_stay_legible():
    assert escape_latex("mobilenet:alpha=0.25+none+class-weights") == "mobilenet:alpha=0.25+none+class-weights"
    assert escape_latex("chest_xray 95 % a&b") == r"chest\_xray 95 \% a\&b"
    assert escape_latex("0.8\N{EN DASH}0.9, ---, ''") == "0.8--0.9, -{}-{}-, '{}'"
    assert escape_latex("[x]") == "{}[x]"
    assert escape_latex("Müller \u4e2d") == "Müller [U+4E2D]"


def test_several_boards_are_printed_by_the_command(compete, make_protocol, workspace):
    for trials in (5, 6):
        protocol = make_protocol(trials=trials)
        store = ProtocolFolder(out=workspace.folder / "leaderboard", protocol=protocol)
        store.write_protocol()
        compete("texture", protocol=protocol).write(store)
    done = workspace.call_here("leaderboard", "--format", "latex")
    assert done.returncode == 0, done.stderr
    labels = re.findall(r"\\label{tab:(.*)}", done.stdout)
    assert sorted(labels) == sorted(path.name for path in (workspace.folder / "leaderboard").iterdir())


@pytest.fixture
def compiled(tmp_path):
    """Return a function that compiles a document and returns pdfLaTeX's log; skip without pdfLaTeX."""
    if not shutil.which("pdflatex"):
        pytest.skip("pdflatex not installed: apt-get install texlive-latex-base texlive-latex-recommended")

    def run(document):
        (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
        log = (tmp_path / "paper.log").read_text(encoding="utf-8", errors="replace")
        assert done.returncode == 0, log[-3000:]
        return log

    return run


def document(content):
    return f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{content}\n\\end{{document}}\n"


@pytest.mark.latex
def test_the_document_of_the_docs_compiles(whole_board, compiled, tmp_path):
    (tmp_path / "leaderboard.tex").write_text(board_as_latex(whole_board), encoding="utf-8")
    write_figures(whole_board, 1, tmp_path / "figures", "pdf")
    (written,) = re.findall(r"^```latex\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    log = compiled(written)
    assert "figures/roc.pdf" in log
    assert "Overfull" not in log
    assert "Missing character" not in log


@pytest.mark.latex
def test_the_main_table_fits_on_a_page(compete, board_of, compiled):
    made = [compete(name, 2.0, augmentation="gentle", imbalance="class-weights") for name in ("texture", "vgg16")]
    longer = made[0].entry.model_copy(update={"backbone": "mobilenet:alpha=0.25"})
    board = board_of(replace(made[0], entry=longer), made[1])
    assert "Overfull" not in compiled(document(board_as_latex(board)))


@pytest.mark.latex
def test_hostile_names_compile_and_run_nothing(compete, board_of, make_protocol, compiled):
    tables = []
    for text in HOSTILE:
        changes = {"backbone": text, "recipe": text, "augmentation": text, "warnings": (text,), "reason": text}
        competitor = compete("texture", 3.0, protocol=make_protocol(also_at=(0.7,)))
        board = board_of(replace(competitor, entry=competitor.entry.model_copy(update=changes)))
        protocol = board.protocol.model_copy(update={"notice": text, "dataset": text})
        tables.append(board_as_latex(replace(board, protocol=protocol)) + "\\clearpage")
    log = compiled(document("\n".join(tables)))
    assert "passwd" not in log
    pages = re.search(r"Output written on paper\.pdf \((\d+) pages", log)
    assert int(pages[1]) >= len(HOSTILE)


@pytest.mark.latex
def test_every_latin_letter_compiles(compiled):
    lines = "\n\n".join(f"x{escape_latex(char)}{escape_latex(char)}" for char in LETTERS)
    assert "Missing character" not in compiled(document(lines))
