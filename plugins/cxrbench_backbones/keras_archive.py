"""Look into a ``.keras`` file before Keras does: it may be somebody else's, and its configuration says what is built.

Keras' safe mode refuses the same, mostly; this says which layer it is about, and does not depend on the version of Keras.
"""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "config.json"
METADATA = "metadata.json"
FROM_HDF5 = "keras.saving.load_model('OLD.h5', compile=False).save('NEW.keras')"
"""How Keras 3 reads what Keras 2 wrote, and saves it in its own format."""
BY_HDF5 = (
    "If you trust it, write it as HDF5 with Keras 2 (pip install tf-keras): tf_keras.models.load_model('OLD').save('OLD.h5'); "
    f"then with Keras 3: {FROM_HDF5}. If that fails, too, build the network in Keras 3 and load the weights into it"
)
KERAS_2 = f"it was saved by Keras 2, whose networks Keras 3 cannot build. {BY_HDF5}"
SAVED_MODEL = f"it is a SavedModel of TensorFlow, which Keras 3 does not load. {BY_HDF5}"
LARGEST_CONFIG = 64 * 2**20
LARGEST = 16 * 2**30
"""Bytes when unpacked: ten times the largest network of Keras' applications."""
TRUSTED = frozenset(
    {
        *("activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models", "ops"),
        *("applications", "optimizers", "quantizers", "random", "regularizers"),
    }
)
"""The parts of Keras that build networks; `keras.utils` and `keras.config` fetch files and turn safe mode off."""
CARRIERS = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "FlaxLayerWrapper"})
"""What holds code, or loads a further file that does (CVE-2026-1462 was the second)."""


def problem_of(path: Path) -> str:
    """Return why a file is not to be given to Keras, or "" if nothing speaks against it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if CONFIG not in archive.namelist():
                return "it is no Keras file (a zip archive with a config.json); was it downloaded whole?"
            if problem := next(_outside(members), ""):
                return problem
            if archive.getinfo(CONFIG).file_size > LARGEST_CONFIG or sum(one.file_size for one in members) > LARGEST:
                return f"it says that it is larger than {LARGEST:,} bytes when unpacked"
            config = json.loads(archive.read(CONFIG))
        return next(_code(config), "")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        # of which RecursionError is one, and encrypted members are another
        return f"it is no Keras file (a zip archive with a config.json): {type(error).__name__}; was it downloaded whole?"


def is_of_keras_2(path: Path) -> bool:
    """Return whether a Keras file says that an earlier version than Keras 3 wrote it."""
    try:
        with zipfile.ZipFile(path) as archive:
            version = str(json.loads(archive.read(METADATA))["keras_version"])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError):
        return False
    return version.partition(".")[0] in {"1", "2"}


def _outside(members: list[zipfile.ZipInfo]) -> Iterator[str]:
    """Yield what is wrong with names that would lead out of a folder, and with links."""
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ":" in name or ".." in PurePosixPath(name).parts:
            yield f"its part {member.filename!r} would be unpacked outside its folder"
        if stat.S_ISLNK(member.external_attr >> 16):
            yield f"its part {member.filename!r} is a link"


def _code(config: Any) -> Iterator[str]:
    """Yield what a configuration would have built besides Keras' own networks."""
    if isinstance(config, list):
        for one in config:
            yield from _code(one)
    if not isinstance(config, dict):
        return
    name, module = config.get("class_name"), config.get("module")
    if isinstance(name, str):
        if name in CARRIERS:
            yield f"it has a {name.strip('_').replace('lambda', 'Lambda')} layer, that is, code of its own"
        elif module is not None and _is_network_of_keras_2(str(module)):
            yield KERAS_2
        elif module is not None and not _is_trusted(str(module)):
            yield f"it needs {name} of {module}, that is, code that is no part of Keras' networks"
    for one in config.values():
        yield from _code(one)


def _is_network_of_keras_2(module: str) -> bool:
    """Return whether a module is of Keras 2 alone: its package of TensorFlow, or ``keras.engine``."""
    root, *parts = module.split(".")
    return root == "tf_keras" or (root == "keras" and [part for part in parts if part != "src"][:1] == ["engine"])


def _is_trusted(module: str) -> bool:
    root, *parts = module.split(".")
    if root == "builtins":  # Keras looks such names up among its own
        return True
    inside = [part for part in parts if part != "src"]
    return root == "keras" and (not inside or inside[0] in TRUSTED)
