"""The values that settings and the protocol may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field
from pydantic_settings import NoDecode

Calibration = Literal["none", "temperature"]
Metric = Literal["auc", "f1", "accuracy", "recall", "precision", "balanced-accuracy"]
Precision = Literal["float32", "bfloat16"]
Pruning = Literal["none", "median", "halving"]
Resize = Literal["stretch", "pad"]
SelectOn = Literal["validation", "robust"]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
"""A number between 0 and 1, both excluded."""
THRESHOLD_POLICY = re.compile(
    r"max-f1|max-accuracy|youden|median-(?:f1|accuracy|youden)|search|(?:recall>=|fixed=)(?:0?\.\d+|[01](?:\.0*)?)"
)
EXTERNAL_NAME = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
ExternalName = Annotated[str, Field(max_length=100, pattern=rf"^{EXTERNAL_NAME.pattern}$")]
"""The name of an external test set, which is also a folder name."""
LEAST_MEMORY = 10**9


def _threshold_policy(text: str) -> str:
    if not THRESHOLD_POLICY.fullmatch(text):
        raise ValueError(
            "must be one of max-f1, max-accuracy, youden, median-f1, median-accuracy, median-youden, "
            "recall>=R, fixed=T (R and T in 0..1), search"
        )
    return text


def _named(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse text that is not NAME=PATH, names that cannot be folder names, and duplicate names."""
    names = [text.partition("=")[0] for text in texts]
    for text, name in zip(texts, names, strict=True):
        if not EXTERNAL_NAME.fullmatch(name) or not text.partition("=")[2]:
            raise ValueError(f"{text!r} must be NAME=PATH, with a name of letters, digits and hyphens")
        if names.count(name) > 1:
            raise ValueError(f"duplicate name {name!r}")
    return texts


def _enough_memory(size: ByteSize) -> ByteSize:
    if size < LEAST_MEMORY:
        raise ValueError("must be at least 1GB, because TensorFlow needs half of it; write for example 4GB or 4GiB")
    return size


def _words(value: Any) -> Any:
    """Split the text of an environment variable at white space; return a list as the tuple that strict records need."""
    return value.split() if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Stage = Literal["head", "fine-tuned", "from-scratch"]
"""What was trained: a head on the features of a frozen backbone, all of it from there, or all of it from random weights."""


def _numbers_or_names(value: Any) -> Any:
    """Return names as `_words` does, and numbers among them or alone as texts."""
    if isinstance(value, int):
        return (str(value),)
    found = _words(value)
    return tuple(str(one) if type(one) is int else one for one in found) if isinstance(found, list | tuple) else found


def _class_text(value: Any) -> Any:
    """Return the text of a class that is a number in TOML or Python."""
    return str(value) if type(value) is int else value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must be the name of a class")
    return text.strip()


ClassText = Annotated[str, BeforeValidator(_class_text), AfterValidator(_not_blank)]
"""The name of a class, or several joined with plus signs."""
ThresholdPolicy = Annotated[str, AfterValidator(_threshold_policy)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
NumbersOrNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_numbers_or_names)]
Thresholds = Annotated[
    tuple[OpenShare, ...], NoDecode, BeforeValidator(_words), AfterValidator(lambda found: tuple(sorted(set(found))))
]
Named = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_named)]
MemorySize = Annotated[ByteSize, AfterValidator(_enough_memory)]
Folder = Annotated[Path, AfterValidator(Path.expanduser)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_words)]
