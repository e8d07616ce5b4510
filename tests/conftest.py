"""What all tests share: the plugins, and a TensorFlow of one thread, as workers have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from cxrbench.plugin.host import load_host
from cxrbench.worker_process import THREADS

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
        """Return the entries by recipe, that of the majority class left out."""
        read = [json.loads(path.read_text()) for path in sorted(self.protocol_folder(out).glob("entries/*.json"))]
        return {entry["recipe"]: entry for entry in read if entry["kind"] != "majority"}

    def files(self, pattern, out="leaderboard"):
        """Return the bytes of all files below `out` that match."""
        return {
            path.relative_to(self.folder): path.read_bytes() for path in (self.folder / out).glob(pattern) if path.is_file()
        }


@pytest.fixture(scope="session")
def place_at():
    """Return what makes a place of an empty folder."""
    return Place


@pytest.fixture
def place(tmp_path):
    """Return an empty place."""
    return Place(tmp_path)


def pytest_configure():
    """Set the threads before any test module imports Keras."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings.register_profile("no-deadline", deadline=None)  # a busy machine is no failure
    settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def tensorflow_ready():
    """Import Keras and start TensorFlow, so that no test's time limit pays for it; return Keras."""
    import keras

    keras.ops.zeros(1)
    return keras


@pytest.fixture(scope="session")
def host():
    """Return the host with all installed plugins."""
    return load_host()
