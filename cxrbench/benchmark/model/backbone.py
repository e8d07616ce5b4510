"""The backbone of a model on this machine, as its plugin builds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.requirements import require_no_code, require_plugins, with_files
from cxrbench.config.component import parse_component
from cxrbench.config.part import bind, check_options
from cxrbench.config.seeds import backbone_seed
from cxrbench.errors import ConfigError
from cxrbench.leaderboard.describe import SHOWN_DIGITS
from cxrbench.models.features.feature_source import discover_space
from cxrbench.models.features.frozen_backbone import CHANNELS, FrozenBackbone
from cxrbench.models.weights import get_weights
from cxrbench.plugin.specs import Backbone

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.data.download import Downloader
    from cxrbench.leaderboard.store.model_record import ModelRecord
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


def frozen_backbone(record: ModelRecord, surroundings: Surroundings) -> FrozenBackbone:
    """Return the backbone of a model on this machine, with the parameters that the search selected.

    Raises:
        ConfigError: the plugin or a file is missing, the weights have other bytes here, or each fold has selected a backbone
            of its own.
    """
    require_plugins(record, surroundings.host)
    if not surroundings.trust_code:
        require_no_code(record, surroundings.host)
    component = parse_component(with_files(record, surroundings.files)["backbone"])
    part = bind(component, surroundings.host.find(Backbone, component.name))
    check_options(part)
    protocol = record.protocol
    weights = get_weights(part, (protocol.image_size, protocol.image_size, CHANNELS), surroundings.downloader)
    facts = record.components.get("backbone")
    if facts and facts.weights != weights.digest:
        raise ConfigError(
            f"{record.name}: the pretrained weights of {record.backbone} are other ones here: SHA-256 "
            f"{weights.digest[:SHOWN_DIGITS] or 'of no file'}, not {facts.weights[:SHOWN_DIGITS] or 'of no file'}"
        )
    backbone = FrozenBackbone(
        part=part,
        weights=weights,
        seed=backbone_seed(protocol.seed, weights.digest),
        size=protocol.image_size,
        precision=protocol.precision,
    )
    return _as_selected(record, backbone)


def other_code(record: ModelRecord, backbone: FrozenBackbone) -> tuple[str, ...]:
    """Return a warning if the plugin's code is not what the entry was made with."""
    facts, origin = record.components.get("backbone"), backbone.part.origin
    if facts is None or facts.source == origin.source:
        return ()
    versions = f" (version {facts.version or 'unknown'}, here {origin.version or 'unknown'})"
    shown = versions if facts.version != origin.version else ""
    return (f"the code of {origin.package} is not that of the run{shown}, so scores may differ",)


def _as_selected(record: ModelRecord, backbone: FrozenBackbone) -> FrozenBackbone:
    space = discover_space(backbone)
    settings = [{name: params[name] for name in space if name in params} for params in record.params]
    if any(setting != settings[0] for setting in settings):
        raise ConfigError(f"{record.name}: each fold has a backbone of its own, so all folds make no one model: use --fold")
    return replace(backbone, part=backbone.part.at(settings[0])) if settings[0] else backbone
