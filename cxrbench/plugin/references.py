"""Turn an import string into the thing it names, and say which source that thing has."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrbench.errors import PluginError

if TYPE_CHECKING:
    from types import ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An import string, with the file of its module if that is a one-file plugin.

    It travels to worker processes, which import the module themselves.
    """

    text: str
    file: Path | None = None

    def resolve(self) -> Any:
        """Import the module and return the attribute; raise PluginError if either is not there."""
        module_name, _, attribute = self.text.partition(":")
        if not module_name or not attribute:
            raise PluginError(f"{self.text!r} is no import string: write it as 'package.module:attribute'")
        try:
            file = self._file_of(module_name)
            module = load_file(file) if file else importlib.import_module(module_name)
        except ImportError as error:
            raise PluginError(f"{self.text}: {error}") from error
        try:
            return getattr(module, attribute)
        except AttributeError:
            raise PluginError(f"{self.text}: module {module_name} has no attribute {attribute!r}") from None

    def source_digest(self) -> str:
        """Return the SHA-256 of the source of the one-file plugin, or of the whole package that the module belongs to."""
        module_name = self.text.partition(":")[0]
        file = self._file_of(module_name)
        return _digest_of([file]) if file else _package_digest(module_name.partition(".")[0])

    def _file_of(self, module_name: str) -> Path | None:
        """Return the one-file plugin if it is that module, and not another package's that the plugin points to."""
        names = {self.file.stem, module_name_of(self.file)} if self.file else set()
        return self.file if module_name in names else None


@cache
def _package_digest(package: str) -> str:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # it cannot be imported; the factory will say so when it is needed
        return ""
    folders = list(spec.submodule_search_locations or ()) if spec else []
    sources = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    return _digest_of(sources or ([Path(spec.origin)] if spec and spec.origin else []))


def _digest_of(sources: list[Path]) -> str:
    """Return the SHA-256 of some source files, or "" where there are none (a built-in module)."""
    found = [path for path in sources if path.is_file()]
    return hashlib.sha256(b"".join(path.read_bytes() for path in found)).hexdigest() if found else ""


def module_name_of(file: Path) -> str:
    """Return the name under which a one-file plugin is imported: readable, and unique to its path."""
    return f"cxrbench_file_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"


@cache
def load_file(file: Path) -> ModuleType:
    """Import a one-file plugin once per process."""
    name = module_name_of(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is no Python file: a one-file plugin ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # import strings made with __name__ must resolve
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
