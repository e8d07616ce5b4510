"""Describe one entry: its results and how they were made, or its failure and what to do."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cxrbench.config.local_files import MARK
from cxrbench.leaderboard.group_table import worst_group_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cxrbench.leaderboard.store.entry import ComponentFacts, Entry, FoldResult, HeadResult
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.plugin.contracts import Failure, Trial
    from cxrbench.plugin.specs import Value

SHOWN_DIGITS = 16
"""Digits of a SHA-256 that people are shown."""
Fact = tuple[str, str]
DASHBOARD = "pip install optuna-dashboard"
"""What the command needs that shows a study."""

MEANINGS: Mapping[Failure, Fact] = {
    "oom": (
        "it ran out of memory, even with a quarter of its batch size",
        "raise --max-memory, or use fewer --workers, a smaller backbone or a smaller --image-size",
    ),
    "nan": (
        "it computed numbers that are not finite",
        "check the plugin for divisions by zero and overflows: cxrbench plugins check NAME",
    ),
    "timeout": (
        "it took longer than the time limit and was stopped",
        "raise --timeout, or look in the log for what it was waiting for",
    ),
    "plugin_error": (
        "a plugin, or a package that it uses, raised an error or broke its contract",
        "find the cause with: cxrbench plugins check NAME. After it is fixed, run the same command again",
    ),
    "data_error": (
        "the images, labels or stored results do not allow a fair comparison",
        "follow the reason; cxrbench data audit PATH checks the images alone",
    ),
    "killed": (
        "the worker process died: native code crashed, or the process was killed, as a system does that runs out of memory",
        "check the system log; with --max-memory, a worker that uses too much memory fails by itself",
    ),
    "unavailable": (
        "it needs a file that is not on this machine and could not be downloaded",
        "follow the reason, and run the same command again without --offline",
    ),
}
"""What each kind of failure means, and what to do."""


def describe(entry: Entry, path: Path, trials: Sequence[Trial]) -> dict[str, list[Fact]]:
    """Return everything that is known about an entry: titles of sections, and their names with values. A name may be empty.

    Args:
        entry: to describe.
        path: of its file.
        trials: of its studies, as far as they are recorded.
    """
    sections = {
        entry.name: _summary_facts(entry),
        "failure": _failure_facts(entry) if entry.failure else (),
        "last lines of the log": (("", line) for line in entry.log),
        _metrics_title(entry): _metric_facts(entry),
        "worst group of the test images": worst_group_facts(entry),
        "selected on validation": _selection_facts(entry),
        "trials": _trial_facts(entry, trials),
        "members": ((name, f"{weight:.3g}") for name, weight in entry.members.items()),
        "warnings": (("", warning) for warning in entry.warnings),
        "images": _image_facts(entry),
        "components": ((kind, _component_text(facts)) for kind, facts in entry.components.items()),
        "versions": entry.versions.items(),
        "files": _file_facts(entry, path),
    }
    return {title: listed for title, facts in sections.items() if (listed := list(facts))}


def study_facts(entry: Entry, folder: ProtocolFolder, *, in_database: bool) -> Iterator[Fact]:
    """Yield where each study is recorded, and the command that shows the first one in a browser.

    Args:
        entry: whose studies.
        folder: of its protocol.
        in_database: whether a database is set, which has the studies that have no journal.
    """
    journals = {of: folder.study(study) for of, study in entry.studies.items()}
    found = {of: str(journal) for of, journal in journals.items() if journal.is_file()}
    yield from found.items()
    if found:
        yield "show in a browser", f"optuna-dashboard {shlex.quote(next(iter(found.values())))}    # {DASHBOARD}"
    elif in_database and entry.studies:
        yield from ((of, f"in the database, {folder.study_name(entry.name, study)}") for of, study in entry.studies.items())
        yield "show in a browser", f"optuna-dashboard DATABASE-URL    # {DASHBOARD}"


def _summary_facts(entry: Entry) -> Iterator[Fact]:
    yield "protocol", entry.protocol.name
    yield "kind", f"{entry.kind}{', a control' if entry.control else ''}"
    if entry.budget:
        yield "stage", f"{entry.stage}, {', '.join(f'{count} {name}' for name, count in entry.budget.items())} at most"
    if entry.learns_from != "all":
        upper_half = entry.learns_from == "auto"
        yield "as pretrained", "half of the multiplications" if upper_half else f"the layers up to {entry.learns_from}"
    yield "status", entry.status
    if entry.reason:
        yield "reason", entry.reason
    for stage, seconds in entry.seconds.items():
        yield f"seconds, {stage}", f"{seconds:g}"
    for stage, kinds in entry.devices.items():
        yield f"computed on, {stage}", " and ".join(kinds)
    for part, count in entry.parameters.items():
        yield f"parameters, {part}", f"{count:,}"


def _failure_facts(entry: Entry) -> Iterator[Fact]:
    if entry.failure:
        meaning, remedy = MEANINGS[entry.failure]
        yield "kind", f"{entry.failure}: {meaning}"
        yield "what to do", remedy
    if entry.failed_params:
        yield "parameters of the trial", _params_text(entry.failed_params)


def _metrics_title(entry: Entry) -> str:
    groups = len(entry.protocol.left_out)
    return "test images, with 95 % intervals" if groups < 2 else f"test images, mean over {groups} groups"


def _metric_facts(entry: Entry) -> Iterator[Fact]:
    for name, value in entry.metrics.items():
        low, high = entry.intervals.get(name, (None, None))
        interval = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
        spread = f", {entry.seed_spread[name]:.4f} between seeds" if name in entry.seed_spread else ""
        yield name, f"{value:.4f}{interval}{spread}"


def _selection_facts(entry: Entry) -> Iterator[Fact]:
    if entry.development:
        yield "validation images", f"as they are, and under {', '.join(entry.development)}"
    for fold in entry.folds:
        if fold.group:
            yield f"fold {fold.fold}", f"leaves out {entry.protocol.left_out_by} {fold.group}"
        if fold.selected_trial is not None:
            yield f"fold {fold.fold}", f"trial {fold.selected_trial}: {_params_text(fold.params)}{_validation(entry, fold)}"
        for head in fold.heads:
            yield f"fold {fold.fold}, seed {head.seed}", _head_text(head)


def _validation(entry: Entry, fold: FoldResult) -> str:
    value = fold.validation.get(entry.selected_by)
    return "" if value is None else f"; {entry.selected_by} {value:.4f} on validation"


def _head_text(head: HeadResult) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in head.confusion.model_dump().items())
    calibrated = "" if head.temperature is None else f" at temperature {head.temperature:.4g}"
    return f"threshold {head.threshold:.4g}{calibrated}; {counts}"


def _trial_facts(entry: Entry, trials: Sequence[Trial]) -> Iterator[Fact]:
    for state, count in entry.trials.items():
        yield state, str(count)
    failed = [trial for trial in trials if trial.state == "failed"]
    for kind in sorted({trial.failure or "unknown" for trial in failed}):
        alike = [trial for trial in failed if (trial.failure or "unknown") == kind]
        numbers = ", ".join(str(trial.number) for trial in alike)
        last = alike[-1]
        yield f"failed, {kind}", f"trial {numbers}; the last with {_params_text(last.params)}: {last.reason}"
    smaller = [f"{trial.number} ({trial.batch_size})" for trial in trials if trial.batch_size]
    if smaller:
        yield "trained in smaller batches, to fit in memory", ", ".join(smaller)


def _image_facts(entry: Entry) -> Iterator[Fact]:
    if entry.dataset:
        facts, names = entry.dataset, entry.dataset.class_names
        yield "data", f"{facts.name} ({entry.data}), fingerprint {facts.fingerprint[:12]}"
        yield (
            "counts",
            f"{facts.negative} {names.negative} and {facts.positive} {names.positive} from {facts.patients} patients",
        )
        yield "skipped", str(facts.skipped)
    if entry.audit.verdict:
        yield "audit", entry.audit.verdict


def _file_facts(entry: Entry, path: Path) -> Iterator[Fact]:
    yield "entry", str(path)
    if entry.predictions:
        yield "predictions", str(path.parent.parent / entry.predictions)
    if entry.status == "complete" and entry.kind == "recipe":
        files = f"{entry.recipe}+{entry.protocol.engine}".count(MARK)
        yield "reproduce", f"cxrbench reproduce {shlex.quote(str(path))} --data NAME|PATH{' --file PATH' * files}"


def _component_text(facts: ComponentFacts) -> str:
    """Return where a component comes from, and the SHA-256 of what it is made of."""
    digests = {"source": facts.source, **facts.files, "weights": facts.weights}
    hashed = [f"{name} {digest[:SHOWN_DIGITS]}" for name, digest in digests.items() if digest]
    origin = [f"({facts.weights_origin})"] if facts.weights_origin else []
    return ", ".join((f"{facts.package} {facts.version}".strip(), *hashed, *origin))


def _params_text(params: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items())
