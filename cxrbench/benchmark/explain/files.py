"""Write maps: for each image its overlay and its raw values, and ``maps.json`` about all of them."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import ConfigError
from cxrbench.models.saliency.overlay import PERCENTILE, Legend, common_limit, overlay
from cxrbench.models.saliency.trust import sentences
from cxrbench.storage.files import atomic_write, check_writable, write_json
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.benchmark.explain.explain import ExplainedImage, Explanation
    from cxrbench.benchmark.explain.unlearnt import GreyImage
    from cxrbench.benchmark.model.model import Model
    from cxrbench.leaderboard.store.model_record import ModelRecord

SCHEMA_VERSION = 1
LEARNT = "the model learnt from this image"
UNSAFE = re.compile(r"[^\w.-]+")
LONGEST_STEM = 80


def require_new(folder: Path) -> None:
    """Raise ConfigError unless the folder is empty or missing, and can be written to."""
    check_writable(folder, "--to")
    if any(folder.iterdir()):
        raise ConfigError(f"--to {folder}: is not empty. Name a new folder")


def write_maps(folder: Path, explanation: Explanation, model: Model, unreadable: Mapping[Path, str]) -> dict[str, Any]:
    """Write the files of an explanation and return the content of ``maps.json``, which is written last."""
    record = model.record
    limit = common_limit([image.values for image in explanation.images])
    names = [_name(image.image) for image in explanation.images]
    for name, image in zip(names, explanation.images, strict=True):
        _write_map(folder / name, image, record, limit)
    content = {
        "schema_version": SCHEMA_VERSION,
        "model": {"recipe": record.recipe, "stage": record.stage, "study": record.study, "seeds": list(record.heads.seeds)},
        "warnings": list(model.warnings),
        **about_all(explanation, limit),
        "images": [_facts(*pair, record) for pair in zip(names, explanation.images, strict=True)],
        "unreadable": [{"path": as_line(str(path)), "reason": reason} for path, reason in unreadable.items()],
    }
    write_json(folder / "maps.json", content)
    return content


def about_all(explanation: Explanation, limit: float) -> dict[str, Any]:
    """Return what is known about all maps together: how they were made, their scale, and how far to trust them."""
    return {
        "method": {"name": explanation.method, "meaning": explanation.meaning, "no_exact_map": explanation.reason or None},
        "scale": {"full_colour": limit, "unit": "logit", "rule": f"percentile {PERCENTILE} of the absolute values of all maps"},
        "trust": {**asdict(explanation.trust), "sentences": sentences(explanation.trust)},
    }


def _write_map(path: Path, image: ExplainedImage, record: ModelRecord, limit: float) -> None:
    with atomic_write(path.with_name(path.name + ".npy")) as file:
        np.save(file, image.values, allow_pickle=False)
    classes = record.class_names
    caption = f"score {image.score:.3f}: {_call(image, record)}"
    legend = Legend(negative=classes.negative, positive=classes.positive, limit=limit, caption=caption)
    with atomic_write(path.with_name(path.name + ".png")) as file:
        overlay(image.image.pixels, image.values, legend).save(file, "PNG")


def _facts(name: str, image: ExplainedImage, record: ModelRecord) -> dict[str, Any]:
    return {
        "path": as_line(image.image.name),
        "map": f"{name}.npy",
        "overlay": f"{name}.png",
        "fold": image.fold,
        "part": image.part,
        "score": image.score,
        "logit": image.logit,
        "threshold": image.threshold,
        "call": _call(image, record),
        "sum": float(image.values.sum()),
        "constant": image.constant,
        "near_zero": image.near_zero,
        "outer_frame": image.outer_frame,
        "warnings": [*([LEARNT] if image.is_learnt else []), *image.image.warnings],
    }


def _call(image: ExplainedImage, record: ModelRecord) -> str:
    return record.class_names.positive if image.is_positive else record.class_names.negative


def _name(image: GreyImage) -> str:
    """Return the name of the files of an image, without an ending."""
    return f"{image.number:04d}-{UNSAFE.sub('_', Path(image.name).stem)[:LONGEST_STEM]}"
