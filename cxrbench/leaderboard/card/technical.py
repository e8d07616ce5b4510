"""How the model was made, its files, and its licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.card.markdown import bullets, paragraph, table
from cxrbench.leaderboard.card.stage import how_trained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.model_record import ModelRecord
    from cxrbench.plugin.contracts import LicenceClass

MEANINGS = {
    "model.keras": "the whole network: image to score",
    "model.onnx": "the same for ONNX Runtime, with threshold, classes and image size in its metadata",
    "head.safetensors": "the weights of the head; cxrbench builds the backbone with the plugin",
    "weights.safetensors": "all weights of the network, or of several; cxrbench builds it with the plugin",
    "images.json": "counts of the images that it learnt from, and their digests unless they are credentialed",
    "self_test.npz": "ten generated images with the logits and scores that the model gave at its export",
}


def training_section(record: ModelRecord) -> list[str]:
    """Return the recipe, the search and the training."""
    return table(("", ""), _training_rows(record))


def _training_rows(record: ModelRecord) -> Iterator[tuple[str, str]]:
    protocol, weights = record.protocol, record.components.get("backbone")
    yield from how_trained(record)
    yield "pretrained weights", (weights.weights_origin if weights else "") or "of no file"
    yield "augmentation", record.augmentation
    yield "against class imbalance", record.imbalance
    yield "precision", protocol.precision
    yield "seed", str(protocol.seed)
    for fold, params in zip(record.heads.folds, record.params, strict=True):
        yield f"selected, fold {fold}", ", ".join(f"{name} {value}" for name, value in params.items())


def files_section(record: ModelRecord) -> list[str]:
    """Return the files with their digests, and what the self-test can tell."""
    rows = ((name, MEANINGS.get(name, ""), sha256) for name, sha256 in record.files.items())
    text = (
        "model.json has the record that this card was made from. cxrbench compares all digests when it loads the folder, and "
        "scores the ten images of the self-test. Both detect accidents: a damaged file, or another version of a library that "
        "computes otherwise. They do not detect an attacker, who can change digests and expected scores as well. Use the "
        "folder only if you trust the people whom it is from."
    )
    return [*table(("file", "content", "SHA-256"), rows), *paragraph(text)]


def technical_section(record: ModelRecord) -> list[str]:
    """Return identities and versions."""
    return table(("", ""), _technical_rows(record))


def _technical_rows(record: ModelRecord) -> Iterator[tuple[str, str]]:
    yield "recipe", record.recipe
    yield "stage", record.stage
    yield "protocol", record.protocol.name
    yield "identity of the result", record.study
    for kind, facts in record.components.items():
        yield f"plugin of the {kind}", f"{facts.package} {facts.version}".strip()
    yield "versions of the run", _listed(record.versions)
    yield "versions of the export", _listed(record.exported_with)


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


TERMS: dict[LicenceClass, str] = {
    "undeclared": "the dataset declares none",
    "open": "open: anybody may see them",
    "agreement": "agreement: those who accepted the agreement on their use may see them; it also rules what is made of them",
    "credentialed": "credentialed: people who were admitted one by one may see them; the agreement that they signed also rules "
    "what is made of them, such as this model",
}


def licence_section(record: ModelRecord) -> list[str]:
    """Return what is known of licences."""
    weights = record.components.get("backbone")
    origin = (weights.weights_origin if weights else "") or "none"
    known = [
        f"images: {record.protocol.notice or 'the dataset states no notice: see where it is from'}",
        f"images, licence class: {TERMS[record.dataset.licence_class]}",
        f"pretrained weights: {origin}",
        "cxrbench: Apache-2.0",
    ]
    text = (
        "The licence of this model is not known to cxrbench. It depends on those of the images and of the pretrained weights:"
    )
    return [*paragraph(text), *bullets(known)]
