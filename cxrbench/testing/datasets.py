"""What holds for a dataset: labels, patients, the same bytes twice, and a word about what cannot be read."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.data.decoding.decode import decode
from cxrbench.data.download import Downloader
from cxrbench.data.source import downloads_folder, read_images
from cxrbench.errors import CxrbenchError, DataError, PluginError
from cxrbench.plugin.contracts import Images
from cxrbench.testing.check import ContractBroken, NotCheckable, checks_of, require
from cxrbench.testing.subject import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxrbench.plugin.contracts import Record
    from cxrbench.testing.subject import Subject

SIZE = 64
PER_CLASS = 3
SPLITS = (None, "train", "val", "test")


def build(subject: Subject) -> Images:
    """Return what the factory lists; skip the check if it needs a source and none was given."""
    images: Images = subject.once("images", lambda: _load(subject))
    return images


def _load(subject: Subject) -> Images:
    downloader = Downloader(folder=downloads_folder(), offline=True, say=lambda _: None)
    named = subject.part.option("source", "")
    try:
        return read_images(subject.part, downloader.fetch)
    except CxrbenchError as error:
        if named or isinstance(error, PluginError):
            raise
        hint = f"cxrbench plugins check {subject.part.component.name}:source=PATH"
        raise NotCheckable(f"needs images to look at: {hint} ({error})") from None


def _images(subject: Subject) -> Images:
    images = _listed(subject)
    if not images.records:
        raise NotCheckable("it lists no images: see the check labels")
    return images


def _listed(subject: Subject) -> Images:
    images: Images = subject.build("images, if any", lambda: build(subject))
    return images


def _some(images: Images) -> list[Record]:
    """Return the first records of each class."""
    return [record for label in (0, 1) for record in [r for r in images.records if r.label == label][:PER_CLASS]]


def _labels(subject: Subject) -> None:
    records = _listed(subject).records
    require(len(records), "it lists no images")
    strange = [record for record in records if record.label not in {0, 1}]
    require(not strange, f"{_first(strange)} is neither 0 (normal) nor 1 (pneumonia)" if strange else "")
    missing = {0, 1} - {record.label for record in records}
    require(not missing, f"of {len(records)} images none has label {' or '.join(map(str, missing))}")
    wrong = [record for record in records if record.split not in SPLITS]
    require(not wrong, f"{wrong[0].key} has the split {wrong[0].split!r}; there are train, val, test and None" if wrong else "")


def _first(records: list[Record]) -> str:
    return f"the label {records[0].label!r} of {records[0].key!r}"


def _keys(subject: Subject) -> None:
    keys = [record.key for record in _images(subject).records]
    twice = [key for key, count in _counted(keys) if count > 1]
    require(not twice, f"{len(twice)} keys are there more than once, such as {twice[0] if twice else ''!r}")
    strange = [key for key in keys if not isinstance(key, str) or not key or Path(key).is_absolute()]
    require(not strange, f"the key {strange[0] if strange else ''!r} is no relative name")


def _counted(keys: Iterable[str]) -> Iterable[tuple[str, int]]:
    from collections import Counter

    return Counter(keys).items()


def _patients(subject: Subject) -> None:
    records = _images(subject).records
    without = [record for record in records if not isinstance(record.patient, str) or not record.patient.strip()]
    require(
        not without, f"{len(without)} of {len(records)} images have no patient, such as {without[0].key!r}" if without else ""
    )
    again = {record.key: record.patient for record in _again(subject).records}
    moved = [record.key for record in records if record.key in again and again[record.key] != record.patient]
    require(not moved, f"{len(moved)} images have another patient when they are listed again, such as {moved[:1]}")


def _again(subject: Subject) -> Images:
    images: Images = subject.build("images again", lambda: _load(subject))
    return images


def _deterministic(subject: Subject) -> None:
    images, again = _images(subject), _again(subject)
    before, after = ([(record.key, record.label, record.split) for record in found.records] for found in (images, again))
    require(before == after, "listed twice, the images come in another order, or with other labels or splits")
    for record in _some(images):
        same = _content(images, record.key) == _content(again, record.key) == _content(images, record.key)
        require(same, f"{record.key!r} has other bytes when it is read again")


def _content(images: Images, key: str) -> bytes:
    try:
        found = images.read(key)
        return found.read_bytes() if isinstance(found, Path) else found if isinstance(found, bytes) else found.tobytes()
    except Exception as error:
        raise NotCheckable(f"{key!r} cannot be read: see the check readable ({one_line(error)})") from None


def _readable(subject: Subject) -> None:
    images = _images(subject)
    for record in _some(images):
        try:
            found = images.read(record.key)
        except Exception as error:
            raise ContractBroken(f"{record.key!r} cannot be read: {one_line(error)}") from None
        _require_image(record.key, found)


def _require_image(key: str, found: Any) -> None:
    require(
        isinstance(found, Path | bytes | np.ndarray), f"{key!r} was read as {type(found).__name__}: no path, bytes or pixels"
    )
    if isinstance(found, np.ndarray):
        fits = found.dtype == np.uint8 and (found.ndim == 2 or (found.ndim == 3 and found.shape[2] == 3))
        require(fits, f"{key!r} was read as {found.dtype} {found.shape}; pixels are uint8 [H, W] or [H, W, 3]")
    try:
        decode(found, size=SIZE, resize="stretch")
    except DataError as error:
        raise ContractBroken(f"{key!r} cannot be decoded: {error}") from None


def _unreadable(subject: Subject) -> None:
    """Ask for a key that does not exist: that must be said, by the reader or by the decoder, and not end the run."""
    images = _images(subject)
    key = f"{images.records[0].key}.no-such-image"
    try:
        decode(images.read(key), size=SIZE, resize="stretch")
    except DataError:
        return
    except Exception as error:
        require(str(error).strip(), f"for an image that does not exist the reader raises {type(error).__name__} without a word")
    except BaseException as error:
        raise ContractBroken(
            f"for an image that does not exist the reader raises {one_line(error)}, which ends the run"
        ) from None
    else:
        raise ContractBroken("for an image that does not exist the reader returns one all the same")


def _picklable(subject: Subject) -> None:
    images = _images(subject)
    try:
        copy = pickle.loads(pickle.dumps(images.read))
    except Exception as error:
        raise ContractBroken(f"its reader cannot be sent to another process: {one_line(error)}") from None
    key = images.records[0].key
    again = Images(name=images.name, records=images.records, read=copy)
    require(_content(images, key) == _content(again, key), f"a copy of its reader reads other bytes for {key!r}")


def _refuses(subject: Subject) -> None:
    """Point it at a path that does not exist."""
    with tempfile.TemporaryDirectory() as folder:
        nowhere = Path(folder) / "no such thing"
        try:
            subject.part.build(str(nowhere))
        except CxrbenchError as error:
            require(str(error).strip(), "for a source that does not exist it raises an error without a word")
        except Exception as error:
            raise ContractBroken(f"for a source that does not exist it raises {one_line(error)}") from None
        else:
            raise ContractBroken("a source that does not exist is no error to it")


def _claims(subject: Subject) -> None:
    if not subject.part.spec.claims:
        raise NotCheckable("it claims no paths")
    claims = subject.part.resolve(subject.part.spec.claims)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "notes.txt"
        text.write_text("no images here")
        for path in (Path(folder), text, Path(folder) / "nothing"):
            try:
                claimed = claims(path)
            except Exception as error:
                raise ContractBroken(f"asked whether it claims {path.name!r}, it raises {one_line(error)}") from None
            require(not claimed, f"it claims {'a folder with a text file' if path == Path(folder) else path.name!r}")


_check = checks_of("dataset")


CHECKS = (
    _check("labels", _labels, "positive is pneumonia, everywhere", "give every record the label 0 or 1, and list both classes"),
    _check(
        "keys", _keys, "predictions are stored by key", "use the path relative to the source, or another name that no two share"
    ),
    _check(
        "patients",
        _patients,
        "films of one patient must not be on two sides of a split",
        "give every record a patient, its own key where nobody knows, and derive it from the data alone",
    ),
    _check(
        "deterministic",
        _deterministic,
        "the same command must give the same row",
        "sort what is listed, and draw from a seed that is an option",
    ),
    _check("readable", _readable, "an image must be an image", "return a path, the bytes of an encoded file, or uint8 pixels"),
    _check(
        "unreadable",
        _unreadable,
        "a broken file is named, counted and skipped",
        "raise cxrbench.plugin.DataError with the reason, or return the path of the missing file",
    ),
    _check(
        "picklable",
        _picklable,
        "other processes read images, too",
        "make the reader a function or a frozen dataclass of the module, with nothing open in it; no lambda",
    ),
    _check(
        "missing-source",
        _refuses,
        "a mistyped path is the commonest mistake",
        "raise cxrbench.plugin.ConfigError with the path and what to do",
    ),
    _check(
        "claims",
        _claims,
        "a bare path belongs to the one dataset that claims it",
        "look for the files that make the layout, and answer False for all else",
    ),
)
