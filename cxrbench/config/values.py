"""The values that settings and the protocol may hold."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

Metric = Literal["auc", "f1", "accuracy", "recall", "precision", "balanced-accuracy"]
Precision = Literal["float32", "bfloat16"]
Pruning = Literal["none", "median", "halving"]
Resize = Literal["stretch", "pad"]
SplitName = Literal["official", "grouped", "paper"]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
"""A number between 0 and 1, both excluded."""
THRESHOLD_POLICY = re.compile(r"max-f1|max-accuracy|youden|search|(?:recall>=|fixed=)(?:0?\.\d+|[01](?:\.0*)?)")
EXTERNAL_NAME = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
ExternalName = Annotated[str, Field(max_length=100, pattern=rf"^{EXTERNAL_NAME.pattern}$")]
"""The name of an external test set, which is also a folder name."""


def _threshold_policy(text: str) -> str:
    if not THRESHOLD_POLICY.fullmatch(text):
        raise ValueError("must be one of max-f1, max-accuracy, youden, recall>=R, fixed=T (R and T in 0..1), search")
    return text


ThresholdPolicy = Annotated[str, AfterValidator(_threshold_policy)]
