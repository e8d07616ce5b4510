"""Fixtures: sample plugins, the list of plugins, and distributions installed without pip."""

import json
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"


@pytest.fixture
def files():
    """Return a function from a name in tests/samples/plugins to its path."""
    return lambda name: PLUGINS / f"{name}.py"


@pytest.fixture
def listed(workspace):
    """Return a function that runs `cxrbench plugins list --json` and returns the plugins with their names."""

    def read(*arguments, **environment):
        done = workspace.call_here("plugins", "list", "--json", *arguments, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        return [(plugin["name"], plugin) for plugin in json.loads(done.stdout)]

    return read


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a function that installs a distribution as pip would."""
    folder, installed = tmp_path / "site", set()

    def install(distribution, entry_points, modules):
        information = folder / f"{distribution}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = (f"{name} = {module}" for name, module in entry_points.items())
        (information / "entry_points.txt").write_text("\n".join(["[cxrbench]", *lines, ""]))
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
            installed.add(name)
        monkeypatch.syspath_prepend(folder)

    yield install
    for name in installed:
        sys.modules.pop(name, None)
