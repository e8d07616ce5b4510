"""A setting is declared in one place: help, environment, file, `cxrbench.run` and the protocol follow from it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cxrbench
from cxrbench.cli.settings_command import settings_options
from cxrbench.config.option import PANELS, options_of
from cxrbench.config.settings import Settings
from cxrbench.config.stub import FILE, arguments_source

PACKAGE = Path(cxrbench.__file__).parent
READ_EVERYWHERE = """
import json, os
from pathlib import Path
from typer.testing import CliRunner
from cxrbench.cli.app import app
from cxrbench.config.protocol import Protocol
from cxrbench.config.settings import read_settings
from cxrbench.config.stub import arguments_source

found = {"help": CliRunner().invoke(app, ["run", "--help"]).output, "arguments": arguments_source()}
found["default"] = read_settings({}).gamma
Path("cxrbench.toml").write_text("gamma = 3")
found["file"] = read_settings({}).gamma
os.environ["CXRBENCH_GAMMA"] = "4"
found["environment"] = read_settings({}).gamma
found["flag"] = read_settings({"gamma": 5}).gamma
found["protocol"] = "gamma" in Protocol.model_fields
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("file", "line_before", "in_protocol"),
    [
        ("protocol_settings.py", "class ProtocolSettings(BaseModel):", True),
        ("settings.py", "class Settings(ProtocolSettings, BaseSettings):", False),
    ],
)
def test_one_line_adds_a_setting_everywhere(tmp_path, file, line_before, in_protocol):
    shutil.copytree(PACKAGE, tmp_path / "cxrbench", ignore=shutil.ignore_patterns("__pycache__"))
    source = tmp_path / "cxrbench" / "config" / file
    declared = '    gamma: Annotated[float, Option("Training", "Exponent of the loss")] = 2.0\n'
    source.write_text(re.sub(rf'({re.escape(line_before)}\n.*"""\n)', rf"\1\n{declared}", source.read_text()))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", READ_EVERYWHERE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    training = found["help"].partition("─ Training ─")[2].partition("─ Evaluation ─")[0]
    assert re.search(r"--gamma +<float> +Exponent of the loss[\s│]+\[default: 2.0\]", training)
    assert [found[place] for place in ("default", "file", "environment", "flag")] == [2, 3, 4, 5]
    assert "    gamma: float\n" in found["arguments"]
    assert found["protocol"] is in_protocol


def test_the_committed_arguments_of_run_are_current():
    assert FILE.read_text() == arguments_source(), "run: python -m cxrbench.config.stub"


def test_every_setting_is_an_option_of_run():
    assert {option.name for option in settings_options(())} == set(Settings.model_fields) - {"block"}  # which is --without


def test_the_help_has_a_panel_for_each_group_of_settings(workspace):
    text = workspace.call("run", "--help", COLUMNS="160").stdout
    assert tuple(re.findall(r"─ ([\w-]+) ─", text)) == ("Options", *PANELS)
    for name, option in options_of(Settings).items():
        default = Settings.model_fields[name].default
        line = re.search(rf"--{name.replace('_', '-')} .*?(?=│ --|╯)", text, re.DOTALL)[0]
        shown = re.sub(r"[\s│]+", " ", line)
        assert option.help.split()[0] in shown
        if type(default) in {int, float, str} and default != "":
            assert f"[default: {default}]" in shown, name


def test_the_version_is_that_of_the_package(workspace):
    assert re.fullmatch(r"cxrbench \d+\.\d+\.\d+(\+[\w.]+)?\n", workspace.call_here("--version").stdout)
