"""Open the studies of a recipe that is fine-tuned: a job for each fold, the search space, and the trials so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.benchmark.opened import Opened
from cxrbench.benchmark.studies import FoldStudy, head_job, open_record, say_resumed, shifted_validation
from cxrbench.config.recipe import stem_of
from cxrbench.config.seeds import study_seed
from cxrbench.errors import CxrbenchError
from cxrbench.models.features.feature_source import CachedFeatures
from cxrbench.models.fine_tuning.jobs import NetworkJob
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.head_file import read_head
from cxrbench.plugin.specs import Float
from cxrbench.search.quasi_random import QuasiRandom
from cxrbench.search.study import Study, threshold_space
from cxrbench.storage.files import home

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.leaderboard.store.entry import Entry, FoldResult
    from cxrbench.models.training.head_weights import HeadWeights
    from cxrbench.plugin.specs import Space

BATCH_SIZE = 32
"""Images per step: with the 64 rows of a head, a network takes twice the memory and gains no speed on a CPU."""
PATIENCE = 5
"""Epochs without a better validation loss after which a training ends. The first ones are often worse than the head."""
SPACE: Space = {
    "learning_rate": Float(low=1e-5, high=1e-3, log=True),
    "layer_decay": Float(low=0.05, high=1.0, log=True),
    "dropout": Float(low=0.0, high=0.7),
    "weight_decay": Float(low=1e-4, high=1e-1, log=True),
}


def open_networks(run: RunContext, recipe: PlannedRecipe) -> Opened:
    """Open the study of every fold, or resume it.

    Raises:
        CxrbenchError: a head that it starts from was not kept, or is not that of its entry.
        StudyDamaged: a journal cannot be read.
    """
    entry = run.store.complete_entry(recipe.recipe.file_stem)
    if entry is None or not isinstance(recipe.features, RecipeFeatures):
        raise CxrbenchError(f"{recipe}: its heads have no result to start from")
    run.extraction.resources.claim([checkpoints(study) for study in recipe.studies])
    studies = []
    for fold in entry.folds:
        study = _study(run, recipe, entry, fold)
        studies.append(FoldStudy(fold=fold.fold, study=study, record=open_record(run, recipe, study, fold.fold)))
    say_resumed(run, recipe, studies)
    catalogues = run.plan.catalogues
    external = {name: catalogue.pixels.array for name, catalogue in catalogues.external.items()}
    return Opened(source=CachedFeatures(extracted=(catalogues.main.pixels.array,), of_external=external), studies=studies)


def checkpoints(study: str) -> Path:
    """Return the folder of the cache where the epochs and the networks of a study are kept until its result is complete."""
    return home() / "training" / study


def _study(run: RunContext, recipe: PlannedRecipe, entry: Entry, fold: FoldResult) -> Study:
    protocol, settings, job = run.protocol, run.plan.request.settings, _job(run, recipe, entry, fold)
    space = {**SPACE, **threshold_space(protocol.threshold)}
    return Study(
        job=job,
        job_of=lambda params: job,
        space=space,
        engine=QuasiRandom(space=space, seed=job.seed),
        trials=settings.fine_tune_trials,
        generation=protocol.generation,
        policy=protocol.threshold,
        metric=protocol.metric,
        pruning="none",
        max_failures=settings.max_failures,
    )


def _job(run: RunContext, recipe: PlannedRecipe, entry: Entry, fold: FoldResult) -> NetworkJob:
    assert isinstance(recipe.features, RecipeFeatures)
    settings, augmentation = run.plan.request.settings, recipe.recipe.augmentation
    return NetworkJob(
        study=recipe.studies[fold.fold],
        head=head_job(run, recipe, fold.fold),
        head_params=dict(fold.params),
        starts=tuple(_head(run, entry, fold, seed) for seed in range(run.protocol.seeds)),
        backbone=recipe.features.views[0].frozen_backbone,
        augmentation=augmentation if augmentation.spec.views else None,
        pixels=run.plan.catalogues.main.pixels.array,
        configuration=TrainingConfiguration(epochs=settings.fine_tune_epochs, batch_size=BATCH_SIZE, patience=PATIENCE),
        seed=study_seed(run.protocol.seed, f"{recipe.recipe.canonical}@{recipe.stage}", fold.fold),
        folder=checkpoints(recipe.studies[fold.fold]),
        shifted=shifted_validation(run, recipe, fold.fold, {}),
    )


def _head(run: RunContext, entry: Entry, fold: FoldResult, seed: int) -> HeadWeights:
    path = run.store.model(stem_of(entry.recipe), "head", fold.fold, seed)
    return read_head(path, fold.heads[seed].model, within=run.store.path)
