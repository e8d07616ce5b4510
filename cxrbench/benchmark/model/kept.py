"""Load the model of a row from the heads that a run kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.model.choice import HeadChoice, choose_heads
from cxrbench.benchmark.model.model import Model
from cxrbench.benchmark.model.record import model_record
from cxrbench.benchmark.requirements import require_no_code, require_plugins, with_files
from cxrbench.config.component import parse_component
from cxrbench.config.part import bind, check_options
from cxrbench.config.seeds import backbone_seed
from cxrbench.errors import ConfigError
from cxrbench.evaluation.predictions import read_predictions
from cxrbench.execution.keras_process import keras_of_results
from cxrbench.leaderboard.describe import SHOWN_DIGITS
from cxrbench.leaderboard.store.attempts import attempt_of
from cxrbench.leaderboard.store.entry_files import read_entry
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.leaderboard.store.image_record import PARTS, FileRanges, PartRecord, read_images
from cxrbench.models.classifier import make_classifier
from cxrbench.models.features.feature_source import discover_space
from cxrbench.models.features.frozen_backbone import CHANNELS, FrozenBackbone
from cxrbench.models.training.head_file import read_head
from cxrbench.models.training.head_weights import mean_head
from cxrbench.models.weights import get_weights
from cxrbench.plugin.specs import Backbone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cxrbench.benchmark.model.choice import Chosen
    from cxrbench.data.download import Downloader
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.image_record import ImageRecord, Part
    from cxrbench.plugin.host import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What this machine has.

    Attributes:
        host: the plugins.
        downloader: fetches weights.
        files: that options of the components name.
        trust_code: whether code that an entry names may run.
    """

    host: Host
    downloader: Downloader
    files: tuple[Path, ...] = ()
    trust_code: bool = False


def load_kept(path: Path, choice: HeadChoice, surroundings: Surroundings) -> Model:
    """Load the model of an entry, ``PROTOCOL/entries/RECIPE.json``.

    Raises:
        ConfigError: the entry has no such heads, its models were not kept, or a plugin or a file is missing.
        CxrbenchError: a file is invalid.
    """
    entry, folder = read_entry(path), path.resolve().parent.parent
    _require_recipe(entry)
    store = ProtocolFolder(out=folder.parent, protocol=entry.protocol, attempt=attempt_of(folder.name, entry.protocol) or 1)
    chosen = choose_heads(entry, read_predictions(folder / entry.predictions, within=folder), choice)
    images = _parts(read_images(_kept(store.images, entry), within=folder), choice)
    heads = [
        read_head(_kept(store.model(path.stem, entry.stage, fold.fold, head.seed), entry), head.model, within=folder)
        for fold, head in chosen.heads
    ]
    backbone = _backbone(entry, chosen, surroundings)
    size, resize = entry.protocol.image_size, entry.protocol.resize
    with keras_of_results():
        classifier = make_classifier(
            entry.backbone, backbone.build(), mean_head(heads), chosen.threshold, size=size, resize=resize
        )
    return Model(
        classifier=classifier,
        record=model_record(entry, chosen, images, "plugin"),
        learnt=learnt_from(images),
        warnings=_other_code(entry, backbone),
    )


def learnt_from(images: Mapping[Part, PartRecord]) -> dict[str, Part]:
    """Return the part of each image by the digest of its file and by that of its pixels."""
    return {
        digest: part
        for part in reversed(PARTS)  # an image with the pixels of a training image is known as such
        if part in images
        for digest in (*images[part].digests, *images[part].pixels)
    }


def _require_recipe(entry: Entry) -> None:
    if entry.kind == "ensemble":
        raise ConfigError(f"{entry.recipe} is the mean of several recipes, each with a model of its own: name one of them")
    if entry.kind != "recipe":
        raise ConfigError(f"{entry.recipe} gives every image the same score: there is no model")
    if entry.status != "complete":
        raise ConfigError(f"{entry.recipe} is {entry.status}: there is no model. cxrbench show tells why")


def _kept(path: Path, entry: Entry) -> Path:
    if not path.is_file():
        raise ConfigError(
            f"{entry.recipe}: its model was not kept: {path} is missing. Run the recipe again with --fresh, without --no-models"
        )
    return path


def _parts(record: ImageRecord, choice: HeadChoice) -> dict[Part, PartRecord]:
    """Return the images of a fold by part; for all folds, all of them as training images."""
    if choice.fold is not None:
        return record.folds[choice.fold]
    return {"train": _joined(record.folds[0].values())}


def _joined(parts: Iterable[PartRecord]) -> PartRecord:
    found = list(parts)
    levels: dict[str, dict[str, tuple[int, int]]] = {}
    for attribute, rates in (item for part in found for item in part.levels.items()):
        of_attribute = levels.setdefault(attribute, {})
        for level, (negative, positive) in rates.items():
            before = of_attribute.get(level, (0, 0))
            of_attribute[level] = (before[0] + negative, before[1] + positive)
    return PartRecord(
        negative=sum(part.negative for part in found),
        positive=sum(part.positive for part in found),
        patients=sum(part.patients for part in found),
        levels=levels,
        files=_ranges_over(found),
        digests=tuple(digest for part in found for digest in part.digests),
        pixels=tuple(pixels for part in found for pixels in part.pixels),
    )


def _ranges_over(parts: Sequence[PartRecord]) -> FileRanges | None:
    ranges = [part.files for part in parts if part.files is not None]
    return FileRanges.over(ranges) if len(ranges) == len(parts) else None


def _backbone(entry: Entry, chosen: Chosen, surroundings: Surroundings) -> FrozenBackbone:
    """Return the backbone of the entry on this machine, with the parameters that the search selected.

    Raises:
        ConfigError: the weights have other bytes here, or each fold has selected a backbone of its own.
    """
    require_plugins(entry, surroundings.host)
    if not surroundings.trust_code:
        require_no_code(entry, surroundings.host)
    component = parse_component(with_files(entry, surroundings.files)["backbone"])
    part = bind(component, surroundings.host.find(Backbone, component.name))
    check_options(part)
    protocol = entry.protocol
    weights = get_weights(part, (protocol.image_size, protocol.image_size, CHANNELS), surroundings.downloader)
    facts = entry.components.get("backbone")
    if facts and facts.weights != weights.digest:
        raise ConfigError(
            f"{entry.recipe}: the pretrained weights of {entry.backbone} are other ones here: SHA-256 "
            f"{weights.digest[:SHOWN_DIGITS] or 'of no file'}, not {facts.weights[:SHOWN_DIGITS] or 'of no file'}"
        )
    backbone = FrozenBackbone(
        part=part,
        weights=weights,
        seed=backbone_seed(protocol.seed, weights.digest),
        size=protocol.image_size,
        precision=protocol.precision,
    )
    return _as_selected(entry, chosen, backbone)


def _as_selected(entry: Entry, chosen: Chosen, backbone: FrozenBackbone) -> FrozenBackbone:
    space = discover_space(backbone)
    settings = [{name: fold.params[name] for name in space if name in fold.params} for fold, _ in chosen.heads]
    if any(setting != settings[0] for setting in settings):
        raise ConfigError(f"{entry.recipe}: each fold has a backbone of its own, so all folds make no one model: use --fold")
    return replace(backbone, part=backbone.part.at(settings[0])) if settings[0] else backbone


def _other_code(entry: Entry, backbone: FrozenBackbone) -> tuple[str, ...]:
    """Return a warning if the plugin's code is not what the entry was made with."""
    facts, origin = entry.components.get("backbone"), backbone.part.origin
    if facts is None or facts.source == origin.source:
        return ()
    versions = f"{facts.version or 'unknown'}, here {origin.version or 'unknown'}"
    return (f"the code of {origin.package} is not that of the run (version {versions}), so scores may differ",)
