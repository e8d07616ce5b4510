"""The stored table of predictions: a compressed NumPy archive (``.npz``) of plain arrays, each image in it once.

| array         | type                      | holds                                                                     |
|---------------|---------------------------|---------------------------------------------------------------------------|
| `keys`        | bytes ``[images]``        | the key of each image, UTF-8                                              |
| `patients`    | bytes ``[images]``        | its patient, UTF-8                                                        |
| `labels`      | uint8 ``[images]``        | 1 for the positive class                                                  |
| `part_sizes`  | int32 ``[parts]``         | how many images each part has; heads of one fold and subset share a part  |
| `part_images` | int32 ``[sum of sizes]``  | part after part, the places of its images in `keys`                       |
| `heads`       | int32 ``[heads, 4]``      | subset (0 validation, 1 test, 2 external), fold, seed (-1: mean), part    |
| `scores`      | float64 ``[sum of sizes]``| head after head, the score of each image of its part                      |

Three more follow where the images are of groups, such as ages or sites:

| array         | type                            | holds                                                   |
|---------------|---------------------------------|---------------------------------------------------------|
| `columns`     | bytes ``[columns]``             | the columns that make the groups, UTF-8                 |
| `group_names` | bytes ``[groups]``              | the names of the groups of all columns, UTF-8           |
| `group_of`    | uint8 ``[columns, images]``     | the place of each image's group in `group_names`        |
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.prediction_csv import LARGEST_CSV_BYTES, LONGEST_KEY, read_csv_predictions
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS, SUBSETS, Predictions
from cxrbench.storage.files import atomic_write
from cxrbench.storage.json_records import require_regular
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST_TABLE_BYTES = 2**30
"""Unpacked. Enough for 100,000 images in 20 folds of 100 seeds."""
LONGEST_HEADER = 256
"""Bytes of the description of one array."""
HIGHEST_NUMBER = 10**6
"""Of a fold or a seed."""
MOST_NAMES = 256
"""Of groups, of all columns together."""
UTF8_BYTES = 4
"""Of one character at most, as in a NumPy text."""
ARRAYS = {
    "keys": ("S", 1),
    "patients": ("S", 1),
    "labels": ("|u1", 1),
    "part_sizes": ("<i4", 1),
    "part_images": ("<i4", 1),
    "heads": ("<i4", 2),
    "scores": ("<f8", 1),
}
"""Type and number of dimensions of each array, in the order of the file."""
GROUP_ARRAYS = {"columns": ("S", 1), "group_names": ("S", 1), "group_of": ("|u1", 2)}
"""Those that follow where there are groups."""


def write_predictions(path: Path, predictions: Iterable[Predictions]) -> None:
    """Write a table. Equal predictions give equal files.

    Raises:
        ValueError: an image has two patients, two labels or two groups of a column, or there are too many groups.
    """
    arrays = _arrays_of(list(predictions))
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


def read_predictions(path: Path, *, within: Path | None = None) -> list[Predictions]:
    """Return the predictions of each subset, fold and seed, in the order of the file.

    Args:
        path: of the table, or of one that an earlier version wrote as CSV.
        within: the folder that must contain it after resolving links; default: the file's own folder.

    Raises:
        CxrbenchError: the file does not exist, is too large, or is not a valid table; the message names the reason.
    """
    try:
        if not path.exists():
            raise ValueError("the file does not exist")
        is_csv = path.suffix == ".csv"
        require_regular(path, LARGEST_CSV_BYTES if is_csv else LARGEST_TABLE_BYTES, within=within or path.parent)
        predictions = read_csv_predictions(path) if is_csv else _predictions_of(_unpack(path))
        if len({(head.subset, head.fold, head.seed) for head in predictions}) < len(predictions):
            raise ValueError("one fold and seed appears twice in a subset")
    except ValueError as error:
        raise CxrbenchError(f"{path} is not a valid predictions table: {as_line(str(error))}") from None
    return predictions


def _arrays_of(heads: Sequence[Predictions]) -> dict[str, Any]:
    every_key = np.concatenate([np.empty(0, dtype=np.str_), *(head.keys for head in heads)])
    patients = np.concatenate([np.empty(0, dtype=np.str_), *(head.patients for head in heads)])
    labels = np.concatenate([np.empty(0, dtype=np.uint8), *(head.labels.astype(np.uint8) for head in heads)])
    keys, first, places = np.unique(every_key, return_index=True, return_inverse=True)
    if not (np.array_equal(patients[first][places], patients) and np.array_equal(labels[first][places], labels)):
        raise ValueError("an image has two patients or two labels")
    parts: dict[bytes, int] = {}
    rows = []
    for head, scored in zip(heads, _split(places.astype("<i4"), [len(head.keys) for head in heads]), strict=True):
        rows.append((SUBSETS.index(head.subset), head.fold, head.seed, parts.setdefault(scored.tobytes(), len(parts))))
    return {
        "keys": np.char.encode(keys, "utf-8"),
        "patients": np.char.encode(patients[first], "utf-8"),
        "labels": labels[first],
        "part_sizes": np.array([len(part) // 4 for part in parts], dtype="<i4"),
        "part_images": np.frombuffer(b"".join(parts), dtype="<i4"),
        "heads": np.array(rows, dtype="<i4").reshape(-1, 4),
        "scores": np.concatenate([np.empty(0, dtype="<f8"), *(head.scores for head in heads)]),
        **_group_arrays_of(heads, first, places),
    }


def _group_arrays_of(
    heads: Sequence[Predictions], first: NDArray[np.int64], places: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Return the arrays of the groups, for the columns that all heads have.

    Args:
        heads: of the table.
        first: int ``[images]``, where each image is first scored, among the scores of all heads.
        places: int ``[scores of all heads]``, the place of each scored image among the images.
    """
    columns = [column for column in (heads[0].groups if heads else ()) if all(column in head.groups for head in heads)]
    if not columns:
        return {}
    of_scores = np.stack([np.concatenate([head.groups[column] for head in heads]) for column in columns])
    names, numbers = np.unique(of_scores, return_inverse=True)
    numbers = numbers.reshape(of_scores.shape)
    if not np.array_equal(numbers[:, first][:, places], numbers):
        raise ValueError("an image has two groups of a column")
    if len(names) > MOST_NAMES:
        raise ValueError(f"its images are of {len(names):,} groups, more than {MOST_NAMES}")
    return {
        "columns": np.char.encode(np.array(columns), "utf-8"),
        "group_names": np.char.encode(names, "utf-8"),
        "group_of": np.ascontiguousarray(numbers[:, first], dtype="|u1"),
    }


def _unpack(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a table; raise ValueError if they are not those of one. Nothing in the file is run."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            arrays = {**ARRAYS, **(GROUP_ARRAYS if len(members) > len(ARRAYS) else {})}
            if list(members) != [f"{name}.npy" for name in arrays] or len(archive.infolist()) != len(arrays):
                raise ValueError(f"expected the arrays {', '.join(ARRAYS)}, and maybe {', '.join(GROUP_ARRAYS)}")
            if (declared := sum(member.file_size for member in members.values())) > LARGEST_TABLE_BYTES:
                raise ValueError(f"it unpacks to {declared:,} bytes (limit: {LARGEST_TABLE_BYTES:,})")
            return {name: _read_array(archive, members[f"{name}.npy"], (name, *form)) for name, form in arrays.items()}
    except ValueError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds of errors for a damaged file
        raise ValueError(f"it is not a NumPy archive: {error}") from None


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, expected: tuple[str, str, int]) -> NDArray[Any]:
    """Read one array; `numpy.load` would reserve the memory that the file asks for before it checks anything."""
    name, kind, dimensions = expected
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:  # others unpack without a limit
        raise ValueError(f"{name} has a compression other than deflate")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has another version of NumPy's format than 1.0")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=LONGEST_HEADER)
        if len(shape) != dimensions or is_fortran or not _is_of_kind(dtype, kind):
            raise ValueError(f"{name} has the type {dtype} and {len(shape)} dimensions, expected {kind} and {dimensions}")
        content = file.read(member.file_size)  # without a number, a member that declares too few bytes is unpacked whole
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def _is_of_kind(dtype: np.dtype[Any], kind: str) -> bool:
    if kind == "S":
        return dtype.kind == "S" and 0 < dtype.itemsize <= LONGEST_KEY * UTF8_BYTES
    return dtype == np.dtype(kind)


def _predictions_of(arrays: Mapping[str, NDArray[Any]]) -> list[Predictions]:
    """Return the predictions that the arrays of a table hold; raise ValueError if they contradict each other."""
    _check_text(arrays)
    keys, patients = (np.char.decode(arrays[name], "utf-8") for name in ("keys", "patients"))
    labels, heads, scores = (arrays[name] for name in ("labels", "heads", "scores"))
    _check_images(keys, patients, labels)
    parts = _checked_parts(arrays["part_sizes"], arrays["part_images"], keys)
    _check_heads(heads, len(parts))
    sizes = arrays["part_sizes"][heads[:, 3]]
    _check_scores(scores, int(sizes.sum(dtype=np.int64)))
    groups = _groups_of(arrays) if "columns" in arrays else {}
    images = [
        {
            "keys": keys[part],
            "patients": patients[part],
            "labels": labels[part].astype(np.int64),
            "groups": {column: of_images[part] for column, of_images in groups.items()},
        }
        for part in parts
    ]
    return [
        Predictions(subset=SUBSETS[subset], fold=fold, seed=seed, scores=of_head, **images[part])
        for (subset, fold, seed, part), of_head in zip(heads.tolist(), _split(scores, sizes), strict=True)
    ]


def _groups_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.str_]]:
    """Return the group of each image by column."""
    columns, names = (np.char.decode(arrays[name], "utf-8") for name in ("columns", "group_names"))
    numbers = arrays["group_of"]
    if numbers.shape != (len(columns), len(arrays["keys"])) or len(set(columns.tolist())) < len(columns):
        raise ValueError(f"it has groups of {numbers.shape} columns and images, but {len(columns):,} different columns")
    if numbers.max(initial=0) >= len(names):
        raise ValueError(f"an image is of group {numbers.max()}, but there are {len(names):,} groups")
    return {column: names[of_images] for column, of_images in zip(columns.tolist(), numbers, strict=True)}


def _check_text(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse text that would fill the memory once every part has its own: NumPy gives all texts the longest one's room."""
    of_groups = len(arrays["columns"]) * arrays["group_names"].itemsize if "columns" in arrays else 0
    room = UTF8_BYTES * (arrays["keys"].itemsize + arrays["patients"].itemsize + of_groups)
    if room * (len(arrays["keys"]) + len(arrays["part_images"])) > LARGEST_TABLE_BYTES:
        raise ValueError(f"its keys, patients and groups take more than {LARGEST_TABLE_BYTES:,} bytes")


def _check_images(keys: NDArray[np.str_], patients: NDArray[np.str_], labels: NDArray[np.uint8]) -> None:
    if not len(keys) == len(patients) == len(labels):
        raise ValueError(f"it has {len(keys):,} keys, {len(patients):,} patients and {len(labels):,} labels")
    if max(keys.itemsize, patients.itemsize) > LONGEST_KEY * UTF8_BYTES:
        raise ValueError(f"key or patient is longer than {LONGEST_KEY:,} characters")
    if len(set(keys.tolist())) < len(keys):
        raise ValueError("an image appears twice")
    if labels.max(initial=0) > 1:
        raise ValueError(f"label {labels.max()} must be 0 or 1")


def _checked_parts(sizes: NDArray[np.int32], images: NDArray[np.int32], keys: NDArray[np.str_]) -> list[NDArray[np.int32]]:
    if sizes.min(initial=0) < 0 or sizes.sum(dtype=np.int64) != len(images):
        raise ValueError(f"the sizes of its parts do not add up to their {len(images):,} images")
    if images.min(initial=0) < 0 or images.max(initial=-1) >= len(keys):
        raise ValueError(f"a part has an image that is not one of {len(keys):,}")
    parts = _split(images, sizes)
    for number, part in enumerate(parts):
        if len(np.unique(part)) < len(part):
            raise ValueError(f"an image appears twice in part {number}")
    return parts


def _check_heads(heads: NDArray[np.int32], parts: int) -> None:
    lowest, highest = np.array([0, 0, MEAN_OF_SEEDS, 0]), np.array([len(SUBSETS), HIGHEST_NUMBER, HIGHEST_NUMBER, parts])
    if heads.shape[1:] != lowest.shape or not ((heads >= lowest) & (heads < highest)).all():
        raise ValueError("a head has a subset, a fold, a seed or a part that cannot be")


def _check_scores(scores: NDArray[np.float64], expected: int) -> None:
    if len(scores) != expected:
        raise ValueError(f"it has {len(scores):,} scores, but its heads scored {expected:,} images")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("a score is not in 0..1")


def _split(values: NDArray[Any], sizes: Sequence[int] | NDArray[np.int32]) -> list[NDArray[Any]]:
    """Cut an array into pieces of these sizes, which add up to its length."""
    return np.split(values, np.cumsum(sizes, dtype=np.int64))[:-1]
