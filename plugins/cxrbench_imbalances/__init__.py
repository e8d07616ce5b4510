"""First-party strategies against class imbalance: weights, resampling, the SMOTE family, the focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import Imbalance, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def register_imbalances() -> Iterable[Imbalance]:
    """Declare every strategy of this package."""
    weighting, resampling = "cxrbench_imbalances.weighting", "cxrbench_imbalances.resampling"
    return (
        Imbalance(name="none", factory=f"{weighting}:unchanged", summary="train on the fold as it is"),
        Imbalance(
            name="class-weights", factory=f"{weighting}:class_weights", summary="weigh each class by its inverse frequency"
        ),
        Imbalance(name="focal", factory=f"{weighting}:focal", summary="focal loss (gamma=2): easy rows count less"),
        Imbalance(
            name="random-oversample", factory=f"{resampling}:random_oversample", summary="repeat rows of the rarer class"
        ),
        Imbalance(
            name="random-undersample",
            factory=f"{resampling}:random_undersample",
            summary="leave out rows of the commoner class",
        ),
        *(
            Imbalance(
                name=name,
                factory=f"{resampling}:{factory}",
                summary=f"{title}: new feature vectors between neighbours of the rarer class",
                needs_features=True,
            )
            for name, factory, title in (
                ("smote", "smote", "SMOTE"),
                ("borderline-smote", "borderline_smote", "borderline SMOTE"),
                ("adasyn", "adasyn", "ADASYN"),
            )
        ),
    )
