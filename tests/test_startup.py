"""Start-up is fast: commands import only what they need, as `python -X importtime` shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(sys.executable).parent / "cxrbench"
HEAVY = {
    "tensorflow",
    "keras",
    "optuna",
    "numpy",
    "sklearn",
    "scipy",
    "skimage",
    "imblearn",
    "pandas",
    "torch",
    "PIL",
    "matplotlib",
}
COMMANDS = (
    *("--help", "run --help", "plugins list", "plugins list --json", "leaderboard --help", "compare --help"),
    *("reproduce --help", "show --help", "doctor --help", "predict --help", "evaluate --help", "figures --help"),
)
IN_ONE_PROCESS = f"""
import contextlib, io, json, sys
from cxrbench.cli.app import main

modules = {{}}
for command in {COMMANDS}:
    sys.argv = ["cxrbench", *command.split()]
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        main()
    assert printed.getvalue(), command
    modules[command] = list(sys.modules)
print(json.dumps(modules))
"""


def imported(folder, *arguments):
    """Return the top-level names of all modules that a Python process imports, and what it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CXRBENCH_")}
    command = [sys.executable, "-X", "importtime", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=True, timeout=60)
    lines = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.partition(".")[0] for line in lines}, done.stdout


def test_commands_that_compute_nothing_import_no_heavy_packages(tmp_path):
    _, printed = imported(tmp_path, "-c", IN_ONE_PROCESS)
    heavy = {name: set(modules) & HEAVY for name, modules in json.loads(printed).items()}
    assert heavy == {command: set() for command in COMMANDS}


def test_listing_plugins_does_not_import_their_factories(tmp_path):
    plugin = Path(__file__).parent / "samples" / "plugins" / "heavy.py"
    names, printed = imported(tmp_path, SCRIPT, "plugins", "list", "--json", "--plugin", plugin)
    assert names & HEAVY == set()
    assert '"name": "heavy"' in printed


def test_showing_options_imports_no_more_than_the_factory_does(tmp_path):
    names, printed = imported(tmp_path, SCRIPT, "plugins", "show", "keras-tuner", "--json")
    assert names & HEAVY <= {"numpy"}  # the module of this factory imports it
    assert '"name": "oracle"' in printed


def test_estimating_a_run_computes_networks_in_workers_alone(tmp_path):
    names, _ = imported(tmp_path, "-c", "import cxrbench.benchmark.estimate, cxrbench.benchmark.run")
    assert names & {"tensorflow", "keras"} == set()


def test_the_library_imports_pluggy_and_no_other_dependency(tmp_path):
    code = "import sys; before = set(sys.modules); import cxrbench; print(*sorted(set(sys.modules) - before))"
    _, printed = imported(tmp_path, "-c", code)
    names = {name.partition(".")[0] for name in printed.split()}
    assert names - set(sys.stdlib_module_names) == {"cxrbench", "pluggy"}


def test_importing_the_plugin_api_does_not_import_other_rooms(tmp_path):
    code = "import sys, cxrbench.plugin; print(*sorted(name for name in sys.modules if name.startswith('cxrbench.')))"
    _, printed = imported(tmp_path, "-c", code)
    assert {name.split(".")[1] for name in printed.split()} == {"errors", "plugin"}
