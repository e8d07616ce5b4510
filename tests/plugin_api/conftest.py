"""Fixtures: the command line as a process, and distributions installed without pip."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"


@pytest.fixture
def files():
    """Return a function from a name in tests/samples/plugins to its path."""
    return lambda name: PLUGINS / f"{name}.py"


@pytest.fixture
def cxrbench(tmp_path):
    """Return a function that runs the command in an empty folder, with additional environment variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CXRBENCH_")}

    def run(*arguments, **environment):
        command = [Path(sys.executable).parent / "cxrbench", *map(str, arguments)]
        surroundings = {**clean, **{name: str(value) for name, value in environment.items()}}
        return subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def listed(cxrbench):
    """Return a function that runs `cxrbench plugins list --json` and returns the plugins with their names."""

    def read(*arguments, **environment):
        done = cxrbench("plugins", "list", "--json", *arguments, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        return [(plugin["name"], plugin) for plugin in json.loads(done.stdout)]

    return read


@pytest.fixture
def site(tmp_path):
    """Return a function that installs a distribution as pip would, into a folder for `sys.path` that it returns."""
    folder = tmp_path / "site"

    def install(distribution, entry_points, modules):
        information = folder / f"{distribution}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = (f"{name} = {module}" for name, module in entry_points.items())
        (information / "entry_points.txt").write_text("\n".join(["[cxrbench]", *lines, ""]))
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        return folder

    return install
