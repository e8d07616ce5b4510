"""Load a model from the folder that an export wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.benchmark.model.backbone import frozen_backbone, other_code
from cxrbench.benchmark.model.learnt import learnt_from
from cxrbench.benchmark.model.model import Model
from cxrbench.errors import CxrbenchError
from cxrbench.execution.keras_process import keras_of_results
from cxrbench.leaderboard.store.image_record import read_images
from cxrbench.leaderboard.store.model_folder import ALL_WEIGHTS, HEAD, IMAGES, NETWORK, SELF_TEST, read_model_record
from cxrbench.models.classifier import make_classifier
from cxrbench.models.fine_tuning.network_file import read_network_weights
from cxrbench.models.fine_tuning.side_by_side import join_backbones
from cxrbench.models.formats.keras_file import read_network, take_apart
from cxrbench.models.self_test import TOLERANCE, difference, read_self_test
from cxrbench.models.training.head_file import read_head

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from cxrbench.benchmark.model.backbone import Surroundings
    from cxrbench.leaderboard.store.model_record import ModelRecord
    from cxrbench.models.classifier import Classifier
    from cxrbench.models.training.head_weights import HeadWeights


NO_DIGESTS = (
    "it learnt from credentialed images, of which the folder holds no digests: nothing tells whether an image is one of them"
)


def load_exported(folder: Path, surroundings: Surroundings) -> Model:
    """Load an exported model, after comparing its files with their digests; then run its self-test.

    Raises:
        ConfigError: the plugin or a file that the model needs is missing.
        CxrbenchError: a file is missing, invalid or changed, or the model scores otherwise here than at its export.
    """
    record = read_model_record(folder)
    images = read_images(folder / IMAGES, within=folder)
    stored = read_self_test(folder / SELF_TEST, within=folder)
    with keras_of_results():
        backbone, head, warnings = _parts(folder, record, surroundings)
        size = record.input_format.spatial_shape[0]
        classifier = make_classifier(
            record.backbone, backbone, head, record.threshold, size=size, resize=record.input_format.resize
        )
        _require_same(folder, record, classifier, difference(classifier, stored))
    parts = images.folds[0]
    if record.dataset.licence_class == "credentialed":
        warnings = (*warnings, NO_DIGESTS)
    return Model(classifier=classifier, record=record, images=parts, learnt=learnt_from(parts), warnings=warnings)


def _parts(folder: Path, record: ModelRecord, surroundings: Surroundings) -> tuple[Any, HeadWeights, tuple[str, ...]]:
    """Return the backbone, the head, and warnings."""
    if record.format == "keras":
        return *take_apart(read_network(folder / NETWORK, within=folder)), ()
    backbone = frozen_backbone(record, surroundings)
    warnings = other_code(record, backbone)
    if record.stage == "head":
        return backbone.build(), read_head(folder / HEAD, record.files[HEAD], within=folder), warnings
    weights = read_network_weights(folder / ALL_WEIGHTS, record.files[ALL_WEIGHTS], within=folder)
    joined = join_backbones([backbone.build_anew() for _ in record.heads.models])
    return weights.on(joined, record.backbone), weights.head, warnings


def _require_same(folder: Path, record: ModelRecord, classifier: Classifier, found: float) -> None:
    allowed = TOLERANCE[record.protocol.precision]
    if found > allowed:
        made = ", ".join(f"{name} {version}" for name, version in record.exported_with.items())
        raise CxrbenchError(
            f"{folder}: the self-test failed: {classifier.name} scores the ten generated images otherwise here than at the "
            f"export (relative difference of the logits {found:.2g}, allowed {allowed:g}). It was exported with {made}. Use "
            "these versions, or export it again here"
        )
