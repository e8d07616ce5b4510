"""Find attributes that tell the label: a model may learn the hospital in place of the disease."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.findings import Finding
from cxrbench.data.groups import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.plugin.contracts import Record

ATTRIBUTES = ("source", "site", "view", "sex", "age", "split")
UNKNOWN = "unknown"
MINIMUM_LEVEL = 20
"""Images of a level below which its rate says nothing."""
CHANCE = 1e-3
ASSOCIATION = 0.2
"""Cramér's V; 0.1 is called small and 0.3 medium (Cohen, Statistical Power Analysis, 1988, chapter 7)."""
DIFFERENCE = 0.3
"""Between the label rates of two levels, which V misses where one of them is rare."""
BANDS = (0, 5, 18, 40, 65)
"""The years at which an age band begins."""
_AGE = re.compile(r"0*(?P<number>\d+)(?:\.\d+)?\s*(?P<unit>[DWMY]?)[A-Z]*", re.IGNORECASE)
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1, "": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRate:
    """How many images of one level of an attribute there are, and how many of them show pneumonia."""

    attribute: str
    level: str
    images: int
    pneumonia: int


def label_rates(dataset: LoadedDataset) -> tuple[LabelRate, ...]:
    """Return the label rates of all attributes that are known of some images."""
    return tuple(rate for attribute in ATTRIBUTES for rate in _rates_of(dataset, attribute))


def telling_attributes(dataset: LoadedDataset) -> Iterator[Finding]:
    """Find attributes whose levels have label rates that differ by more than chance, and by much."""
    for attribute in ATTRIBUTES:
        rates = [rate for rate in _rates_of(dataset, attribute) if rate.images >= MINIMUM_LEVEL]
        if len(rates) < 2:
            continue
        chance, association = _tested(np.array([[rate.images - rate.pneumonia, rate.pneumonia] for rate in rates]))
        ordered = sorted(rates, key=lambda rate: rate.pneumonia / rate.images)
        low, high = (rate.pneumonia / rate.images for rate in (ordered[0], ordered[-1]))
        if chance < CHANCE and (association >= ASSOCIATION or high - low >= DIFFERENCE):
            message = (
                f"{attribute} tells the label: pneumonia in {low:.0%} of {ordered[0].images:,} images of "
                f"{ordered[0].level!r} and in {high:.0%} of {ordered[-1].images:,} of {ordered[-1].level!r}"
            )
            yield Finding(check="label-rate", severity="warning", count=len(rates), message=message)


def age_band(text: str) -> str:
    """Return a range of years for an age such as ``4``, ``045Y`` or ``006M``, and any other text as it is."""
    match = _AGE.fullmatch(text.strip())
    if not match:
        return text
    years = int(match["number"]) / _PER_YEAR[match["unit"].upper()]
    begin = max(band for band in BANDS if band <= years)
    later = [band for band in BANDS if band > years]
    return f"{begin}-{later[0] - 1}" if later else f"{begin}+"


def _rates_of(dataset: LoadedDataset, attribute: str) -> list[LabelRate]:
    levels = [_level(record, attribute) for record in dataset.records]
    names = sorted(set(levels))
    if names == [UNKNOWN]:
        return []
    counts = np.bincount(numbered(levels) * 2 + dataset.labels, minlength=2 * len(names)).reshape(-1, 2)
    return [
        LabelRate(attribute=attribute, level=name, images=int(count.sum()), pneumonia=int(count[1]))
        for name, count in zip(names, counts, strict=True)
    ]


def _level(record: Record, attribute: str) -> str:
    text: str | None = getattr(record, attribute)
    if not text:
        return UNKNOWN
    return age_band(text) if attribute == "age" else text


def _tested(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Return the p-value of Pearson's chi-square test of a table ``[levels, 2]``, and Cramér's V."""
    from scipy.special import chdtrc

    total = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / total
    if not expected.all():
        return 1.0, 0.0
    statistic = float((np.square(counts - expected) / expected).sum())
    return float(chdtrc(len(counts) - 1, statistic)), float(np.sqrt(statistic / total))
