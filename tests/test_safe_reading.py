"""How the sources read files, where no rule of ruff says it: its S rules and the banned names of pyproject.toml do the rest."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAFE = {"keras.saving.load_model": ("safe_mode", True), "np.load": ("allow_pickle", False)}


def calls(path):
    """Return the name of every function that a file calls, with the constant keyword arguments."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {one.arg: getattr(one.value, "value", None) for one in node.keywords}


def test_models_and_arrays_load_safely_and_no_archive_unpacks():
    sources = [path for room in ("cxrbench", "plugins", "benchmarks") for path in (ROOT / room).rglob("*.py")]
    found = [call for path in sources for call in calls(path)]
    loads = [(name, given) for name, given in found if name.endswith("load_model") or name in {"np.load", "numpy.load"}]
    assert {name for name, _ in loads} == SAFE.keys()
    assert [(name, given) for name, given in loads if SAFE[name] not in given.items()] == []
    opening = [path for path in sources if "zipfile" in path.read_text(encoding="utf-8")]
    assert opening
    assert [name for path in opening for name, _ in calls(path) if name.endswith((".extract", ".extractall"))] == []
