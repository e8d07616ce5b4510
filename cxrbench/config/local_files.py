"""Files and folders that options name: they count by their bytes, whatever their path."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.config.component import looks_absolute
from cxrbench.errors import ConfigError
from cxrbench.storage.files import digest_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "@sha256:"
LABEL_DIGITS = 8
LABEL = re.compile(rf"(.+){MARK}([0-9a-f]{{{LABEL_DIGITS}}})", re.DOTALL)
"""How a row shows a file: its name and the first digits of its SHA-256."""
Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file or folder on this machine.

    Attributes:
        path: absolute.
        digest: SHA-256 of the file's bytes, or of the names and bytes of all files in the folder; empty for a folder of images,
            which count by themselves.
        given: what the factory gets: the path, or a bare word as the user wrote it, who may not mean a file.
    """

    path: Path
    digest: str
    given: str

    @property
    def label(self) -> str:
        """The file's name and the first digits of its digest, which mean the same in every working folder."""
        return f"{self.path.name}{MARK}{self.digest[:LABEL_DIGITS]}" if self.digest else self.path.name

    @property
    def canonical(self) -> str:
        """What the file counts as in identities."""
        return f"sha256:{self.digest}" if self.digest else self.path.name

    def is_unchanged(self) -> bool:
        """Return whether the file still has these bytes."""
        return self.path.exists() and (not self.digest or digest_of(self.path) == self.digest)


def find_file(option: str, text: str, *, of_dataset: bool = False) -> LocalFile | None:
    """Return the file or folder that the text of an option names, or None if it names none.

    Args:
        option: the option, for messages.
        text: a path, or a name with a short digest as rows show it, which is looked for in the working folder.
        of_dataset: do not read the files of a folder.

    Raises:
        ConfigError: a path or a digest that only a file can have, without the file; or a file that cannot be read.
    """
    if found := existing_file(option, text, of_dataset=of_dataset):
        return found
    if label := LABEL.fullmatch(text):
        return _labelled(option, label[1], label[2])
    if looks_absolute(text):
        raise ConfigError(f"{option}={text}: no such file or folder")
    return None


def existing_file(option: str, text: str, *, of_dataset: bool = False) -> LocalFile | None:
    """Return the file or folder at a path, or None if there is none; raise ConfigError if it cannot be read."""
    path = _absolute(text)
    if path is None:
        return None
    if not (path.is_file() or path.is_dir()):
        raise ConfigError(f"{option}={text}: neither a regular file nor a folder")
    try:
        digest = "" if of_dataset and path.is_dir() else digest_of(path)
        return LocalFile(path=path, digest=digest, given=str(path) if is_path(text) else text)
    except OSError as error:
        raise ConfigError(f"{option}={text}: cannot be read: {error.strerror}") from None


def is_path(text: str) -> bool:
    """Return whether text looks like a path rather than like a bare word."""
    return any(sign in text for sign in "/\\.~")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the relative paths and bytes of all files in a folder; read once per process."""
    if path.is_file():
        return _digest(path, (_signature(path, path.name),))
    return _digest(path, tuple(_signature(file, file.relative_to(path).as_posix()) for file in _files_in(path)))


def find_labelled(name: str, digits: str, files: Iterable[Path] = ()) -> LocalFile | None:
    """Return the file whose digest begins with these digits: one of `files`, else that of this name in the working folder."""
    there = (existing_file(name, text) for text in (*map(str, files), name))
    return next((one for one in there if one and one.digest.startswith(digits)), None)


def _labelled(option: str, name: str, digits: str) -> LocalFile:
    if found := find_labelled(name, digits):
        return found
    there = existing_file(option, name)
    problem = f"{name} in the working folder has other bytes" if there else f"there is no {name} in the working folder"
    raise ConfigError(f"{option}={name}: {problem}. Write the path of the file whose SHA-256 begins with {digits}")


def _absolute(text: str) -> Path | None:
    """Return the absolute path of what exists; None for the working folder itself and what is above it."""
    if not text.strip("./"):
        return None
    try:
        path = Path(text).expanduser()
        return Path(os.path.normpath(path.absolute())) if path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null character, an unknown user
        return None


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders by their relative paths; links to folders are followed once."""
    seen = {folder.resolve()}
    for parent, names, files in os.walk(folder, followlinks=True):
        targets = {name: Path(parent, name).resolve() for name in sorted(names)}
        names[:] = [name for name, target in targets.items() if target not in seen]
        seen |= set(targets.values())
        yield from (Path(parent, name) for name in sorted(files))


def _signature(file: Path, name: str) -> tuple[str, int, int, int]:
    status = file.stat()
    return name, status.st_size, status.st_mtime_ns, status.st_ino


@cache
def _digest(path: Path, signatures: Signature) -> str:
    """Return the digest of a path; the signatures make a changed file another call."""
    if path.is_file():
        return digest_file(path)
    sha256 = hashlib.sha256()
    for name, size, *_ in signatures:
        sha256.update(f"{len(name.encode(errors='surrogateescape'))} {size} ".encode())
        sha256.update(name.encode(errors="surrogateescape"))
        sha256.update(bytes.fromhex(digest_file(path / name)))
    return sha256.hexdigest()
