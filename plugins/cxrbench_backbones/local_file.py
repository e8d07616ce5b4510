"""Files that the user brings: looked at before a run begins, without importing Keras."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cxrbench.plugin import ConfigError, Download

NOT_GIVEN = "imagenet"
"""What the harness says of weights where the user says nothing."""
HDF5 = b"\x89HDF\r\n\x1a\n"
"""What every HDF5 file begins with (HDF5 File Format Specification, II.A)."""


def local_file(backbone: str, text: str, endings: tuple[str, ...]) -> Download:
    """Return a file of the user's as one that is here already, so that its bytes are part of what features depend on.

    Raises:
        ConfigError: it is not there, or is not what its name says.
    """
    path = local_path(text)
    if not path.is_file():
        raise ConfigError(f"backbone {backbone}: there is no file {text}")
    if not text.endswith(endings):
        raise ConfigError(f"backbone {backbone}: {text} must end in {' or '.join(endings)}")
    if not _is_what_it_says(path):
        kind = "Keras file (a zip archive with a config.json)" if path.suffix == ".keras" else "HDF5 file"
        raise ConfigError(f"backbone {backbone}: {text} is no {kind}; was it downloaded whole?")
    return Download(url=path.absolute().as_uri(), file_name=path.name, folder=path.parent)


def local_path(text: str) -> Path:
    """Return the path that a user wrote."""
    return Path(text).expanduser()


def _is_what_it_says(path: Path) -> bool:
    if path.suffix != ".keras":
        with path.open("rb") as file:
            return file.read(len(HDF5)) == HDF5
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "config.json" in archive.namelist()
