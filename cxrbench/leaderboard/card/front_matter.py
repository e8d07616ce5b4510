"""The front matter of Hugging Face: what its site shows and searches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cxrbench.evaluation.metrics import METRICS
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.model_record import ModelRecord

HUGGING_FACE_NAMES = {"auc": "roc_auc"}
"""Names of metrics there, where they differ from ours."""
TAGS = ("chest-x-ray", "medical-imaging", "binary-classification", "research-only", "cxrbench")


def front_matter(record: ModelRecord) -> list[str]:
    """Return the block of YAML that a card begins with. Texts are written as JSON, which is YAML."""
    return [
        "---",
        "license: other",
        "license_name: see-section-licence",
        *(["library_name: keras"] if record.format == "keras" else []),
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in TAGS),
        *_metrics(record),
        "---",
        "",
    ]


def _metrics(record: ModelRecord) -> Iterator[str]:
    """Yield the metrics of this very model on the test images; nothing where it has none."""
    if not record.metrics:
        return
    yield "metrics:"
    yield from (f"- {_name(metric)}" for metric in METRICS)
    yield "model-index:"
    yield f"- name: {_text(record.name)}"
    yield "  results:"
    yield "  - task:"
    yield "      type: image-classification"
    yield "    dataset:"
    yield f"      name: {_text(f'{record.dataset.name}, split {record.protocol.split}, test images')}"
    yield f"      type: {_text(record.dataset.name)}"
    yield "    metrics:"
    for metric in METRICS:
        yield f"    - type: {_name(metric)}"
        yield f"      value: {record.metrics[metric]!r}"


def _name(metric: str) -> str:
    return HUGGING_FACE_NAMES.get(metric, metric)


def _text(text: str) -> str:
    return json.dumps(as_line(text), ensure_ascii=False)
