"""Every seed of a run. Each depends on the protocol's seed and on what it is for, and on nothing else.

A plugin gets its seed as the argument ``seed`` of its factory, through `Part.build` (component.py).
"""

from __future__ import annotations

from cxrbench.storage.files import seed_from


def split_seed(seed: int, part: str, *fold: int | str) -> int:
    """Return the seed that holds out the ``test`` or ``validation`` part, or assigns the ``folds``."""
    return seed_from(seed, part, *fold)


def backbone_seed(seed: int, weights_digest: str) -> int:
    """Return the seed of a backbone; 0 if its weights come from a file, so that its features serve every seed."""
    return 0 if weights_digest else seed_from(seed, "backbone")


def augmentation_seed(seed: int, view: int, shard: int) -> int:
    """Return the seed of an augmentation for one shard of one view."""
    return seed_from(seed, view, shard)


def shift_seed(seed: int, shard: int) -> int:
    """Return the seed of a shift for one shard."""
    return seed_from(seed, "shift", shard)


def study_seed(seed: int, recipe: str, fold: int) -> int:
    """Return the seed of a study, which the engine also gets; all other seeds of the study derive from it."""
    return seed_from(seed, recipe, *([fold] if fold else []))


def imbalance_seed(study: int) -> int:
    """Return the seed of an imbalance strategy from that of its study."""
    return seed_from(study, "imbalance")


def training_seed(study: int, trial: int, repeat: int = 0) -> int:
    """Return the seed that a trial is trained with. Repeat 0 of the frozen head is the trial itself."""
    return seed_from(study, trial, *([repeat] if repeat else []))
