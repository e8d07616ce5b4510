"""Find attributes that predict the label: a model may learn the hospital instead of the disease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.findings import Finding
from cxrbench.data.columns import age_band

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.plugin.contracts import Record

ATTRIBUTES = ("source", "site", "view", "sex", "age", "split")
UNKNOWN = "unknown"
MINIMUM_LEVEL = 20
"""Levels with fewer images are ignored."""
P_VALUE = 1e-3
ASSOCIATION = 0.2
"""Cramér's V; 0.1 is called small and 0.3 medium (Cohen, Statistical Power Analysis, 1988, chapter 7)."""
DIFFERENCE = 0.3
"""Between the label rates of two levels; V misses it if one of them is rare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRate:
    """The number of images of one level of an attribute, and how many of them are positive."""

    attribute: str
    level: str
    images: int
    positives: int


def label_rates(records: Sequence[Record]) -> tuple[LabelRate, ...]:
    """Return the label rates of all attributes that are known for some images."""
    return tuple(rate for attribute in ATTRIBUTES for rate in _rates_of(records, attribute))


def predictive_attributes(dataset: LoadedDataset) -> Iterator[Finding]:
    """Find attributes whose levels have significantly and clearly different label rates."""
    for attribute in ATTRIBUTES:
        rates = [rate for rate in _rates_of(dataset.records, attribute) if rate.images >= MINIMUM_LEVEL]
        if len(rates) < 2:
            continue
        p_value, association = _chi_square(np.array([[rate.images - rate.positives, rate.positives] for rate in rates]))
        ordered = sorted(rates, key=lambda rate: rate.positives / rate.images)
        low, high = (rate.positives / rate.images for rate in (ordered[0], ordered[-1]))
        if p_value < P_VALUE and (association >= ASSOCIATION or high - low >= DIFFERENCE):
            positive = dataset.class_names.positive
            message = (
                f"{attribute} predicts the label: {positive} in {low:.0%} of {ordered[0].images:,} images of "
                f"{ordered[0].level!r} and in {high:.0%} of {ordered[-1].images:,} images of {ordered[-1].level!r}"
            )
            yield Finding(check="label-rate", severity="warning", count=len(rates), message=message)


def _rates_of(records: Sequence[Record], attribute: str) -> list[LabelRate]:
    values: list[str | None] = [getattr(record, attribute) for record in records]
    levels = {value: _level(value, attribute) for value in set(values)}
    names = sorted(set(levels.values()))
    if names == [UNKNOWN]:
        return []
    numbers = {value: names.index(level) for value, level in levels.items()}
    cells = [numbers[value] * 2 + record.label for value, record in zip(values, records, strict=True)]
    counts = np.bincount(cells, minlength=2 * len(names)).reshape(-1, 2)
    return [
        LabelRate(attribute=attribute, level=name, images=int(count.sum()), positives=int(count[1]))
        for name, count in zip(names, counts, strict=True)
    ]


def _level(text: str | None, attribute: str) -> str:
    if not text:
        return UNKNOWN
    return age_band(text) if attribute == "age" else text


def _chi_square(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Return the p-value of Pearson's chi-square test of a table ``[levels, 2]``, and Cramér's V."""
    from scipy.special import chdtrc

    total = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / total
    if not expected.all():
        return 1.0, 0.0
    statistic = float((np.square(counts - expected) / expected).sum())
    return float(chdtrc(len(counts) - 1, statistic)), float(np.sqrt(statistic / total))
