"""Files that the user brings: looked at before a run begins, without importing Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import ConfigError, Download
from cxrbench_backbones.keras_archive import SAVED_MODEL, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOT_GIVEN = "imagenet"
"""What the harness says of weights where the user says nothing."""
HDF5 = b"\x89HDF\r\n\x1a\n"
"""What every HDF5 file begins with (HDF5 File Format Specification, II.A)."""
ONNX = b"\x08"
"""What every ONNX file begins with: the key of its first field, the version of the format (``onnx.proto``, ModelProto)."""


def local_file(backbone: str, text: str, endings: tuple[str, ...]) -> Download:
    """Return a file of the user's as one that is here already, so that its bytes are part of what features depend on.

    Raises:
        ConfigError: it is not there, or is not what its name says.
    """
    path = local_path(text)
    if (path / "saved_model.pb").is_file():
        raise ConfigError(f"backbone {backbone}: {text} cannot be used: {SAVED_MODEL}")
    if path.is_dir():
        raise ConfigError(f"backbone {backbone}: {text} is a folder; expected a file that ends in {' or '.join(endings)}")
    if not path.is_file():
        raise ConfigError(f"backbone {backbone}: there is no file {text}")
    if not text.endswith(endings):
        raise ConfigError(f"backbone {backbone}: {text} must end in {' or '.join(endings)}")
    problem = PROBLEMS.get(path.suffix, _problem_of_hdf5)(path)
    if problem:
        raise ConfigError(f"backbone {backbone}: {text} cannot be used: {problem}")
    return Download(url=path.absolute().as_uri(), file_name=path.name, folder=path.parent)


def local_path(text: str) -> Path:
    """Return the path that a user wrote."""
    return Path(text).expanduser()


def _problem_of_hdf5(path: Path) -> str:
    with path.open("rb") as file:
        return "" if file.read(len(HDF5)) == HDF5 else "it is no HDF5 file; was it downloaded whole?"


def _problem_of_onnx(path: Path) -> str:
    with path.open("rb") as file:
        return "" if file.read(len(ONNX)) == ONNX else "it is no ONNX file; was it downloaded whole?"


PROBLEMS: Mapping[str, Callable[[Path], str]] = {".keras": problem_of, ".onnx": _problem_of_onnx}
"""Why a file is not what its ending says, or ""; other endings are those of HDF5."""
