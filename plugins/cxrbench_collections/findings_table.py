"""Tables with one column for each of the fourteen labels of the CheXpert labeller: those of CheXpert and MIMIC-CXR-JPG."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cxrbench_collections.labels import LabelRule, find_finding, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench_collections.labels import Answer, Negatives, UncertainRule

NORMAL = "No Finding"
LABELS = (
    *(NORMAL, "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation"),
    *("Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"),
)


def rule_of(finding: str, label: UncertainRule, negatives: Negatives) -> LabelRule:
    """Return the label rule for options of a dataset; raise UnknownName for a finding that is not one of the labels."""
    return LabelRule(finding=find_finding(finding, sorted(LABELS), NORMAL), negatives=negatives, normal=NORMAL, uncertain=label)


def answers_of(rule: LabelRule, where: str) -> Callable[[str, str], Answer]:
    """Return a function from the cells of the finding and of No Finding to the label, or to why there is none.

    Args:
        rule: decides.
        where: the collection, for the error about a cell that is no label.
    """

    @cache
    def answer(finding: str, normal: str) -> Answer:
        return rule.answer(value_of(finding, where), is_normal=value_of(normal, where) == 1)

    return answer
