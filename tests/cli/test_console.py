"""Boards on terminals of many widths: no line is wider, and no number is cut."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from rich.console import Console

from cxrbench.cli.board_table import fit, fold, laid_out, legend
from cxrbench.cli.console import ConsoleProgress
from cxrbench.cli.progress_bars import duration, progress_bars
from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.render import CONTROLS, records_as_csv, tables

PUBLISHED = Path(__file__).parents[2] / "leaderboard"
NUMBER = re.compile(r"\d\.\d+")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Return a board of three published recipes, which hold the longest texts."""
    (whole,), folder = PUBLISHED.glob("chest_xray-grouped-*"), tmp_path_factory.mktemp("published")
    for name in ("texture+none+none", "mobilenet-alpha=0.25+gentle+class-weights-295aea", "control-thumbnail+none+none"):
        for file in (f"entries/{name}.json", f"predictions/{name}.npz", "protocol.json"):
            (folder / file).parent.mkdir(exist_ok=True)
            shutil.copy(whole / file, folder / file)
    return read_board(folder)


def layout_of(board, width, ranked_by="auc"):
    columns = [column for column in tables(board, ranked_by)[""] if column.key != "status"]
    return fit(columns, board.rows(ranked_by), width, ranked_by=ranked_by)


def printed(board, width, ranked_by="auc"):
    console, layout = Console(width=width, record=True, file=io.StringIO()), layout_of(board, width, ranked_by)
    for part in laid_out(layout, board.rows(ranked_by)):
        console.print(part)
    return console.export_text()


@pytest.mark.parametrize("width", [30, 33, 40, 60, 80, 100, 120, 140])
def test_no_line_is_wider_and_every_number_is_whole(published, width):
    text = printed(published, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    (heading, *_), records = text.splitlines(), list(csv.DictReader(io.StringIO(records_as_csv(published.records()))))
    stored = {f"{float(value):.3f}" for record in records for value in record.values() if re.fullmatch(r"[\d.]+", value)}
    assert set(NUMBER.findall(text.replace("alpha=0.25", ""))) <= stored
    assert heading.split()[:2] == ["rank", "recipe"]
    low, high = published.rows()[0].entry.intervals["auc"]
    assert f"{low:.3f}\N{EN DASH}{high:.3f}" in text


@pytest.mark.parametrize("width", [80, 100, 120, 140])
def test_from_80_columns_names_are_whole(published, width):
    text = printed(published, width)
    assert "mobilenet:alpha=0.25" in text
    assert "gentle + class-weights" in text


def test_rank_recipe_and_two_metrics_fit_80_columns_and_the_rest_is_named(published):
    assert layout_of(published, 140).hidden == ()
    assert layout_of(published, 120).hidden == ("trials",)
    assert [column.heading for column, _ in layout_of(published, 40).widths] == ["rank", "recipe", "auc"]
    narrow = layout_of(published, 80)
    assert [column.heading for column, _ in narrow.widths] == ["rank", "recipe", "accuracy", "recall", "precision", "auc"]
    assert narrow.hidden == ("trials", "threshold", "P(first)", "f1")
    assert "no room for trials, threshold, P(first), f1 " in legend(narrow, published.rows())


@pytest.mark.parametrize("metric", ["f1", "balanced-accuracy"])
def test_the_ranking_column_is_never_dropped(published, metric):
    assert metric in [column.key for column, _ in layout_of(published, 40, metric).widths]
    text = printed(published, 40, metric)
    assert max(map(len, text.splitlines())) <= 40
    assert f"{published.rows(metric)[0].entry.metrics[metric]:.3f}" in text


@pytest.mark.parametrize(("width", "lines"), [(22, ["gentle + class-weights"]), (20, ["gentle + class-", "weights"])])
def test_names_fold_where_their_parts_end(width, lines):
    assert fold("gentle + class-weights", width) == lines


def test_a_name_never_folds_within_a_number():
    assert fold("net:alpha=0.25,rate=1e-05", 4) == ["net:", "alpha=0.25,", "rate=1e-05"]
    assert fold("", 4) == [""]


def test_controls_stand_below_the_recipes(published):
    text = printed(published, 80)
    recipes, controls = text.split(f"{CONTROLS}:")
    assert "control" not in recipes
    assert re.search(r"^ *3 +control-thumbnail ", controls, re.MULTILINE)  # with its rank among all rows
    assert "mobilenet" not in controls


def on_terminal(width, *command):
    """Return what a command prints on a real terminal of so many columns, without colours."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    surroundings = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen([sys.executable, "-m", "cxrbench", *command], stdout=theirs, stderr=theirs, env=surroundings)
    os.close(theirs)
    printed = b""
    try:
        while part := os.read(ours, 65536):
            printed += part
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0, printed
    return re.sub(r"\x1b\[[\d;]*m", "", printed.decode()).replace("\r\n", "\n")


@pytest.mark.slow  # each command takes 3 s
@pytest.mark.parametrize("width", [40, 80])
def test_a_terminal_gets_few_words_and_where_the_others_are(published, width):
    out = published.folder.parent / "out"
    shutil.copytree(published.folder, out / published.name, dirs_exist_ok=True)
    short = on_terminal(width, "leaderboard", "--out", str(out))
    assert max(map(len, short.splitlines())) <= width
    assert len(short.split("SHORTCUT")) == 2
    below = " ".join(short.partition("=")[2].split())
    assert "1 control reaches AUC 0.987 without any detail of a lung" in below
    assert f"5 more notes: cxrbench leaderboard --notes --out {out}".replace(" ", "") in below.replace(" ", "")
    assert "Positive class" not in short
    assert "Positive class: PNEUMONIA" in " ".join(on_terminal(width, "leaderboard", "--out", str(out), "--notes").split())


@pytest.mark.parametrize("width", [40, 80])
def test_bars_say_how_fast_it_goes_and_the_time_left(width):
    console = Console(width=width, file=io.StringIO(), force_terminal=True)
    with progress_bars(console) as bars:
        task, waiting = bars.add_task("shifted features", total=1200), bars.add_task("trials", total=800)
        for _ in range(4):
            time.sleep(0.01)
            bars.advance(task, 3)
        lines = _text(bars, console).splitlines()
        bars.update(waiting, completed=800)
        assert "800/800 in 0 s" in re.sub(r"\s+", " ", _text(bars, console))
    shown = " ".join(" ".join(line.split()) for line in lines)
    assert max(map(len, lines)) <= width
    assert ("━" in shown) == (width == 80)
    assert re.search(r"12/1200 \d+\.\d/s, \d+ s left", shown)
    assert "0/800 for 0 s" in shown


def test_a_slow_stage_has_a_line_a_minute_without_a_terminal(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("cxrbench.cli.console.time.monotonic", lambda: now[0])
    with ConsoleProgress() as progress:
        progress.begin("features", 4)
        for seconds in (50.0, 70.0, 110.0, 131.0):
            now[0] = seconds
            progress.advance("features")
    assert capsys.readouterr().err.splitlines() == ["features: 2 of 4 after 70 s", "features: 4 in 131 s"]


def _text(bars, console):
    with console.capture() as captured:
        console.print(bars.get_renderable())
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", captured.get())


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (6000, "1.7 h")])
def test_durations_are_in_a_readable_unit(seconds, text):
    assert duration(seconds) == text
