"""One-file plugins that travel to machines which do not have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.plugin.sources import digest_of_file, needed_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFile:
    """A one-file plugin, with what it needs of its folder.

    Attributes:
        path: where the run is.
        digest: SHA-256 of the files.
        files: their content, by their path in the folder of the plugin.
    """

    path: Path
    digest: str
    files: Mapping[str, bytes]

    def place(self, folder: Path) -> Path:
        """Return where the plugin is on this machine: at the same path, or else in a folder that it is written to."""
        if self.path.is_file() and digest_of_file(self.path) == self.digest:
            return self.path
        own = folder / self.digest[:12]
        for name, content in self.files.items():
            target = own / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return own / self.path.name


def read_plugin_file(path: Path) -> PluginFile:
    """Read a one-file plugin and what it needs of its folder."""
    files = {needed.relative_to(path.parent).as_posix(): needed.read_bytes() for needed in needed_files(path)}
    return PluginFile(path=path, digest=digest_of_file(path), files=files)
