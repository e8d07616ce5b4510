"""Where pretrained weights are: in Keras' cache or in this package. Found without importing Keras."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PRETRAINED = Path(__file__).with_name("pretrained")
"""The folder of the weights that come with this package; its NOTICE says where they are from."""


def folder_of(file_name: str) -> Path:
    """Return the folder of a weights file: Keras' cache, unless only this package has the file."""
    cached = models_folder()
    bundled = (PRETRAINED / file_name).is_file() and not (cached / file_name).is_file()
    return PRETRAINED if bundled else cached


def models_folder() -> Path:
    """Return the folder that `keras.utils.get_file` looks for the weights of its applications in.

    ``$KERAS_HOME/models`` or ``~/.keras/models``. Like Keras, which passes over a home that it cannot write to, even if the
    file lies there.
    """
    fallback = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()) / ".keras"
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    return (home if _writable(home) else fallback) / "models"


def _writable(folder: Path) -> bool:
    """Say whether files can be put into a folder that is there or can be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)
