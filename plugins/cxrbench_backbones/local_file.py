"""Files that the user brings: looked at before a run begins, without importing Keras."""

from __future__ import annotations

from pathlib import Path

from cxrbench.plugin import ConfigError, Download
from cxrbench_backbones.keras_archive import SAVED_MODEL, problem_of

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
    if (path / "saved_model.pb").is_file():
        raise ConfigError(f"backbone {backbone}: {text} cannot be used: {SAVED_MODEL}")
    if path.is_dir():
        raise ConfigError(f"backbone {backbone}: {text} is a folder; expected a file that ends in {' or '.join(endings)}")
    if not path.is_file():
        raise ConfigError(f"backbone {backbone}: there is no file {text}")
    if not text.endswith(endings):
        raise ConfigError(f"backbone {backbone}: {text} must end in {' or '.join(endings)}")
    problem = problem_of(path) if path.suffix == ".keras" else _problem_of_hdf5(path)
    if problem:
        raise ConfigError(f"backbone {backbone}: {text} cannot be used: {problem}")
    return Download(url=path.absolute().as_uri(), file_name=path.name, folder=path.parent)


def local_path(text: str) -> Path:
    """Return the path that a user wrote."""
    return Path(text).expanduser()


def _problem_of_hdf5(path: Path) -> str:
    with path.open("rb") as file:
        return "" if file.read(len(HDF5)) == HDF5 else "it is no HDF5 file; was it downloaded whole?"
