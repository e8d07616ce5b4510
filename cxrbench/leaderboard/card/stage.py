"""What was trained, in words: heads on a frozen backbone, or whole networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.recipe import unit_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.model_record import ModelRecord

LAYERS = "Dense 512 ReLU, dropout, Dense 1 sigmoid"
LOSS = "cross-entropy, or the loss of the imbalance strategy"
START = {
    "fine-tuned": "from its pretrained weights and the head that was selected for them",
    "from-scratch": "from random weights",
}


def chosen_text(record: ModelRecord) -> str:
    """Return which heads or networks the model consists of."""
    folds, seeds = (", ".join(map(str, numbers)) for numbers in (record.heads.folds, record.heads.seeds))
    count = len(record.heads.models)
    mean = f"the mean of the logits of {count} {unit_of(record.stage)}s" if count > 1 else f"one {unit_of(record.stage)}"
    several = (len(record.heads.folds) > 1, len(record.heads.seeds) > 1)
    return f"{mean} (fold{'s' * several[0]} {folds}; seed{'s' * several[1]} {seeds})"


def mechanism(record: ModelRecord) -> str:
    """Return how an image becomes a score."""
    if record.stage == "head":
        return f"Backbone {record.backbone}, frozen; on its features {chosen_text(record)}"
    return (
        f"Backbone {record.backbone} and a head, {_trained_part(record)} trained on images {START[record.stage]}: "
        f"{chosen_text(record)}"
    )


def _trained_part(record: ModelRecord) -> str:
    if record.learns_from == "all":
        return "all of it"
    below = "the upper half" if record.learns_from == "auto" else f"what follows the layer {record.learns_from}"
    return f"{below} of it"


def how_trained(record: ModelRecord) -> Iterator[tuple[str, str]]:
    """Yield what the weights are, and how they were found."""
    protocol = record.protocol
    if record.stage == "head":
        yield "backbone", f"{record.backbone}, all weights frozen"
        yield "head", f"{LAYERS}; Adam; {LOSS}"
    else:
        yield "backbone", f"{record.backbone}, {_trained_part(record)} trained {START[record.stage]}"
        yield "head", f"{LAYERS}, trained with it; AdamW, averaged weights; {LOSS}"
    shifted = " and their development shifts" if protocol.select == "robust" else ""
    by = protocol.engine if record.stage == "head" else "a scrambled Sobol sequence"
    trials = protocol.trials if record.stage == "head" else record.budget["trials"]
    yield "search", f"{by}, {trials:,} trials in each study, {protocol.metric} on validation images{shifted}"
    yield "epochs", _epochs(record)


def _epochs(record: ModelRecord) -> str:
    protocol = record.protocol
    if record.stage == "head":
        return f"at most {protocol.epochs:,}, patience {protocol.patience:,}, batches of {protocol.batch_size:,}"
    return f"at most {record.budget['epochs']:,}; the best epoch by validation loss counts"
