"""Pseudonyms of credentialed images: nothing that a run writes or prints names an image or a patient of theirs.

A pseudonym is an HMAC (RFC 2104) with SHA-256 of a key or of a patient's ID, under a secret that stays in the user's data
folder. So it is the same in every run of that user, and nobody without the secret can tell which image it stands for.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from cxrbench.errors import ConfigError, DataError
from cxrbench.plugin.contracts import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images

SECRET_FILE = "CXRBENCH_SECRET_FILE"  # noqa: S105  # the name of a variable
"""Environment variable with the path of the secret, in place of the user's data folder."""
DIGITS = 32
"""Hexadecimal digits of a pseudonym: 128 bits, so that no two of a collection are equal."""
WORD = re.compile(r"[^\s,;:'\"()<>]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudonymReader:
    """Reads the image behind a pseudonym; its errors name neither.

    Attributes:
        read: as the dataset's factory returned it.
        keys: the key of each pseudonym.
    """

    read: Callable[[str], Path | bytes | NDArray[np.uint8]]
    keys: Mapping[str, str]

    def __call__(self, pseudonym: str) -> Path | bytes | NDArray[np.uint8]:
        """Return the image; raise DataError in place of an exception whose message may name it."""
        try:
            return self.read(self.keys[pseudonym])
        except OSError:
            raise  # only its errno is quoted
        except Exception as error:
            raise DataError(f"its reader failed with {type(error).__name__}, whose message may name the image") from None


def with_pseudonyms(images: Images, secret: bytes) -> Images:
    """Return images whose keys and patients are pseudonyms, also where a text names one."""
    behind = names_behind(images, secret)
    names = {text: name for name, text in behind.items()}
    records = [_renamed(record, names) for record in images.records]
    read = PseudonymReader(read=images.read, keys={names[record.key]: record.key for record in images.records})
    unnamed = _without_names((*images.warnings, *images.leaks), names)
    warnings, leaks = unnamed[: len(images.warnings)], unnamed[len(images.warnings) :]
    return replace(images, records=records, read=read, warnings=warnings, leaks=leaks)


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    """Return a record with the pseudonyms of its key and patient. `replace` is slow, and there are 377,110 of MIMIC-CXR."""
    return Record(
        key=names[record.key],
        patient=names[record.patient],
        label=record.label,
        split=record.split,
        view=record.view,
        age=record.age,
        sex=record.sex,
        site=record.site,
        source=record.source,
        columns=record.columns,
    )


def names_behind(images: Images, secret: bytes) -> dict[str, str]:
    """Return the key or the patient behind each pseudonym of images that have their own names."""
    texts = {record.key for record in images.records} | {record.patient for record in images.records}
    return dict(zip(pseudonyms(texts, secret), texts, strict=True))


def pseudonyms(texts: Iterable[str], secret: bytes) -> Iterator[str]:
    """Yield the pseudonym of each key or patient."""
    blank = hmac.new(secret, digestmod="sha256")
    for text in texts:
        code = blank.copy()
        code.update(text.encode(errors="surrogateescape"))
        yield code.hexdigest()[:DIGITS]


def _without_names(lines: tuple[str, ...], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return texts in which a pseudonym stands for each key, its last part with or without ending, and each patient."""
    words = {word for line in lines for word in WORD.findall(line)}
    spelled: dict[str, str] = {}
    for text, name in names.items():
        last = text.rpartition("/")[2]
        stem = last.rpartition(".")[0]
        if found := words.intersection((text, last, stem)):
            spelled |= dict.fromkeys(found, name)
    return tuple(WORD.sub(lambda word: spelled.get(word[0], word[0]), line) for line in lines)


def user_secret() -> bytes:
    """Return the user's secret, which is made when it is needed first and which nobody else may read.

    Raises:
        ConfigError: the file cannot be read or written, or is empty.
    """
    chosen = os.environ.get(SECRET_FILE)
    path = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("cxrbench") / "secret"
    try:
        if not path.exists():
            _write_once(path, secrets.token_hex(32))
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{path}: the secret for the pseudonyms of images cannot be kept there: {error.strerror}") from None
    if not secret:
        raise ConfigError(
            f"{path} is empty: it should hold the secret for the pseudonyms of images. Remove it to get a new one"
        )
    return secret


def _write_once(path: Path, text: str) -> None:
    """Write a file for its owner alone, unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as file:  # mode 600
        file.write(text)
        file.flush()
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)
