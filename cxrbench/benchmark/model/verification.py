"""Compare a written folder with the model that it was written from."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.model.exported import load_exported
from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.model_folder import NETWORK, ONNX, SELF_TEST
from cxrbench.models.formats.keras_file import network_scores, read_network
from cxrbench.models.self_test import TOLERANCE, difference, read_self_test

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.benchmark.model.backbone import Surroundings
    from cxrbench.models.classifier import Classifier

LARGEST_DIFFERENCE = 1e-4
"""Of a score in float32. Measured for MobileNet: 9e-6, because TensorFlow folds batch normalisation when a run extracts."""


def require_equal_results(folder: Path, classifier: Classifier, surroundings: Surroundings) -> None:
    """Load a finished folder in every way that a user may, and compare the scores of the ten generated images.

    Raises:
        CxrbenchError: they differ.
    """
    stored = read_self_test(folder / SELF_TEST, within=folder)
    loaded = load_exported(folder, surroundings)
    in_float32 = loaded.record.protocol.precision == "float32"
    allowed = LARGEST_DIFFERENCE if in_float32 else TOLERANCE[loaded.record.protocol.precision]
    found = {"through cxrbench": difference(loaded.classifier, stored)}
    for file, scores in _scores_of_files(folder, stored.images).items():
        found[file] = float(np.abs(scores - classifier.scores(stored.images)).max())
    for way, largest in found.items():
        if largest > allowed:
            raise CxrbenchError(
                f"the exported model gives other results than the row ({way}: difference {largest:.2g}, allowed {allowed:g}), "
                "so the folder was not kept. Please report this with the name of the recipe"
            )


def _scores_of_files(folder: Path, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    found: dict[str, NDArray[np.float64]] = {}
    if (folder / NETWORK).exists():
        found[NETWORK] = network_scores(read_network(folder / NETWORK, within=folder), images)
    if (folder / ONNX).exists() and find_spec("onnxruntime"):
        found[ONNX] = _onnx_scores(folder / ONNX, images)
    return found


def _onnx_scores(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    (scores,) = session.run(["score"], {"image": images[..., None].astype(np.float32)})
    return np.asarray(scores[:, 0], dtype=np.float64)
