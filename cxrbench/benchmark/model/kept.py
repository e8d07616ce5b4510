"""Load the model of a row from the heads that a run kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrbench.benchmark.model.backbone import frozen_backbone, other_code
from cxrbench.benchmark.model.choice import choose_heads
from cxrbench.benchmark.model.learnt import images_of, learnt_from
from cxrbench.benchmark.model.model import Model
from cxrbench.benchmark.model.record import model_record
from cxrbench.config.recipe import stem_of
from cxrbench.errors import ConfigError
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.execution.keras_process import keras_of_results
from cxrbench.leaderboard.store.attempts import attempt_of
from cxrbench.leaderboard.store.entry_files import read_entry
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.leaderboard.store.image_record import read_images
from cxrbench.models.classifier import make_classifier
from cxrbench.models.fine_tuning.network_file import read_network_weights
from cxrbench.models.fine_tuning.side_by_side import join_networks
from cxrbench.models.training.head_file import read_head
from cxrbench.models.training.head_weights import head_at_temperature, mean_head

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.benchmark.model.backbone import Surroundings
    from cxrbench.benchmark.model.choice import Chosen, HeadChoice
    from cxrbench.leaderboard.store.entry import Entry, FoldResult, HeadResult
    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.training.head_weights import HeadWeights


def load_kept(path: Path, choice: HeadChoice, surroundings: Surroundings) -> Model:
    """Load the model of an entry, ``PROTOCOL/entries/RECIPE.json``.

    Raises:
        ConfigError: the entry has no such heads, its models were not kept, or a plugin or a file is missing.
        CxrbenchError: a file is invalid.
    """
    entry, folder = read_entry(path), path.resolve().parent.parent
    require_recipe(entry)
    store = folder_of(entry, folder)
    stored = (folder / entry.predictions, *(store.development(path.stem, shift) for shift in entry.development))
    chosen = choose_heads(entry, [read_predictions(table, within=folder) for table in stored], choice)
    images = images_of(read_images(kept_file(store.images, entry), within=folder), choice)
    record = model_record(entry, chosen, images, "plugin")
    backbone = frozen_backbone(record, surroundings)
    size, resize = entry.protocol.image_size, entry.protocol.resize
    with keras_of_results():
        built, head = _trained(entry, chosen, store, backbone)
        classifier = make_classifier(entry.backbone, built, head, chosen.threshold, size=size, resize=resize)
    return Model(
        classifier=classifier,
        record=record,
        images=images,
        learnt=learnt_from(images),
        warnings=other_code(record, backbone),
    )


def _trained(entry: Entry, chosen: Chosen, store: ProtocolFolder, backbone: FrozenBackbone) -> tuple[Any, HeadWeights]:
    """Return the built backbone and the calibrated head; the logit of several heads or networks is the mean of theirs."""

    def kept(fold: FoldResult, head: HeadResult) -> Path:
        return kept_file(store.model(stem_of(entry.recipe), entry.stage, fold.fold, head.seed), entry)

    if entry.stage == "head":
        heads = [read_head(kept(fold, head), head.model, within=store.path) for fold, head in chosen.heads]
        return backbone.build(), mean_head(list(map(head_at_temperature, heads, chosen.temperatures)))
    networks = []
    for (fold, head), temperature in zip(chosen.heads, chosen.temperatures, strict=True):
        weights = read_network_weights(kept(fold, head), head.model, within=store.path)
        network = weights.on(backbone.build_anew(), entry.backbone)
        networks.append((network, head_at_temperature(weights.head, temperature)))
    return join_networks(networks)


def folder_of(entry: Entry, folder: Path) -> ProtocolFolder:
    """Return the folder of an entry's protocol, given its resolved path."""
    return ProtocolFolder(out=folder.parent, protocol=entry.protocol, attempt=attempt_of(folder.name, entry.protocol) or 1)


def require_recipe(entry: Entry) -> None:
    """Raise ConfigError unless an entry is that of a recipe and complete: only such an entry has a model."""
    if entry.kind == "ensemble":
        raise ConfigError(f"{entry.name} is the mean of several recipes, each with a model of its own: name one of them")
    if entry.kind != "recipe":
        raise ConfigError(f"{entry.name} gives every image the same score: there is no model")
    if entry.status != "complete":
        raise ConfigError(f"{entry.name} is {entry.status}: there is no model. cxrbench show tells why")


def kept_file(path: Path, entry: Entry) -> Path:
    """Return the path of a file that a run keeps with its models; raise ConfigError if it is missing."""
    if not path.is_file():
        raise ConfigError(
            f"{entry.name}: its model was not kept: {path} is missing. Run the recipe again with --fresh, without --no-models"
        )
    return path
