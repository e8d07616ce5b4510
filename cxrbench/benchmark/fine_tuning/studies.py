"""Open the studies of a recipe whose networks are trained: a job for each fold, the search space, and the trials so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.entries import NoResult
from cxrbench.benchmark.extraction import FeaturesUnavailable
from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.benchmark.fine_tuning.maps import extracted_maps
from cxrbench.benchmark.fine_tuning.planned import place_of
from cxrbench.benchmark.fine_tuning.rows import rows_job
from cxrbench.benchmark.opened import Opened
from cxrbench.benchmark.selection import refuse_other_selection
from cxrbench.benchmark.studies import FoldStudy, open_record, say_resumed, shifted_validation
from cxrbench.config.recipe import stem_of
from cxrbench.config.seeds import study_seed
from cxrbench.errors import CxrbenchError
from cxrbench.models.features.feature_source import CachedFeatures
from cxrbench.models.fine_tuning.jobs import KeptNetwork, NetworkJob
from cxrbench.models.fine_tuning.origins import RandomWeights, SelectedHeads
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.curves import Curves
from cxrbench.models.training.head_file import read_head
from cxrbench.plugin.specs import Float
from cxrbench.search.quasi_random import QuasiRandom
from cxrbench.search.study import Study, threshold_space
from cxrbench.storage.files import digest, home

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.leaderboard.store.entry import Entry, FoldResult
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.models.fine_tuning.origins import Origin
    from cxrbench.models.training.head_weights import HeadWeights
    from cxrbench.plugin.specs import Space, Value

BATCH_SIZE = 32
"""Images per step: with the 64 rows of a head, a network takes twice the memory and gains no speed on a CPU."""
PATIENCE = 5
"""Epochs without a better validation loss after which a training ends. The first ones are often worse than the head."""
FINE_TUNED: Space = {
    "learning_rate": Float(low=1e-5, high=1e-3, log=True),
    "layer_decay": Float(low=0.05, high=1.0, log=True),
    "dropout": Float(low=0.0, high=0.7),
    "weight_decay": Float(low=1e-4, high=1e-1, log=True),
}
FROM_SCRATCH: Space = {
    "learning_rate": Float(low=1e-4, high=1e-2, log=True),
    "dropout": Float(low=0.0, high=0.7),
    "weight_decay": Float(low=1e-4, high=1e-1, log=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What the networks of a fold start from, and the parameters of the strategy that go with it."""

    origin: Origin
    params: Mapping[str, Value]


def open_networks(run: RunContext, recipe: PlannedRecipe) -> Opened:
    """Open the study of every fold, or resume it.

    Raises:
        FeaturesUnavailable: the backbone cannot be had.
        NotFinite: its maps at the cut do not fit into float16.
        CxrbenchError: a head that a network starts from was not kept, or is not that of its entry.
        StudyDamaged: a journal cannot be read.
        TestSetLocked: another selection has scored the test images.
    """
    if isinstance(recipe.features, NoResult):
        raise FeaturesUnavailable(recipe.features)
    refuse_other_selection(run, recipe)
    starts = _from_heads(run, recipe) if recipe.stage == "fine-tuned" else _from_scratch(run)
    run.extraction.resources.claim([checkpoints(run.store, study) for study in recipe.studies])
    maps = extracted_maps(run, recipe.features, place_of(recipe.learns_from))
    studies = []
    for fold, start in enumerate(starts):
        study = _study(run, recipe, replace(_job(run, recipe, fold, start), maps=maps.arrays))
        studies.append(FoldStudy(fold=fold, study=study, record=open_record(run, recipe, study, fold)))
    say_resumed(run, recipe, studies)
    catalogues = run.plan.catalogues
    external = {name: catalogue.pixels.array for name, catalogue in catalogues.external.items()}
    source = CachedFeatures(extracted=(catalogues.main.pixels.array,), of_external=external)
    return Opened(source=source, studies=studies, seconds=maps.seconds)


def checkpoints(store: ProtocolFolder, study: str) -> Path:
    """Return the folder of the cache where the epochs and the networks of a study are kept until its result is complete.

    Each folder of results has its own: its lock keeps other processes away.
    """
    return home() / "training" / digest([str(store.path.resolve()), study])


def _from_heads(run: RunContext, recipe: PlannedRecipe) -> list[_Start]:
    entry = run.store.complete_entry(recipe.recipe.file_stem)
    if entry is None:
        raise CxrbenchError(f"{recipe}: its heads have no result to start from")
    return [
        _Start(
            origin=SelectedHeads(
                heads=tuple(_head(run, entry, fold, seed) for seed in range(run.protocol.seeds)),
                where=place_of(recipe.learns_from),
            ),
            params=dict(fold.params),
        )
        for fold in entry.folds
    ]


def _from_scratch(run: RunContext) -> list[_Start]:
    return [_Start(origin=RandomWeights(), params={})] * run.protocol.folds


def _head(run: RunContext, entry: Entry, fold: FoldResult, seed: int) -> HeadWeights:
    path = run.store.model(stem_of(entry.recipe), "head", fold.fold, seed)
    return read_head(path, fold.heads[seed].model, within=run.store.path)


def _study(run: RunContext, recipe: PlannedRecipe, job: NetworkJob) -> Study:
    protocol = run.protocol
    space = {**(FINE_TUNED if recipe.stage == "fine-tuned" else FROM_SCRATCH), **threshold_space(protocol.threshold)}
    return Study(
        job=job,
        job_of=lambda params: job,
        space=space,
        engine=QuasiRandom(space=space, seed=job.seed),
        trials=recipe.budget["trials"],
        generation=protocol.generation,
        policy=protocol.threshold,
        metric=protocol.metric,
        pruning="none",
        max_failures=run.plan.request.settings.max_failures,
    )


def _job(run: RunContext, recipe: PlannedRecipe, fold: int, start: _Start) -> NetworkJob:
    assert isinstance(recipe.features, RecipeFeatures)
    augmentation, pixels = recipe.recipe.augmentation, run.plan.catalogues.main.pixels.array
    return NetworkJob(
        study=recipe.studies[fold],
        origin=start.origin,
        head=rows_job(run, recipe, fold),
        head_params=start.params,
        backbone=recipe.features.views[0].frozen_backbone,
        augmentation=augmentation if augmentation.spec.views else None,
        pixels=pixels,
        configuration=TrainingConfiguration(epochs=recipe.budget["epochs"], batch_size=BATCH_SIZE, patience=PATIENCE),
        seed=study_seed(run.protocol.seed, f"{recipe.recipe.canonical}@{recipe.stage}", fold),
        folder=checkpoints(run.store, recipe.studies[fold]),
        shifted=shifted_validation(run, recipe, fold, {}),
        kept=_kept(run, recipe, fold),
    )


def _kept(run: RunContext, recipe: PlannedRecipe, fold: int) -> dict[int, KeptNetwork]:
    """Return the networks of a fold by seed, if the row is complete but for what is to be scored now."""
    if (entry := run.store.result(recipe.stem, recipe.identity)) is None:
        return {}
    return {
        head.seed: KeptNetwork(
            file=run.store.model(recipe.recipe.file_stem, recipe.stage, fold, head.seed),
            sha256=head.model,
            curves=Curves(**head.curves.model_dump()),
            devices=entry.devices.get("training", ("cpu",)),
        )
        for head in entry.folds[fold].heads
        if head.model
    }
