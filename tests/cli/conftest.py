"""Real runs of the command line, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CXRBENCH = Path(sys.executable).parent / "cxrbench"


@dataclass(frozen=True)
class Place:
    """An empty working folder with a cache of its own, where commands run."""

    folder: Path

    def command(self, *arguments, **environment):
        """Return what `subprocess` needs to run a command here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CXRBENCH_", "KERAS_"))}
        home = {"CXRBENCH_HOME": str(self.folder / "home"), "KERAS_HOME": str(self.folder / "keras")}
        return {
            "args": [str(CXRBENCH), *map(str, arguments)],
            "cwd": self.folder,
            "env": {**kept, **home, **environment},
            "text": True,
            "encoding": "utf-8",
        }

    def call(self, *arguments, **environment):
        """Run a command here and return what came of it."""
        return subprocess.run(**self.command(*arguments, **environment), capture_output=True, check=False)

    def protocol_folder(self, out="leaderboard"):
        """Return the one protocol's folder below `out`."""
        (found,) = (path.parent for path in (self.folder / out).glob("*/protocol.json"))
        return found

    def entries(self, out="leaderboard"):
        """Return the entries by recipe."""
        read = [json.loads(path.read_text()) for path in sorted(self.protocol_folder(out).glob("entries/*.json"))]
        return {entry["recipe"]: entry for entry in read}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture(scope="session")
def shared_folder():
    """Return the folder of test data, or skip."""
    folder = Path(os.environ.get("CXRBENCH_TEST_DATA", Path(__file__).parents[3] / "shared"))
    if not (folder / "data" / "chest_xray").is_dir():
        pytest.skip(f"no real films at {folder}: set CXRBENCH_TEST_DATA to the folder that holds data/chest_xray")
    return folder


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Run a small grid on small phantoms once, for all that look at its results."""
    place = Place(tmp_path_factory.mktemp("run"))
    result = place.call("run", *SMALL, "--trials", 3, "--workers", 2, "--json")
    assert result.returncode == 0, result.stderr
    return place, result


SMALL = (
    *("--data", "phantom:images=420,size=64", "--image-size", 64, "--epochs", 3, "--offline"),
    *("--backbone", "random-convnet", "--backbone", "texture"),
    *("--augmentation", "none", "--augmentation", "gentle:views=2", "--imbalance", "none", "--imbalance", "smote"),
)


@pytest.fixture
def small_flags():
    return SMALL


@pytest.fixture
def copy_of_small_run(small_run, tmp_path):
    """Return a copy of the small run that a test may go on with."""
    shutil.copytree(small_run[0].folder, tmp_path / "copy")
    return Place(tmp_path / "copy")
