"""Write the files of an exported folder that score images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError
from cxrbench.leaderboard.store.model_folder import ALL_WEIGHTS, HEAD, NETWORK, ONNX
from cxrbench.models.fine_tuning.network_file import NetworkWeights, write_network_weights
from cxrbench.models.formats.keras_file import make_network, network_scores
from cxrbench.models.formats.map_output import with_map
from cxrbench.models.formats.onnx_file import write_onnx
from cxrbench.models.self_test import draw
from cxrbench.models.training.head_file import write_head
from cxrbench.storage.files import digest_file

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.config.values import Stage
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.model_record import ModelRecord
    from cxrbench.models.classifier import Classifier

SAME_SCORE = 1e-4
"""Scores of one network in two formats differ by less."""


def write_weights(folder: Path, classifier: Classifier, stage: Stage) -> None:
    """Write what was trained: the head as ``head.safetensors``, or the whole network as ``weights.safetensors``."""
    if stage == "head":
        write_head(folder / HEAD, classifier.head)
    else:
        weights = NetworkWeights(backbone=classifier.backbone.get_weights(), head=classifier.head)
        write_network_weights(folder / ALL_WEIGHTS, weights)


def write_network(folder: Path, classifier: Classifier) -> None:
    """Write a classifier as ``model.keras``."""
    make_network(classifier).save(folder / NETWORK)


def write_network_as_onnx(folder: Path, classifier: Classifier, record: ModelRecord, progress: Progress) -> None:
    """Write a classifier as ``model.onnx`` with its saliency map, if there is an exact one, as a second output."""
    network = make_network(classifier)
    try:
        network = _with_exact_map(network, classifier)
    except ConfigError as error:
        progress.say(f"model.onnx has no saliency map: {error}")
    write_onnx(network, folder / ONNX, _metadata(record, digest_file(folder / NETWORK)))


def _with_exact_map(network: Any, classifier: Classifier) -> Any:
    """Return the network with its map; raise ConfigError if the features are not the mean of the last feature maps."""
    both, images = with_map(network), draw(classifier.size)
    expected = classifier.scores(images)
    if abs(network_scores(both, images) - expected).max() > SAME_SCORE:
        raise ConfigError("the features of the backbone are not the mean of its last feature maps")
    return both


def _metadata(record: ModelRecord, sha256: str) -> dict[str, str]:
    """Return what a program needs to use the file, by names as in ``model.json``."""
    names = record.class_names
    return {
        "recipe": record.recipe,
        "stage": record.stage,
        "study": record.study,
        "threshold": repr(record.threshold),
        "threshold_rule": record.threshold_rule,
        "negative": names.negative,
        "positive": names.positive,
        "image_size": str(record.protocol.image_size),
        "resize": record.protocol.resize,
        "value_range": "0..255",
        "model_keras_sha256": sha256,
        "intended_use": "for research only; not a medical device",
    }
