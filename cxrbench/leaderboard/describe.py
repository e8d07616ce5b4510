"""One entry in words: what it came to and how, or why it failed and what to do about that."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cxrbench.leaderboard.store.entry import Entry, FoldResult, HeadResult
    from cxrbench.plugin.contracts import Failure, Trial
    from cxrbench.plugin.specs import Value

Fact = tuple[str, str]

MEANINGS: Mapping[Failure, Fact] = {
    "oom": (
        "it needed more memory than there was, with a quarter of its batch, too",
        "raise --max-memory, or run fewer --workers, a smaller backbone or a smaller --image-size",
    ),
    "nan": (
        "it made infinite numbers, or no numbers, where a result needs finite ones",
        "look whether the plugin divides by zero or overflows: cxrbench plugins check NAME",
    ),
    "timeout": (
        "it took longer than it may, and was ended",
        "raise --timeout, or find in the log what it was waiting for",
    ),
    "plugin_error": (
        "a plugin, or a package that it uses, raised an error or broke its contract",
        "cxrbench plugins check NAME says what is wrong with it; when it is repaired, run the same command again",
    ),
    "data_error": (
        "images, labels or stored results with which no fair comparison can be made",
        "do what the reason says; cxrbench data audit PATH looks at the images alone",
    ),
    "killed": (
        "the worker process died on the way: native code crashed, or somebody ended it, as a system does that is out of memory",
        "look into the system's own log; with --max-memory a worker that takes too much fails by itself",
    ),
    "unavailable": (
        "it needs something that is not on this machine and could not be fetched",
        "do what the reason says, and run the same command again, without --offline",
    ),
}
"""What each kind of failure is, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A title, and names with values; a value without a name stands for itself."""

    title: str
    facts: tuple[Fact, ...]


def explain(entry: Entry, path: Path, trials: Sequence[Trial]) -> list[Section]:
    """Return all that a person may want to know of an entry.

    Args:
        entry: as it was read.
        path: from where.
        trials: of its studies, as far as they are known.
    """
    sections = {
        entry.recipe: _summary(entry),
        "failure": _failure(entry) if entry.failure else (),
        "last lines of the log": (("", line) for line in entry.log),
        "test images, with 95 % intervals": _metrics(entry),
        "selected on validation": _selection(entry),
        "trials": _trials(entry, trials),
        "members": ((name, f"{weight:.3g}") for name, weight in entry.members.items()),
        "warnings": (("", warning) for warning in entry.warnings),
        "images": _images(entry),
        "versions": entry.versions.items(),
        "files": _files(entry, path),
    }
    made = [Section(title=title, facts=tuple(facts)) for title, facts in sections.items()]
    return [section for section in made if section.facts]


def _summary(entry: Entry) -> Iterator[Fact]:
    yield "protocol", entry.protocol.name
    yield "kind", f"{entry.kind}{', a control' if entry.control else ''}"
    yield "status", entry.status
    if entry.reason:
        yield "reason", entry.reason
    for stage, seconds in entry.seconds.items():
        yield f"seconds, {stage}", f"{seconds:g}"


def _failure(entry: Entry) -> Iterator[Fact]:
    if entry.failure:
        meaning, remedy = MEANINGS[entry.failure]
        yield "kind", f"{entry.failure}: {meaning}"
        yield "what to do", remedy
    if entry.failed_params:
        yield "parameters of the trial", _values(entry.failed_params)


def _metrics(entry: Entry) -> Iterator[Fact]:
    for name, value in entry.metrics.items():
        low, high = entry.intervals.get(name, (None, None))
        interval = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
        spread = f", {entry.seed_spread[name]:.4f} between seeds" if name in entry.seed_spread else ""
        yield name, f"{value:.4f}{interval}{spread}"


def _selection(entry: Entry) -> Iterator[Fact]:
    for fold in entry.folds:
        if fold.selected_trial is not None:
            yield f"fold {fold.fold}", f"trial {fold.selected_trial}: {_values(fold.params)}{_validation(entry, fold)}"
        for head in fold.heads:
            yield f"fold {fold.fold}, seed {head.seed}", _head(head)


def _validation(entry: Entry, fold: FoldResult) -> str:
    value = fold.validation.get(entry.selected_by)
    return "" if value is None else f"; {entry.selected_by} {value:.4f} on validation"


def _head(head: HeadResult) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in head.confusion.model_dump().items())
    return f"threshold {head.threshold:.4g}; {counts}"


def _trials(entry: Entry, trials: Sequence[Trial]) -> Iterator[Fact]:
    for state, count in entry.trials.items():
        yield state, str(count)
    failed = [trial for trial in trials if trial.state == "failed"]
    for kind in sorted({trial.failure or "unknown" for trial in failed}):
        alike = [trial for trial in failed if (trial.failure or "unknown") == kind]
        numbers = ", ".join(str(trial.number) for trial in alike)
        last = alike[-1]
        yield f"failed, {kind}", f"trial {numbers}; the last one with {_values(last.params)}: {last.reason}"
    smaller = [f"{trial.number} ({trial.batch_size})" for trial in trials if trial.batch_size]
    if smaller:
        yield "trained in smaller batches, for want of memory", ", ".join(smaller)


def _images(entry: Entry) -> Iterator[Fact]:
    if entry.dataset:
        facts = entry.dataset
        yield "data", f"{facts.name} ({entry.data}), fingerprint {facts.fingerprint[:12]}"
        yield "counts", f"{facts.normal} normal and {facts.pneumonia} pneumonia of {facts.patients} patients"
        yield "skipped", str(facts.skipped)
    if entry.audit.verdict:
        yield "audit", entry.audit.verdict


def _files(entry: Entry, path: Path) -> Iterator[Fact]:
    yield "entry", str(path)
    if entry.predictions:
        yield "predictions", str(path.parent.parent / entry.predictions)
    if entry.status == "complete" and entry.kind == "recipe":
        yield "once more", f"cxrbench reproduce {shlex.quote(str(path))} --data NAME|PATH"


def _values(params: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items())
