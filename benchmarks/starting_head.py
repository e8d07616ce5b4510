"""A grouped split of some images, and a head that was trained on clean features: where trainings of networks start from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.data.batches import padded_batches
from cxrbench.data.dataset import LoadedDataset, catalogue_images, load_dataset
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.source import find_dataset, read_images
from cxrbench.data.split import Split, split_dataset
from cxrbench.models.features.frozen_backbone import FrozenBackbone
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.rows import TrainingRows
from cxrbench.models.weights import Weights
from cxrbench.plugin import Backbone
from cxrbench.plugin.contracts import CrossEntropy
from cxrbench.plugin.host import load_host
from cxrbench.storage.sharded_array import ShardedArray

if TYPE_CHECKING:
    import argparse

    from cxrbench.models.training.head_weights import HeadWeights

SIZE = 224


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every training is measured on."""

    backbone: FrozenBackbone
    dataset: LoadedDataset
    split: Split
    head: HeadWeights
    arguments: argparse.Namespace
    folder: Path


def prepare(arguments: argparse.Namespace, folder: Path) -> Task:
    """Read the images, split them and train the head; `arguments` has data, images, backbone and seed."""
    dataset = read_dataset(arguments.data)
    split = _fewer(split_dataset(dataset, "grouped", arguments.seed)[0], dataset, arguments)
    part = part_of(arguments.backbone, Backbone)
    backbone = FrozenBackbone(part=part, weights=Weights(name="imagenet"), seed=0, size=SIZE, precision="float32")
    return Task(
        backbone=backbone,
        dataset=dataset,
        split=split,
        head=_head(backbone, dataset, split, folder),
        arguments=arguments,
        folder=folder,
    )


def read_dataset(data: str) -> LoadedDataset:
    """Return the decoded images of a dataset."""
    images = read_images(find_dataset(data, load_host()), lambda download: Path(download.file_name))
    catalogue = catalogue_images(images, Decoding(size=SIZE, resize="stretch", threads=1))
    deque(catalogue.decode(), maxlen=0)
    return load_dataset(catalogue)


def _fewer(split: Split, dataset: LoadedDataset, arguments: argparse.Namespace) -> Split:
    """Return the split with the training images of random patients, about as many as were asked for."""
    groups = dataset.groups[split.train]
    order = np.random.default_rng(arguments.seed).permutation(np.unique(groups))
    chosen = order[np.cumsum([np.sum(groups == one) for one in order]) <= arguments.images]
    return replace(split, train=split.train[np.isin(groups, chosen)])


def _head(backbone: FrozenBackbone, dataset: LoadedDataset, split: Split, folder: Path) -> HeadWeights:
    """Return a head that is trained on clean features."""
    from cxrbench.models.training.trainer import fit_head

    pixels = dataset.pixels.array
    features = ShardedArray(folder=folder / "features", rows=pixels.rows, dtype="float32")
    for shard in features.missing():
        images = pixels.read(*features.bounds(shard))
        features.write(shard, [np.concatenate([backbone.features(batch) for batch in padded_batches(images)])[: len(images)]])
    labels = dataset.labels
    rows = TrainingRows(
        views=(features,),
        rows=split.train,
        synthetic=np.empty((0, features.row_shape()[0]), dtype=np.float32),
        labels=labels[split.train].astype(np.float32),
        weights=np.ones(len(split.train), dtype=np.float32),
        loss=CrossEntropy(),
    )
    configuration = TrainingConfiguration(epochs=30, batch_size=64, patience=5)
    validation = (split.validation, labels[split.validation])
    fit = fit_head(rows, validation, configuration, learning_rate=1e-3, dropout=0.3, seed=0)
    return tuple(fit.head.weights())


def part_of(text: str, kind: Any) -> Any:
    """Return a component as it is written on the command line, bound to its plugin."""
    component = parse_component(text)
    return bind(component, load_host().find(kind, component.name))
