"""Boards that somebody else has put together: every command refuses them in one harmless line, or shows them as inert text."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from cxrbench.config.protocol import Protocol
from cxrbench.config.recipe import stem_of
from cxrbench.evaluation.prediction_csv import predictions_as_csv
from cxrbench.evaluation.prediction_table import read_predictions, write_predictions
from cxrbench.leaderboard.store.folder import ProtocolFolder

ESCAPES = "\x1b[2J\x1b]8;;http://evil.example\x07click\x1b]8;;\x07"
BIDI = "\u202egnp.exe\u2066"
PROSE = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "link": "[click](javascript:alert(1)) ![x](http://evil.example/x.png) <http://evil.example>",
    "bare link": "see http://evil.example and www.evil.example",
    "cells": "a | b || c `code` **bold** __bold__ ~~gone~~ $x$ &lt;b&gt;",
    "lines": "one\n# heading\n\n- item\n| cell |\r\nfour\u2028five",
    "heading": "# heading",
    "terminal": f"{ESCAPES}\x9b31m\x08\x7f\x00",
    "bidi": f"{BIDI}\u200b\ufeff\U000e0041",
    "markup": "[red]red[/red] [/] [link=http://evil.example]x[/link] \\",
    "formula": '=HYPERLINK("http://evil.example")',
    "plus": "+1+cmd|' /C calc'!A0",
    "at": "@SUM(1)",
    "minus": "-2+3",
}
COMMANDS = {
    "table": ("leaderboard",),
    "csv": ("leaderboard", "--format", "csv"),
    "md": ("leaderboard", "--format", "md"),
    "json": ("leaderboard", "--format", "json"),
    "ensemble": ("ensemble",),
    "ensemble json": ("ensemble", "--json"),
    "compare": ("compare", "texture+none+none", "vgg16+none+none"),
    "compare json": ("compare", "texture+none+none", "vgg16+none+none", "--json"),
}


@dataclass(frozen=True)
class Board:
    """A board on disk that can be tampered with, and the workspace of the commands that read it."""

    path: Path
    workspace: object

    def call(self, *arguments):
        """Run a command; return its exit code and what it printed on stdout and stderr."""
        done = self.workspace.call_here(*arguments)
        return done.returncode, done.stdout, done.stderr

    @property
    def entry(self):
        """The file of a complete entry."""
        return self.path / "entries" / "texture+none+none.json"

    def change(self, how, path=None):
        """Let a function change a JSON file."""
        path = path or self.entry
        stored = json.loads(path.read_text(encoding="utf-8"))
        how(stored)
        path.write_text(json.dumps(stored), encoding="utf-8")


@pytest.fixture(scope="session")
def written(tmp_path_factory, make_protocol, compete, make_entry):
    """Write what a run leaves: two complete entries with their scores, and one that failed."""
    folder = ProtocolFolder(out=tmp_path_factory.mktemp("hostile") / "leaderboard", protocol=make_protocol())
    folder.write_protocol()
    for name, distance in (("texture", 2.0), ("vgg16", 3.0)):
        whole = compete(name, distance, images=60)
        validated = [replace(one, subset="validation") for one in whole.scored]
        replace(whole, scored=(*validated, *whole.scored)).write(folder)
    folder.add("failed+none+smote", make_entry("failed"))
    return folder


@pytest.fixture
def board(written, workspace, monkeypatch):
    """Return a copy of the board in an empty workspace, which becomes the working folder."""
    monkeypatch.chdir(workspace.folder)
    copied = shutil.copytree(written.out, workspace.folder / "leaderboard")
    return Board(copied / written.path.name, workspace)


def assert_inert(text):
    """A terminal obeys and hides nothing of a text."""
    assert [sign for sign in text if not sign.isprintable() and sign != "\n"] == []


def assert_refused(result, *words):
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert len(err) < 1000
    assert_inert(err)
    for word in words:
        assert word in err


def protocol(stored):
    return stored["protocol"]


def history(stored):
    return stored["folds"][0]["history"]


WRONG = {
    "an unknown field": lambda stored: stored.update(html="<b>"),
    "an unknown field deep inside": lambda stored: stored["folds"][0]["heads"][0].update({ESCAPES: 1}),
    "a name with escapes": lambda stored: stored.update(recipe=f"texture{ESCAPES}+none+none"),
    "a name with markup": lambda stored: stored.update(backbone="<b>texture</b>"),
    "a name with a line break": lambda stored: stored.update(augmentation="none\nnone"),
    "a name with an override": lambda stored: stored.update(imbalance=f"none{BIDI}"),
    "a name that is a formula": lambda stored: stored.update(backbone="=1+1", recipe="=1+1+none+none"),
    "a name that is not its parts": lambda stored: stored.update(recipe="vgg16+none+none"),
    "an option in another spelling": lambda stored: stored.update(backbone="texture:b=1,a=2"),
    "an option that is a place": lambda stored: stored.update(backbone="keras-file:path=/etc/passwd"),
    "an option that is a home": lambda stored: stored.update(backbone='keras-file:path="~/model.keras"'),
    "predictions at a root": lambda stored: stored.update(predictions="/etc/passwd"),
    "predictions upwards": lambda stored: stored.update(predictions="predictions/../../../secret.csv"),
    "predictions on a drive": lambda stored: stored.update(predictions="C:\\secret.csv"),
    "predictions of another recipe": lambda stored: stored.update(predictions="predictions/vgg16+none+none.npz"),
    "predictions nowhere": lambda stored: stored.update(predictions=""),
    "a text for a number": lambda stored: stored["metrics"].update(auc="0.9"),
    "a number for a text": lambda stored: stored.update(reason=7),
    "a truth for a number": lambda stored: stored["folds"][0].update(fold=False),
    "a negative count": lambda stored: stored["dataset"].update(skipped=-1),
    "a metric with escapes": lambda stored: stored["metrics"].update({ESCAPES: 0.5}),
    "a version with escapes": lambda stored: stored["versions"].update(keras=ESCAPES),
    "a status of its own": lambda stored: stored.update(status="winner"),
    "a later schema": lambda stored: stored.update(schema_version=99),
    "an endless name": lambda stored: stored.update(backbone="x" * 100_000),
    "an engine with escapes": lambda stored: protocol(stored).update(engine=f"optuna{ESCAPES}"),
    "a threshold of its own": lambda stored: protocol(stored).update(threshold="<script>"),
    "countless folds": lambda stored: protocol(stored).update(folds=10**9),
    "another protocol": lambda stored: protocol(stored).update(seed=1),
    "a trial state of its own": lambda stored: history(stored).update(states=["winner"]),
    "a reason that is no text": lambda stored: history(stored).update(remarks=[{"number": 0, "reason": 7}]),
    "a parameter with escapes": lambda stored: history(stored).update(params={ESCAPES: [0.5]}),
    "a list for an entry": lambda stored: stored.update(metrics=[]),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_entry_that_breaks_the_schema_is_refused_by_file(board, what):
    board.change(WRONG[what])
    assert_refused(board.call("leaderboard"), "leaderboard")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_it(board, command):
    board.change(WRONG["a name with escapes"])
    assert_refused(board.call(*COMMANDS[command]), "texture+none+none.json")


@pytest.mark.parametrize("what", [one for one in WRONG if one != "another protocol"])
def test_nor_is_it_run_once_more(board, what):
    board.change(WRONG[what])
    assert_refused(board.call("reproduce", board.entry), "texture+none+none.json")


CONTENTS = {
    "nothing": b"",
    "no JSON": b"<html>",
    "a list": b"[]",
    "not UTF-8": b'{"recipe": "\xff"}',
    "UTF-16": '{"recipe": "x"}'.encode("utf-16"),
    "nested deeply": b"[" * 1_000_000,
    "nested deeply in objects": b'{"a":' * 200_000,
    "not a number": b'{"schema_version": NaN}',
    "infinite": b'{"schema_version": -Infinity}',
    "endless digits": b'{"schema_version": ' + b"9" * 100_000 + b"}",
    "a half surrogate": rb'{"recipe": "\ud800"}',
    "escapes for a key": json.dumps({ESCAPES: 1}).encode(),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", ["entries/texture+none+none.json", "protocol.json", "external/ward/texture+none+none.json"])
def test_a_file_that_is_no_record_is_refused(board, name, content):
    path = board.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENTS[content])
    assert_refused(board.call("leaderboard"), path.name, "is not a valid ")


def test_a_key_that_is_there_twice_is_refused(board):
    text = board.entry.read_text(encoding="utf-8")
    board.entry.write_text(text.replace('"control": false', '"control": false, "control": true', 1), encoding="utf-8")
    assert_refused(board.call("leaderboard"), "duplicate key 'control'")


def test_a_number_that_is_none_is_refused_wherever_it_stands(board):
    text = board.entry.read_text(encoding="utf-8")
    board.entry.write_text(re.sub(r'"auc": 0\.\d+', '"auc": NaN', text, count=1), encoding="utf-8")
    assert_refused(board.call("leaderboard"), "NaN is not a number")


def test_a_file_of_a_gigabyte_is_not_read(board):
    with board.entry.open("r+b") as file:
        file.truncate(2**30)
    assert_refused(board.call("leaderboard"), "it has 1,073,741,824 bytes (limit: ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(board):
    board.entry.unlink()
    os.mkfifo(board.entry)
    assert_refused(board.call("leaderboard"), "it is not a regular file")


@pytest.mark.parametrize("name", ["entries/texture+none+none.json", "predictions/texture+none+none.npz", "protocol.json"])
def test_a_link_that_leads_outside_is_not_followed(board, tmp_path, name):
    (board.path / name).rename(tmp_path / "outside")
    (board.path / name).symlink_to(tmp_path / "outside")
    assert_refused(board.call("leaderboard"), "it links to a file outside")


def test_a_folder_that_is_a_link_leads_outside_too(board, tmp_path):
    (board.path / "predictions").rename(tmp_path / "outside")
    (board.path / "predictions").symlink_to(tmp_path / "outside")
    assert_refused(board.call("leaderboard"), "it links to a file outside")


def test_a_link_in_a_ring_is_refused(board):
    board.entry.unlink()
    board.entry.symlink_to(board.entry.name)
    assert_refused(board.call("leaderboard"), "cannot be read")


def test_an_entry_under_another_name_is_refused(board):
    board.entry.rename(board.entry.with_name("innocent+none+none.json"))
    assert_refused(board.call("leaderboard"), "whose file name is texture+none+none.json")


def test_an_external_result_under_another_name_is_refused(board):
    path = board.path / "external" / "ward" / "texture+none+none.json"
    path.parent.mkdir(parents=True)
    stored = {
        "schema_version": 2,
        "name": "other",
        "dataset": "d",
        "fingerprint": "f",
        "negative": 1,
        "positive": 1,
        "recipe": "texture+none+none",
    }
    path.write_text(json.dumps({**stored, "selections": [], "metrics": {}, "intervals": {}}))
    assert_refused(board.call("leaderboard"), "belongs elsewhere")
    path.write_text(json.dumps({**stored, "name": "../other", "selections": [], "metrics": {}, "intervals": {}}))
    assert_refused(board.call("leaderboard"), "name: ")


def in_an_earlier_table(board):
    """Store the predictions of an entry as earlier versions did; return the path of the table."""
    path = board.path / "predictions" / "texture+none+none.npz"
    earlier = path.with_suffix(".csv")
    earlier.write_text(predictions_as_csv(read_predictions(path)), encoding="utf-8")
    path.unlink()
    board.change(lambda stored: stored.update(predictions=f"predictions/{earlier.name}"))
    assert board.call("leaderboard")[0] == 0
    return earlier


LINES = {
    "a score that is none": ("nan", "score 'nan' must be a number in 0..1"),
    "an infinite score": ("inf", "must be a number in 0..1"),
    "a score with escapes": (ESCAPES, "must be a number in 0..1"),
    "a score beyond one": ("1.5", "must be a number in 0..1"),
    "a further value": ("0.5,0.5", "expected 7 values"),
    "an open quote": ('"0.5', "expected after"),
}


@pytest.mark.parametrize("what", LINES)
def test_predictions_are_refused_by_file_and_line(board, what):
    path = in_an_earlier_table(board)
    written, words = LINES[what]
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[6] = f"{lines[6].rpartition(',')[0]},{written}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert_refused(board.call("leaderboard"), path.name, words, f"line {8 if 'quote' in what else 7}: ")


def test_a_key_of_a_megabyte_and_a_duplicate_image_are_refused(board):
    path = in_an_earlier_table(board)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[5]]) + "\n", encoding="utf-8")
    assert_refused(board.call("leaderboard"), "appears twice")
    path.write_text("\n".join([*lines, f'"test",0,0,"{"x" * 2**20}","p",1,0.5']) + "\n", encoding="utf-8")
    assert_refused(board.call("leaderboard"), path.name)


def score_of_none(arrays):
    arrays["scores"][5] = np.nan


def score_beyond_one(arrays):
    arrays["scores"][5] = 1.5


def endless_key(arrays):
    arrays["keys"] = np.array([b"x" * 2**20, *arrays["keys"][1:]])


def key_with_bad_bytes(arrays):
    arrays["keys"][0] = b"\xff"


def duplicate_image(arrays):
    arrays["part_images"][1] = arrays["part_images"][0]


ARRAYS = {
    "a score that is none": (score_of_none, "a score is not in 0..1"),
    "a score beyond one": (score_beyond_one, "a score is not in 0..1"),
    "a key of a megabyte": (endless_key, "keys has the type |S1048576"),
    "a key that is not UTF-8": (key_with_bad_bytes, "can't decode byte 0xff"),
    "an image twice": (duplicate_image, "an image appears twice"),
    "an array without a name": (lambda arrays: arrays.pop("labels"), "expected the arrays keys"),
    "an array with escapes for a name": (lambda arrays: arrays.update({ESCAPES: np.zeros(1)}), "expected the arrays keys"),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_predictions_are_refused_by_file(board, what):
    path = board.path / "predictions" / "texture+none+none.npz"
    change, words = ARRAYS[what]
    with np.load(path, allow_pickle=False) as table:
        arrays = dict(table)
    change(arrays)
    np.savez_compressed(path, **arrays)
    assert_refused(board.call("leaderboard"), path.name, "is not a valid predictions table", words)
    assert_refused(board.call("leaderboard", "--predictions", "texture+none+none"), path.name, words)


def test_keys_with_escapes_are_printed_as_inert_text(board):
    path = board.path / "predictions" / "texture+none+none.npz"
    heads = read_predictions(path)
    keys = [f"{ESCAPES}{BIDI}\n{number}" for number in range(len(heads[0].keys))]
    write_predictions(
        path, [replace(one, keys=np.array(keys), patients=np.array([f"=1+{key}" for key in keys])) for one in heads]
    )
    code, out, err = board.call("leaderboard", "--predictions", "texture+none+none")
    assert (code, err) == (0, "")
    assert_inert(out)
    patients = [row["patient"] for row in csv.DictReader(io.StringIO(out))]
    assert {patient[:4] for patient in patients} == {"'=1+"}


def test_an_invalid_test_set_lock_is_refused(board):
    board.call("ensemble")
    (lock,) = (board.path / "test_lock").glob("ensemble-*.json")
    for content in (b"[]", b'{"scored_by": 1}', b'{"schema_version": 1, "opened_by": {"fold 0, seed 0": 7}}'):
        lock.write_bytes(content)
        assert_refused(board.call("ensemble"), "is not a valid test-set lock")


def write_prose(board, prose):
    """Put prose wherever an entry may hold some."""

    def into_failed(stored):
        stored.update(reason=prose, log=[prose, prose], warnings=[prose])

    def into_all(stored):
        stored["protocol"].update(notice=prose, dataset=prose)
        stored["audit"] = {
            "findings": [{"check": prose, "severity": "note", "count": 1, "message": prose, "examples": [prose]}]
        }

    board.change(into_failed, board.path / "entries" / "failed+none+smote.json")
    board.change(lambda stored: stored.update(warnings=[prose]))
    for path in (board.path / "entries").glob("*.json"):
        board.change(into_all, path)
    board.change(lambda stored: stored.update(notice=prose, dataset=prose), board.path / "protocol.json")
    changed = Protocol.model_validate_json((board.path / "protocol.json").read_bytes())
    board.path.rename(board.path.with_name(changed.name))


SHOWN = [(command, prose) for command in ("table", "csv", "md", "json") for prose in PROSE]


@pytest.mark.parametrize(("command", "prose"), [*SHOWN, ("ensemble", "terminal"), ("ensemble json", "terminal")])
def test_prose_is_shown_as_inert_text(board, command, prose):
    write_prose(board, PROSE[prose])
    code, out, err = board.call(*COMMANDS[command])
    assert code == 0, err
    assert_inert(out)
    assert_inert(err)
    assert "Traceback" not in err
    if "json" in command:
        reasons = [row["reason"] for row in json.loads(out)]
    elif command == "csv":
        reasons = [row["reason"] for row in csv.DictReader(io.StringIO(out))]
        cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    else:
        return
    visible = PROSE[prose].replace("\n", "\\n") if prose == "lines" else PROSE[prose]
    assert any(reason.lstrip("'")[:3] == visible[:3] for reason in reasons) or not visible[:3].isprintable()


ALLOWED_TAGS = {"h1", "blockquote", "p", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("prose", PROSE)
def test_the_written_page_renders_as_text_alone(board, prose):
    write_prose(board, PROSE[prose])
    assert board.call("ensemble")[0] == 0
    folders = [path.parent for path in Path("leaderboard").glob("*/LEADERBOARD.md")]
    (page,) = [(folder / "LEADERBOARD.md").read_text(encoding="utf-8") for folder in folders]
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(page)
    assert set(re.findall(r"<(\w+)", html)) <= ALLOWED_TAGS
    assert html.count("<h1>") == 1
    assert not re.search(r"<(a|img|script)\b", html)
    assert "http://" not in page
    assert "www." not in page
    assert {row.count("<td") for row in html.split("<tr>")[2:]} == {11}
    (table,) = [(folder / "leaderboard.csv").read_text(encoding="utf-8") for folder in folders]
    assert_inert(table)


@pytest.mark.parametrize("named", ["subprocess.Popen", "os:system", "strangers_models.Tiny"])
def test_an_entry_that_names_code_is_not_run_without_consent(board, named):
    recipe = f"hypermodel:args=touch somebody-was-here,class={named},shell=true+none+none"
    stem = stem_of(recipe)

    def into(stored):
        stored.update(backbone=recipe.partition("+")[0], recipe=recipe, data="phantom", predictions=f"predictions/{stem}.npz")

    board.change(into)
    assert_refused(board.call("reproduce", board.entry), f"names code to run: {named}", "--trust-code")
    assert not Path("somebody-was-here").exists()
