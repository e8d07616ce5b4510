"""Look into a ``.keras`` file before Keras does: it may be another person's, and its configuration says what is built."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

from cxrbench.errors import CxrbenchError
from cxrbench.storage.json_records import require_regular
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "config.json"
LARGEST_FILE = 8 * 2**30
LARGEST_CONFIG = 64 * 2**20
LARGEST_UNPACKED = 16 * 2**30
"""Ten times the largest network of Keras' applications, in float32."""
CARRIERS = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
"""Classes of Keras that hold code, or load a further file that does."""
BUILDING = frozenset(
    {
        *("activations", "constraints", "dtype_policies", "initializers", "layers", "models", "ops"),
        *("applications", "quantizers", "random", "regularizers"),
    }
)
"""The parts of Keras that networks are built from; `keras.utils` and `keras.config` fetch files and turn safe mode off."""


def require_safe(path: Path, *, within: Path) -> None:
    """Raise CxrbenchError if a file is too large, is not a Keras file, or needs other code than that of Keras' networks."""
    require_regular(path, LARGEST_FILE, within=within)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            if sizes.get(CONFIG, 0) > LARGEST_CONFIG or sum(sizes.values()) > LARGEST_UNPACKED:
                raise CxrbenchError(f"{path} is refused: unpacked it is larger than {LARGEST_UNPACKED:,} bytes")
            config = json.loads(archive.read(CONFIG))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise CxrbenchError(f"{path} is refused: it is not a Keras file: {as_line(str(error))[:300]}") from None
    if found := foreign_code(config):
        raise CxrbenchError(f"{path} is refused: it needs {found}, which is not part of Keras' networks")


def foreign_code(config: Any) -> str:
    """Return the first thing in a configuration that is not one of Keras' own layers and functions, or an empty string."""
    return next(_foreign(config), "")


def _foreign(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        if isinstance(name, str) and name in CARRIERS:
            yield f"a {as_line(name.strip('_'))} layer"
        elif isinstance(name, str) and module is not None and not _is_of_networks(str(module)):
            yield f"{as_line(name)} of {as_line(str(module))}"
    for one in config.values() if isinstance(config, dict) else config if isinstance(config, list | tuple) else ():
        yield from _foreign(one)


def _is_of_networks(module: str) -> bool:
    root, *parts = module.split(".")
    inside = [part for part in parts if part != "src"]
    return root == "builtins" or (root == "keras" and (not inside or inside[0] in BUILDING))
