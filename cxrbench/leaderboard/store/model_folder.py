"""The folder of an exported model: its files, its record, and whether they are as they were written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.model_record import ModelRecord
from cxrbench.storage.files import digest, digest_file, write_json
from cxrbench.storage.json_records import read_record, require_regular
from cxrbench.storage.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

RECORD, NETWORK, ONNX = "model.json", "model.keras", "model.onnx"
HEAD, ALL_WEIGHTS = "head.safetensors", "weights.safetensors"
"""Of the format ``plugin``: the head, or the weights of the whole network if it was trained."""
IMAGES, SELF_TEST, CARD = "images.json", "self_test.npz", "README.md"
MODEL = Schema(what="record of a model", model=ModelRecord, version=1)
LARGEST_FILE = 8 * 2**30
EXPORT_AGAIN = "Export the model again, or get the folder again from where it is from"


def is_model_folder(path: Path) -> bool:
    """Return whether a path is the folder of an exported model."""
    return (path / RECORD).is_file()


def write_model_record(folder: Path, record: ModelRecord) -> ModelRecord:
    """Write ``model.json`` after the other files of a folder; return the record with their digests and its own."""
    others = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in {RECORD, CARD})
    files = {path.name: digest_file(path) for path in others}
    record = record.model_copy(update={"files": files, "digest": ""})
    record = record.model_copy(update={"digest": _digest_of(record.model_dump(mode="json"))})
    write_json(folder / RECORD, record.model_dump(mode="json"))
    return record


def read_model_record(folder: Path) -> ModelRecord:
    """Read the record of an exported model and compare all files with their digests.

    This finds accidents. An attacker can change the digests as well.

    Raises:
        CxrbenchError: a file is missing, is not valid, or has been changed; the message names the file.
    """
    path = folder / RECORD
    record = read_record(path, MODEL, within=folder)
    # The digest is that of the file's own content: a later version may have read it with further fields.
    if record.digest != _digest_of(json.loads(path.read_bytes())):
        raise CxrbenchError(f"{path} was changed after the export: its content is not that of its digest. {EXPORT_AGAIN}")
    of_plugin = HEAD if record.stage == "head" else ALL_WEIGHTS
    needed = {SELF_TEST, IMAGES, NETWORK if record.format == "keras" else of_plugin}
    if missing := needed - record.files.keys():
        raise CxrbenchError(
            f"{path} is not a valid record of a model: it has no digest of {sorted(missing)[0]}. {EXPORT_AGAIN}"
        )
    for name, sha256 in record.files.items():
        _check_file(folder / name, sha256, folder)
    return record


def _check_file(path: Path, sha256: str, folder: Path) -> None:
    require_regular(path, LARGEST_FILE, within=folder)
    if digest_file(path) != sha256:
        raise CxrbenchError(f"{path} was changed after the export: its SHA-256 is not that in {RECORD}. {EXPORT_AGAIN}")


def _digest_of(content: dict[str, Any]) -> str:
    return digest({name: value for name, value in content.items() if name != "digest"})
