"""The training losses. `cxrbench.plugin.contracts.Loss` lists them; an imbalance strategy chooses one.

The validation loss is always the unweighted cross-entropy (trainer.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from cxrbench.errors import PluginError
from cxrbench.plugin.contracts import CrossEntropy, Focal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.plugin.contracts import Loss


def loss_function(loss: Loss) -> Callable[[Any, Any], Any]:
    """Return a function of (labels, logits) that gives one loss per row."""
    match loss:
        case CrossEntropy():
            return cross_entropy
        case Focal(gamma=gamma):
            return lambda labels, logits: focal(labels, logits, gamma)
    raise PluginError(f"unknown training loss {loss!r}")


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Return the binary cross-entropy of each row, from logits, without overflow."""
    return ops.softplus(logits) - ops.reshape(labels, ops.shape(logits)) * logits


def focal(labels: Any, logits: Any, gamma: float) -> Any:
    """Return the focal loss of each row, from logits (Lin et al., ICCV 2017, equation 4)."""
    targets = ops.reshape(labels, ops.shape(logits))
    weight = ops.exp(-gamma * ops.softplus((2 * targets - 1) * logits))  # (1 - p_true) ** gamma, smooth at 0
    return weight * cross_entropy(labels, logits)
