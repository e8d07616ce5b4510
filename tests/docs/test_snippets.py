"""Every snippet of the documentation is right: commands and settings are valid, and Python is run."""

from __future__ import annotations

import runpy
import shlex
import tomllib

import numpy as np
import pytest
import typer
from PIL import Image

from cxrbench.cli.app import app
from cxrbench.config.settings import Settings, read_settings

RUN_ELSEWHERE = {
    "README.md": "test_plugin_guide",
    "docs/how-to/write-a-plugin.md": "test_plugin_guide",
    "docs/tutorials/your-backbone.md": "test_plugin_guide",
    "docs/how-to/figures.md": "test_notebook",
    "docs/reference/files.md": "tests/evaluation/test_prediction_table",
    "docs/how-to/cluster.md": "nothing: it needs a cluster",
    "docs/how-to/onnx.md": "nothing: it needs PyTorch",
}
ON_A_BOARD = (
    "docs/tutorials/board-to-model.md",
    "docs/how-to/models.md",
    "docs/how-to/read-a-board.md",
    "docs/how-to/dashboards.md",
)
ONNX_RUNTIME = "import onnxruntime"
"""Begins a snippet that leaves the images to the reader."""
SHELL = ("|", ">", "&&", ";")
STORED = "leaderboard/studies/0f3a9c1b2d4e5f60.journal"


def commands(text):
    """Yield the words of every call of cxrbench."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        starts = [place for place, word in enumerate(words) if word in {"cxrbench", ".venv/bin/cxrbench"}]
        for start in (place for place in starts if place == 0 or words[place - 1] in SHELL):
            end = next((place for place, word in enumerate(words) if place > start and word in SHELL), len(words))
            yield words[start + 1 : end]


def parsed(words):
    """Return the context of a call: its command has these options, and takes these values."""
    command, name = typer.main.get_command(app), "cxrbench"
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    return command.make_context(name, list(words))


def test_every_command_is_valid(sh):
    for words in commands(sh.text):
        context = parsed(words)
        if context.command.name == "run":
            given = {name: value for name, value in context.params.items() if name in Settings.model_fields}
            read_settings(
                {name: value for name, value in given.items() if context.get_parameter_source(name).name != "DEFAULT"}
            )


def test_an_invalid_command_would_be_found():
    with pytest.raises(Exception, match="--no-such-option"):
        parsed(["run", "--no-such-option"])
    with pytest.raises(KeyError):
        parsed(["walk"])
    assert list(commands("find x | cxrbench predict 1 - > y  # cxrbench\necho cxrbench")) == [["predict", "1", "-"]]


def test_every_table_of_settings_is_valid(toml):
    values = tomllib.loads(toml.text)
    if "project" not in values:
        read_settings({name.replace("-", "_"): value for name, value in values.items()})


def test_every_snippet_of_python_is_checked_somewhere(python):
    compile(python.text, str(python), "exec")
    assert python.page in {*RUN_ELSEWHERE, *ON_A_BOARD}, "say here which test runs the Python of this page"


@pytest.mark.slow
def test_the_snippets_that_need_a_board_run(documents, run_once, monkeypatch, capsys):
    small = ("--data", "phantom:images=420,size=64", "--image-size", "64", "--epochs", "2", "--trials", "2", "--workers", "0")
    recipe = ("--backbone", "texture", "--augmentation", "none", "--imbalance", "none", "--no-controls", "--robustness", "none")
    workspace, _ = run_once("board-of-the-docs", "run", *small, *recipe)
    if not (workspace.folder / "pneumonia").is_dir():
        assert workspace.call_here("export", "1", "--to", "pneumonia").returncode == 0
    (workspace.folder / "scans").mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(workspace.folder / "scans" / "1.png")
    (journal,) = (workspace.folder / "leaderboard" / "studies").glob("*.journal")
    monkeypatch.chdir(workspace.folder)
    for name in ("HOME", "CXRBENCH_HOME"):
        monkeypatch.setenv(name, str(workspace.folder / "home"))
    for block in (block for name in ON_A_BOARD for block in documents[name].blocks if block.language == "python"):
        if not block.text.startswith(ONNX_RUNTIME):
            script = workspace.folder / "script.py"
            script.write_text(block.text.replace(STORED, str(journal)), encoding="utf-8")
            runpy.run_path(str(script), run_name="__main__")
            assert capsys.readouterr().out, f"{block} printed nothing"
