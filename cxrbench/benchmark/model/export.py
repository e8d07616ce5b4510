"""Export the model of a row: one folder that can be kept, given away and used, written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from cxrbench.benchmark.model.comparison import with_comparison
from cxrbench.benchmark.model.kept import load_kept
from cxrbench.benchmark.model.learnt import without_digests
from cxrbench.benchmark.model.verification import require_equal_results
from cxrbench.benchmark.model.written import write_network, write_network_as_onnx, write_weights
from cxrbench.errors import ConfigError
from cxrbench.execution.keras_process import keras_of_results
from cxrbench.leaderboard.card.card import model_card
from cxrbench.leaderboard.store.image_record import ImageRecord, write_images
from cxrbench.leaderboard.store.model_folder import CARD, IMAGES, SELF_TEST, write_model_record
from cxrbench.models.formats.keras_file import problem_of
from cxrbench.models.self_test import make_self_test, write_self_test
from cxrbench.storage.files import write_text
from cxrbench.storage.versions import all_versions
from cxrbench.storage.whole_folder import require_free, whole_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.benchmark.model.backbone import Surroundings
    from cxrbench.benchmark.model.choice import HeadChoice
    from cxrbench.benchmark.model.model import Model
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.model_record import ModelRecord

Format = Literal["keras", "onnx", "plugin"]
"""``onnx`` is ``keras`` with a second file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What the user asks for.

    Attributes:
        entry: file of the entry whose model to export.
        choice: which heads of it.
        folder: to write; missing or empty.
        format: None for ``keras`` if the backbone allows it, else ``plugin``.
    """

    entry: Path
    choice: HeadChoice
    folder: Path
    format: Format | None = None


def export_model(request: ExportRequest, surroundings: Surroundings, progress: Progress) -> ModelRecord:
    """Export the model of a row and return its record.

    The finished folder is loaded and must give the results of the model, before it gets its name.

    Args:
        request: what to export, and where to.
        surroundings: what this machine has.
        progress: is told which heads are exported, and what the user did not ask for but gets.

    Raises:
        ConfigError: there is no such model, it cannot have this format, or the folder is not free.
        CxrbenchError: a file of the row is invalid, or the written model gives other results.
    """
    require_free(request.folder, "--to")
    model = load_kept(request.entry, request.choice, surroundings)
    progress.say(f"{model.record.name}: {request.choice.text(model.record.stage)}")
    for warning in model.warnings:
        progress.warn(warning)
    with keras_of_results():
        chosen = _format(model, request.format, progress)
        model = replace(model, record=_record(model, request.entry, chosen))
        with whole_folder(request.folder, "--to") as folder:
            _write(folder, model, chosen, progress)
            written = write_model_record(folder, model.record)
            write_text(folder / CARD, model_card(written))
            require_equal_results(folder, model.classifier, surroundings)
    return written


def _format(model: Model, wanted: Format | None, progress: Progress) -> Format:
    """Return the format; raise ConfigError with the reason if the backbone does not allow the wanted one."""
    record, problem = model.record, problem_of(model.classifier.backbone)
    if wanted == "plugin" or (problem and wanted is None):
        if problem:
            progress.say(f"{record.name}: {problem}. The exported folder needs {_plugin_of(record)}")
        return "plugin"
    if problem:
        raise ConfigError(
            f"--format {wanted}: {record.name} has no such file: {problem}. Leave --format out for a folder that needs "
            f"{_plugin_of(record)}"
        )
    if wanted == "onnx" and record.protocol.precision != "float32":
        raise ConfigError(
            f"--format onnx: {record.name} computes in {record.protocol.precision}, and ONNX files are written in float32 "
            "alone. Leave --format out, or run with --precision float32"
        )
    return wanted or "keras"


def _plugin_of(record: ModelRecord) -> str:
    facts = record.components.get("backbone")
    if facts is None:
        return "cxrbench and the plugin that declares it"
    package = f"{facts.package} {facts.version}".strip()
    return package if facts.package == "cxrbench" else f"cxrbench and {package}"


def _record(model: Model, entry: Path, chosen: Format) -> ModelRecord:
    record = with_comparison(model.record, entry)
    # Examples of findings are keys of images, which stay where the images are.
    findings = tuple(finding.model_copy(update={"examples": ()}) for finding in record.audit.findings)
    return record.model_copy(
        update={
            "format": "plugin" if chosen == "plugin" else "keras",
            "audit": record.audit.model_copy(update={"findings": findings}),
            "exported_with": all_versions(),
        }
    )


def _write(folder: Path, model: Model, chosen: Format, progress: Progress) -> None:
    """Write all files except the record and the card, which tell about the others."""
    dataset = model.record.dataset
    images = without_digests(model.images) if dataset.licence_class == "credentialed" else dict(model.images)
    write_images(folder / IMAGES, ImageRecord(fingerprint=dataset.fingerprint, folds=(images,)))
    write_self_test(folder / SELF_TEST, make_self_test(model.classifier))
    if chosen == "plugin":
        write_weights(folder, model.classifier, model.record.stage)
        return
    write_network(folder, model.classifier)
    if chosen == "onnx":
        write_network_as_onnx(folder, model.classifier, model.record, progress)
