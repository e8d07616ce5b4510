"""The source of a plugin: a package with its data files, or a one-file plugin with what it needs of its folder."""

import importlib
import sys

import pytest

from cxrbench.plugin.sources import digest_of_file, digest_of_package, files_of_package, needed_files

PLUGIN = """
import numpy, layers, blocks.deep
from tables import LIST
from plain import one
def build(*, input_shape, weights, seed, file="curve.csv"):
    import late
    return open("more/notes.txt")
def on_entry(entry):
    open("results.csv", "a").write(entry.recipe)
"""
BESIDE = {
    "layers.py": "from deeper import LAYER",
    "deeper.py": "LAYER = 1",
    "late.py": "LATE = 1",
    "tables.py": "LIST = 'table.npz'",
    "table.npz": "1",
    "curve.csv": "1",
    "more/notes.txt": "1",
    "blocks/__init__.py": "",
    "blocks/deep.py": "BLOCK = 1",
    "blocks/data/kernel.bin": "1",
    "plain/one.py": "from .two import TWO",
    "plain/two.py": "from . import three",
    "plain/three.py": "THREE = 1",
}
UNNEEDED = (
    "other.py",
    "numpy.txt",
    "more/other.txt",
    "plain/other.py",
    "two.py",
    "results.csv",
    "blocks/__pycache__/deep.pyc",
    "blocks/.hidden",
    "leaderboard.csv",
)


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture
def plugin(tmp_path):
    put(tmp_path, {"my_plugin.py": PLUGIN, **BESIDE, **dict.fromkeys(UNNEEDED, "1")})
    return tmp_path / "my_plugin.py"


def test_a_plugin_needs_its_helpers_and_the_files_it_names(plugin, tmp_path):
    found = {path.relative_to(tmp_path).as_posix() for path in needed_files(plugin)}
    assert found == {"my_plugin.py", *BESIDE}


@pytest.mark.parametrize("name", ["my_plugin.py", *BESIDE])
def test_a_change_of_what_a_plugin_needs_changes_its_digest(plugin, tmp_path, name):
    before = digest_of_file(plugin)
    with (tmp_path / name).open("a") as file:
        file.write("\n# 2")
    assert digest_of_file(plugin) != before


@pytest.mark.parametrize("name", UNNEEDED)
def test_other_files_of_the_folder_change_nothing(plugin, tmp_path, name):
    before = digest_of_file(plugin)
    (tmp_path / name).write_text("2")
    assert digest_of_file(plugin) == before


def test_helpers_that_import_each_other_end(tmp_path):
    put(tmp_path, {"a.py": "import b", "b.py": "import a"})
    assert {path.name for path in needed_files(tmp_path / "a.py")} == {"a.py", "b.py"}


def test_a_helper_that_is_not_python_is_left_to_the_import(tmp_path):
    put(tmp_path, {"a.py": "import b", "b.py": "def ("})
    assert {path.name for path in needed_files(tmp_path / "a.py")} == {"a.py", "b.py"}


def test_the_data_files_of_a_package_count(tmp_path, monkeypatch):
    put(tmp_path, {"with_weights/__init__.py": "", "with_weights/data/w.h5": "1", "with_weights/__pycache__/x.pyc": "1"})
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert [path.name for path in files_of_package(tmp_path / "with_weights")] == ["__init__.py", "w.h5"]
    before = digest_of_package.__wrapped__("with_weights")
    put(tmp_path, {"with_weights/data/w.h5": "2"})
    assert digest_of_package.__wrapped__("with_weights") != before
    sys.modules.pop("with_weights", None)
