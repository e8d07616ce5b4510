"""Hash the source of plugins: a package with its data files, or a one-file plugin with what it needs of its folder."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPILED = "__pycache__"


@cache
def digest_of_package(package: str) -> str:
    """Return the SHA-256 of all files of a package; an empty string if there is no source (a built-in module)."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # the error is raised again when a run needs the factory
        return ""
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [path for folder in folders for path in files_of_package(Path(folder))]
    return _digest(files or ([Path(spec.origin)] if spec and spec.origin else []))


def digest_of_file(plugin: Path) -> str:
    """Return the SHA-256 of a one-file plugin, and of the modules and files of its folder that it and they name."""
    return _digest(sorted(needed_files(plugin), key=lambda path: (path != plugin, path)))


def files_of_package(folder: Path) -> list[Path]:
    """Return the files of a package, data files included; not hidden ones, nor those that Python compiles."""
    found = (path for path in folder.rglob("*") if path.is_file())
    inside = ((path, path.relative_to(folder).parts) for path in found)
    return sorted(path for path, parts in inside if COMPILED not in parts and not any(part.startswith(".") for part in parts))


def needed_files(plugin: Path) -> set[Path]:
    """Return a one-file plugin, the modules beside it that it imports, what they import, and the files that they name."""
    needed, waiting = {plugin}, [plugin]
    while waiting:
        found = set(_named_in(waiting.pop(), plugin.parent)) - needed
        needed |= found
        waiting += [path for path in found if path.suffix == ".py"]
    return needed


def _named_in(source: Path, folder: Path) -> Iterator[Path]:
    """Yield the modules and files of the folder that a source file names, but not files of callbacks: these write them."""
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):  # loading the plugin reports it
        return
    callbacks = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("on_")]
    written = {inner for node in callbacks for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _modules(folder, name.name)
        elif isinstance(node, ast.ImportFrom):
            start = source.parents[min(node.level, len(source.parents)) - 1] if node.level else folder
            for name in node.names:
                yield from _modules(start, f"{node.module}.{name.name}" if node.module else name.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in written:
            yield from _file_named(folder, node.value)


def _modules(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files of a package of the folder, or of a module in it or in its folders without ``__init__.py``."""
    place = folder
    for part in name.split("."):
        if (module := place / f"{part}.py").is_file():
            yield module
        place /= part
        if (place / "__init__.py").is_file():
            yield from files_of_package(place)
            return


def _file_named(folder: Path, text: str) -> Iterator[Path]:
    """Yield the file of the folder that a text in the source names, such as ``"weights.h5"``."""
    if "." in text.strip("."):
        try:
            path = folder / text
            if path.is_file():
                yield path
        except (OSError, ValueError):  # a text that no file system takes as a name
            return


def _digest(files: list[Path]) -> str:
    """Return the SHA-256 of files in this order, or an empty string if there are none."""
    sha256, there = hashlib.sha256(), [path for path in files if path.is_file()]
    for path in there:
        sha256.update(path.read_bytes() if path.suffix == ".py" else hashlib.sha256(path.read_bytes()).digest())
    return sha256.hexdigest() if there else ""
