"""The sources of cxrbench unpickle, evaluate and unpack no file, and check every certificate."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("cxrbench", "plugins", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
FORBIDDEN = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open", "torch.load"),
    *("joblib.load", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads", "pandas.read_pickle"),
    *("eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"),
    *("shutil.unpack_archive", "tarfile.open", "ssl._create_unverified_context"),
    "keras.config.enable_unsafe_deserialization",
}
METHODS = {"extractall", "enable_unsafe_deserialization", "unpack_archive", "read_pickle"}
"""Methods of any object: cxrbench unpacks no archive, as its paths could lead outside the folder."""
MODULES = {"marshal", "shelve", "dill", "cloudpickle", "joblib", "tarfile", "yaml", "xml"}
FIXED = {"load_model": ("safe_mode", True), "load": ("allow_pickle", False)}
"""Arguments that must be given explicitly, with these values."""
ALLOWED = {
    ("cxrbench/execution/worker.py", "pickle.loads"): "an error's own bytes, to see whether it can travel to the parent",
    ("cxrbench/testing/datasets.py", "pickle.loads"): "a reader's own bytes, to see whether it can travel to a worker",
    ("cxrbench/config/component.py", "eval"): "the annotation of a factory, source of a plugin that is imported already",
}


def spelled(node):
    """Return the dotted name of a called function."""
    if isinstance(node, ast.Attribute):
        return f"{spelled(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(spelled(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def forbidden_in(path):
    opens_archives = "zipfile" in path.read_text(encoding="utf-8")
    for name, call in calls(path):
        last = name.rpartition(".")[2]
        given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
        if name in FORBIDDEN or (last in METHODS and "." in name) or (opens_archives and last == "extract"):
            yield name
        if name in {"np.load", "numpy.load"} or last == "load_model":
            keyword, value = FIXED[last]
            if given.get(keyword) is not value:
                yield name
        if given.get("shell") or given.get("verify", True) is False or given.get("allow_pickle"):
            yield name


def test_there_are_sources_to_check():
    assert len(SOURCES) > 100
    assert {name for path in SOURCES for name, _ in calls(path)} >= {"np.load", "keras.saving.load_model"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_forbidden_calls_occur_only_where_allowed(path):
    where = path.relative_to(ROOT).as_posix()
    assert [name for name in forbidden_in(path) if (where, name) not in ALLOWED] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_reads_more_than_data_is_imported(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} & MODULES == set()
    names = {
        f"{node.module}.{alias.name}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert names & FORBIDDEN == set()


def test_the_list_of_allowed_calls_has_no_unused_entry():
    found = {(path.relative_to(ROOT).as_posix(), name) for path in SOURCES for name in forbidden_in(path)}
    assert found == set(ALLOWED)
