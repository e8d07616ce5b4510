"""The versions of the records in a protocol's folder, and the migration from each earlier version to the next."""

from __future__ import annotations

from typing import Any

from cxrbench.config.protocol import Protocol
from cxrbench.leaderboard.store.entry import Entry
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.storage.schema import Content, Schema, renamed

CLASS_KEYS = {"normal": "negative", "pneumonia": "positive"}
PART_KEYS = {f"{part}_{old}": f"{part}_{new}" for part in ("train", "validation", "test") for old, new in CLASS_KEYS.items()}


def entry_from_2(content: Content) -> Content:
    """Name the classes negative and positive, and the entry of the majority class the baseline."""
    kind = "baseline" if content.get("kind") == "majority" else content.get("kind", "recipe")
    return {**content, "kind": kind, "dataset": _dataset_from_2(content.get("dataset"))}


def entry_from_3(content: Content) -> Content:
    """Change nothing: what is new has a default, and the table of predictions stays where it is."""
    return content


def external_from_1(content: Content) -> Content:
    """Name the classes negative and positive."""
    return dict(renamed(content, CLASS_KEYS))


def _dataset_from_2(facts: Any) -> Any:
    if not isinstance(facts, dict) or not isinstance(facts.get("folds"), list):
        return facts
    return {**renamed(facts, CLASS_KEYS), "folds": [renamed(counts, PART_KEYS) for counts in facts["folds"]]}


ENTRY = Schema(what="entry", model=Entry, version=4, migrations={2: entry_from_2, 3: entry_from_3})
EXTERNAL_RESULT = Schema(what="external result", model=ExternalResult, version=2, migrations={1: external_from_1})
PROTOCOL = Schema(what="protocol", model=Protocol, version=2)
