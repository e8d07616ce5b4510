"""Checks of datasets: labels, keys, patients, reading and claims."""

from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.data.decoding.decode import decode
from cxrbench.data.download import Downloader
from cxrbench.data.source import read_images
from cxrbench.errors import CxrbenchError, DataError, PluginError
from cxrbench.plugin.contracts import Images
from cxrbench.testing.check import Check
from cxrbench.testing.outcome import ContractBroken, NotCheckable, require
from cxrbench.testing.subject import error_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.plugin.contracts import Record
    from cxrbench.testing.subject import Subject

DECODED_SIZE = 64
SAMPLES_PER_CLASS = 3
SPLIT_TAGS = (None, "train", "val", "test")


def listed_images(subject: Subject) -> Images:
    """Return what the factory lists; skip the check if the dataset needs a source and has none."""
    return subject.once("images", lambda: _list_images(subject))


def _list_images(subject: Subject) -> Images:
    downloader = Downloader(offline=True, say=lambda _: None)
    source = subject.part.option("source", "")
    try:
        return read_images(subject.part, downloader.fetch)
    except CxrbenchError as error:
        if source or isinstance(error, PluginError):
            raise
        raise NotCheckable(f"it needs a source: {subject.command('source=PATH')} ({error})") from None


def _images_or_skip(subject: Subject) -> Images:
    images = _listing_or_skip(subject)
    if not images.records:
        raise NotCheckable("it lists no images: see the check labels")
    return images


def _listing_or_skip(subject: Subject) -> Images:
    return subject.once_or_skip("images, if any", lambda: listed_images(subject))


def _sample(images: Images) -> list[Record]:
    """Return the first records of each class."""
    sample: list[Record] = []
    for label in (0, 1):
        sample += [record for record in images.records if record.label == label][:SAMPLES_PER_CLASS]
    return sample


def _check_labels(subject: Subject) -> None:
    images = _listing_or_skip(subject)
    records, names = images.records, images.class_names
    require(len(records), "it lists no images")
    for record in records:
        label = f"the label {record.label!r} of {record.key!r}"
        require(record.label in {0, 1}, f"{label} is neither 0 ({names.negative}) nor 1 ({names.positive})")
    missing = {0, 1} - {record.label for record in records}
    require(not missing, f"none of {len(records)} images has label {' or '.join(map(str, missing))}")
    for record in records:
        require(record.split in SPLIT_TAGS, f"{record.key}: invalid split {record.split!r}; expected train, val, test or None")


def _check_keys(subject: Subject) -> None:
    keys = [record.key for record in _images_or_skip(subject).records]
    duplicates = [key for key, count in Counter(keys).items() if count > 1]
    require(not duplicates, f"{len(duplicates)} keys are not unique, such as {duplicates[0] if duplicates else ''!r}")
    invalid = [key for key in keys if not isinstance(key, str) or not key or Path(key).is_absolute()]
    require(not invalid, f"the key {invalid[0] if invalid else ''!r} is not a relative name")


def _check_patients(subject: Subject) -> None:
    records = _images_or_skip(subject).records
    missing = [record.key for record in records if not isinstance(record.patient, str) or not record.patient.strip()]
    require(not missing, f"{len(missing)} of {len(records)} images have no patient, such as {missing[:1]}")
    again = {record.key: record.patient for record in _listed_again(subject).records}
    changed = [record.key for record in records if record.key in again and again[record.key] != record.patient]
    require(not changed, f"{len(changed)} images have another patient when they are listed again, such as {changed[:1]}")


def _listed_again(subject: Subject) -> Images:
    return subject.once_or_skip("images again", lambda: _list_images(subject))


def _check_deterministic(subject: Subject) -> None:
    images, again = _images_or_skip(subject), _listed_again(subject)
    before, after = ([(record.key, record.label, record.split) for record in listed.records] for listed in (images, again))
    require(before == after, "listed twice, the images have another order, other labels or other splits")
    for record in _sample(images):
        same = _image_bytes(images, record.key) == _image_bytes(again, record.key) == _image_bytes(images, record.key)
        require(same, f"{record.key!r} has other bytes when it is read again")


def _image_bytes(images: Images, key: str) -> bytes:
    try:
        image = images.read(key)
        return image.read_bytes() if isinstance(image, Path) else image if isinstance(image, bytes) else image.tobytes()
    except Exception as error:
        raise NotCheckable(f"{key!r} cannot be read: see the check readable ({error_line(error)})") from None


def _check_readable(subject: Subject) -> None:
    images = _images_or_skip(subject)
    for record in _sample(images):
        try:
            image = images.read(record.key)
        except Exception as error:
            raise ContractBroken(f"{record.key!r} cannot be read: {error_line(error)}") from None
        _require_image(record.key, image)


def _require_image(key: str, image: Any) -> None:
    is_supported = isinstance(image, Path | bytes | np.ndarray)
    require(is_supported, f"reading {key!r} returned {type(image).__name__}; expected a path, bytes or pixels")
    if isinstance(image, np.ndarray):
        are_pixels = image.dtype == np.uint8 and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3))
        require(are_pixels, f"reading {key!r} returned {image.dtype} {image.shape}; expected uint8 [H, W] or [H, W, 3]")
    try:
        decode(image, size=DECODED_SIZE, resize="stretch")
    except DataError as error:
        raise ContractBroken(f"{key!r} cannot be decoded: {error}") from None


def _check_unreadable(subject: Subject) -> None:
    """Read a key that does not exist: the reader or the decoder must raise an error that does not end the run."""
    images = _images_or_skip(subject)
    key = f"{images.records[0].key}.no-such-image"
    try:
        decode(images.read(key), size=DECODED_SIZE, resize="stretch")
    except DataError:
        return
    except Exception as error:
        require(str(error).strip(), f"for a missing image, the reader raises {type(error).__name__} without a message")
    except BaseException as error:
        raise ContractBroken(f"for a missing image, the reader raises {error_line(error)}, which ends the run") from None
    else:
        raise ContractBroken("for a missing image, the reader returns an image")


def _check_picklable(subject: Subject) -> None:
    images = _images_or_skip(subject)
    try:
        copy = pickle.loads(pickle.dumps(images.read))  # noqa: S301  # these bytes were just pickled here
    except Exception as error:
        raise ContractBroken(f"its reader cannot be pickled for another process: {error_line(error)}") from None
    key = images.records[0].key
    again = Images(name=images.name, records=images.records, read=copy)
    require(_image_bytes(images, key) == _image_bytes(again, key), f"an unpickled reader reads other bytes for {key!r}")


def _check_missing_source(subject: Subject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        missing = Path(folder) / "no such thing"
        try:
            subject.part.build(str(missing))
        except CxrbenchError as error:
            require(str(error).strip(), "for a source that does not exist, it raises an error without a message")
        except Exception as error:
            raise ContractBroken(f"for a source that does not exist, it raises {error_line(error)}") from None
        else:
            raise ContractBroken("for a source that does not exist, it raises no error")


def _check_claims(subject: Subject) -> None:
    spec = subject.part.spec
    functions = {name: text for name, text in (("claims", spec.claims), ("may_claim", spec.may_claim)) if text}
    if not functions:
        raise NotCheckable("it declares no claims")
    for name, text in functions.items():
        _check_claim(name, subject.part.resolve(text))


def _check_claim(name: str, claims: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "notes.txt"
        text.write_text("no images here")
        for path in (Path(folder), text, Path(folder) / "nothing"):
            try:
                claimed = claims(path)
            except Exception as error:
                raise ContractBroken(f"for {path.name!r}, {name} raises {error_line(error)}") from None
            require(not claimed, f"it claims {'a folder with a text file' if path == Path(folder) else path.name!r}")


dataset_check = partial(Check, kind="dataset")

DATASET_CHECKS = (
    dataset_check(
        "labels",
        _check_labels,
        "label 1 is the positive class, label 0 the negative class",
        "give every record the label 0 or 1, and list both classes",
    ),
    dataset_check(
        "keys", _check_keys, "predictions are stored by key", "use the path relative to the source, or another unique name"
    ),
    dataset_check(
        "patients",
        _check_patients,
        "images of one patient must not be on both sides of a split",
        "give every record a patient, or its own key if the patient is unknown, and derive it from the data alone",
    ),
    dataset_check(
        "deterministic",
        _check_deterministic,
        "the same command must give the same row",
        "sort the records, and draw random numbers from a seed that is an option",
    ),
    dataset_check(
        "readable",
        _check_readable,
        "the harness decodes every image",
        "return a path, the bytes of an encoded file, or uint8 pixels",
    ),
    dataset_check(
        "unreadable",
        _check_unreadable,
        "a damaged file is reported and skipped",
        "raise cxrbench.plugin.DataError with the reason, or return the path of the missing file",
    ),
    dataset_check(
        "picklable",
        _check_picklable,
        "other processes read images, too",
        "make the reader a function or a frozen dataclass of the module, without open files; no lambda",
    ),
    dataset_check(
        "missing-source",
        _check_missing_source,
        "a mistyped path is the most common mistake",
        "raise cxrbench.plugin.ConfigError with the path and what to do",
    ),
    dataset_check(
        "claims",
        _check_claims,
        "a path without a dataset name is read by the one dataset that claims it",
        "look for the files of the layout, and return False for all other paths",
    ),
)
