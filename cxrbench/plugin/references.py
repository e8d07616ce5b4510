"""Resolve import strings, and import one-file plugins."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cxrbench.errors import PluginError
from cxrbench.plugin.sources import digest_of_file, digest_of_package

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An import string, with the file of its module if it belongs to a one-file plugin.

    It is sent to worker processes, which import the module themselves.
    """

    text: str
    file: Path | None = None

    def resolve(self) -> Any:
        """Import the module and return the attribute; raise PluginError if either does not exist."""
        module_name, _, attribute = self.text.partition(":")
        if not module_name or not attribute:
            raise PluginError(f"{self.text!r} is not a valid import string: write it as 'package.module:attribute'")
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
        """Return the SHA-256 of a one-file plugin with what it needs of its folder, or of all files of the module's package."""
        module_name = self.text.partition(":")[0]
        file = self._file_of(module_name)
        return digest_of_file(file) if file else digest_of_package(module_name.partition(".")[0])

    def _file_of(self, module_name: str) -> Path | None:
        """Return the one-file plugin if it is that module, or None if the module belongs to another package.

        On another machine the plugin may be at another path than the one that the import string was made for.
        """
        is_own = self.file and (module_name == self.file.stem or module_name.startswith(_prefix_of(self.file)))
        return self.file if is_own else None


def module_name_of(file: Path) -> str:
    """Return the module name of a one-file plugin: readable, and unique to its path."""
    return _prefix_of(file) + hashlib.sha256(str(file).encode()).hexdigest()[:8]


def _prefix_of(file: Path) -> str:
    return f"cxrbench_file_{file.stem}_"


@cache
def load_file(file: Path) -> ModuleType:
    """Import a one-file plugin once per process."""
    name = module_name_of(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file: the name of a one-file plugin ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that import strings made with __name__ resolve
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
