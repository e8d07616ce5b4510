"""The plan of a run: its protocol, its recipes, and for each recipe its identity, everything that a result depends on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.benchmark.entries import NoResult
from cxrbench.benchmark.features import RecipeFeatures, needed_features
from cxrbench.benchmark.fine_tuning.planned import planned_from_scratch
from cxrbench.benchmark.seen import seen_warnings
from cxrbench.benchmark.suitability import refuse_unsuitable
from cxrbench.config.protocol import Protocol
from cxrbench.config.protocol_settings import ProtocolSettings
from cxrbench.config.recipe import name_in_table, row_name, stem_of
from cxrbench.config.split_name import column_of
from cxrbench.data.catalogue import DatasetReader
from cxrbench.data.collections import collections_of
from cxrbench.data.dataset import listed_dataset, load_dataset
from cxrbench.data.split import default_split, leave_out
from cxrbench.errors import ConfigError
from cxrbench.leaderboard.store.attempts import make_attempt, newest_attempt
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.search.engine import engine_identity
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cxrbench.benchmark.request import Request
    from cxrbench.config.recipe import Recipe
    from cxrbench.config.values import Stage
    from cxrbench.data.catalogue import Catalogues
    from cxrbench.data.dataset import Catalogue
    from cxrbench.leaderboard.store.folder import Stamp
    from cxrbench.models.weights import Weights
    from cxrbench.search.database import Database
    from cxrbench.storage.sharded_array import ShardedArray

BASELINE = "majority-class"
"""The name of the baseline's entry, and of its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRecipe:
    """A recipe at a stage, and everything that its result depends on.

    Attributes:
        features: what must be extracted for it, or why that is not possible.
        studies: the identity of the study of each fold; empty without features.
        identity: of the result, whatever the number of trials, unless the engine's proposals depend on it.
        budget: trials of each study and epochs, where they are not those of the protocol.
        learns_from: what of the network is trained: ``all`` or, above a cut, ``auto`` or the name of the layer below it.
        remarks: what is to be said of the choice of the recipe.
    """

    recipe: Recipe
    features: RecipeFeatures | NoResult
    studies: tuple[str, ...]
    identity: str
    stage: Stage = "head"
    budget: Mapping[str, int] = field(default_factory=dict)
    learns_from: str = "all"
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return row_name(str(self.recipe), self.stage)

    @property
    def stem(self) -> str:
        """The stem of the row's files."""
        return stem_of(str(self))

    @property
    def weights(self) -> Weights | None:
        """The weights of the backbone, or None if they cannot be had."""
        return None if isinstance(self.features, NoResult) else self.features.views[0].weights

    @property
    def arrays(self) -> tuple[ShardedArray, ...]:
        """The arrays of its features; empty without features."""
        return () if isinstance(self.features, NoResult) else self.features.folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do.

    Attributes:
        request: the settings and the components that they name.
        protocol: what is equal for all recipes.
        catalogues: the images of the dataset and of the external test sets, listed but not decoded.
        recipes: all recipes of the grid.
        store: the folder for the results.
        stamps: of the entries that were there when the plan was made.
        unfinished: the recipes without a result, which will run.
        from_scratch: recipes whose networks are trained from random weights.
    """

    request: Request
    protocol: Protocol
    catalogues: Catalogues
    recipes: tuple[PlannedRecipe, ...]
    store: ProtocolFolder
    stamps: Mapping[str, Stamp | None]
    unfinished: tuple[PlannedRecipe, ...] = ()
    from_scratch: tuple[PlannedRecipe, ...] = ()

    @property
    def data(self) -> str:
        """The dataset as a component, without its location."""
        return str(self.request.dataset.component.without("source"))

    @property
    def externals(self) -> dict[str, str]:
        """The fingerprint of each external test set, by name."""
        return {name: catalogue.fingerprint for name, catalogue in self.catalogues.external.items()}

    @property
    def may_score(self) -> bool:
        """Whether a row may have no result yet. Which recipes are fine-tuned is known only when the heads are trained."""
        settings = self.request.settings
        scratch = any(settings.fresh or not self.is_finished(one) for one in self.from_scratch)
        return bool(self.unfinished or scratch or settings.fine_tune)

    @property
    def baseline_identity(self) -> str:
        """The identity of the baseline's result."""
        return digest([self.protocol.study_identity, BASELINE])

    def is_finished(self, recipe: PlannedRecipe) -> bool:
        """Return whether there is a complete result with the recipe's identity, on all external test sets."""
        if isinstance(recipe.features, NoResult):
            return False
        shifts = {shift.identity for shift in self.request.shifts}
        return self.store.is_finished(recipe.stem, recipe.identity, self.externals, shifts)


def make_plan(
    request: Request,
    database: Database | None,
    expected: Protocol | None = None,
    decode: Callable[[ProtocolFolder | None, Catalogue], None] | None = None,
) -> Plan:
    """List all images, fetch missing weights and compute the protocol, the recipes and their identities.

    With ``--fresh``, all recipes are unfinished; the store is still that of the newest attempt.

    Args:
        request: the settings and the components that they name.
        database: of studies; None for one journal a study.
        expected: a protocol whose images these must be; any images if None.
        decode: decodes the images of a catalogue and lists unreadable ones in a folder; None where nothing may be written.

    Raises:
        ConfigError: the images are not the expected ones, or cannot be split.
        DataError: the images do not allow a fair comparison, or an external test set has images of one class only.
        CxrbenchError: an earlier result cannot be read.
    """
    settings = request.settings
    reader = DatasetReader(settings=settings, downloader=request.downloader, progress=request.progress)
    catalogues = reader.catalogues(request.dataset, request.externals)
    if expected:
        _check_images(expected, settings.data, catalogues.main)
    protocol = make_protocol(request, catalogues.main, decode)
    attempt = newest_attempt(settings.out, protocol)
    store = ProtocolFolder(out=settings.out, protocol=protocol, attempt=attempt, database=database)
    if not settings.fresh:  # before weights are fetched
        store.check({BASELINE, *_stems(request)})
    refuse_unsuitable(catalogues, protocol, settings, partial(decode, store) if decode else None)
    recipes = plan_recipes(request, request.grid.recipes, catalogues, protocol)
    networks = plan_recipes(request, request.from_scratch, catalogues, protocol)
    stamps = store.stamps(recipe.stem for recipe in recipes)
    plan = Plan(
        request=request,
        protocol=protocol,
        catalogues=catalogues,
        recipes=recipes,
        store=store,
        stamps=stamps,
        from_scratch=tuple(planned_from_scratch(recipe, settings) for recipe in networks),
    )
    return replace(plan, unfinished=tuple(recipe for recipe in recipes if settings.fresh or not plan.is_finished(recipe)))


def in_new_attempt(plan: Plan) -> Plan:
    """Begin the next attempt at the protocol, and return the plan for it."""
    store = replace(plan.store, attempt=_new_attempt(plan.store, (*plan.recipes, *plan.from_scratch)))
    return replace(plan, store=store, stamps=store.stamps(recipe.stem for recipe in plan.recipes))


def make_protocol(
    request: Request, catalogue: Catalogue, decode: Callable[[ProtocolFolder | None, Catalogue], None] | None
) -> Protocol:
    """Return what must be equal for two recipes to be comparable.

    Which groups can be left out is known when the images are decoded; where they are not and may not be, the list tells.
    """
    settings = request.settings
    split = settings.split or default_split(catalogue.images.records)
    values = {name: getattr(settings, name) for name in ProtocolSettings.model_fields}
    if column := column_of(split):
        if decode:
            decode(None, catalogue)
        dataset = listed_dataset(catalogue) if catalogue.pixels.array.missing() else load_dataset(catalogue)
        found = leave_out(dataset, column, settings.seed)
        values |= {"left_out": tuple(one.group for one in found.splits), "folds": len(found.splits)}
    return Protocol(
        **values,
        dataset=catalogue.images.name,
        fingerprint=catalogue.fingerprint,
        notice=request.dataset.spec.notice,
        split=split,
        engine=str(request.engine.component),
    )


def plan_recipes(
    request: Request, recipes: Sequence[Recipe], catalogues: Catalogues, protocol: Protocol
) -> tuple[PlannedRecipe, ...]:
    """Return recipes with their features and identities; weights that are missing are fetched."""
    needed = needed_features(recipes, catalogues, protocol, request.downloader)
    collections = collections_of(catalogues.main.images)
    planned = (_planned(recipe, features, protocol, request) for recipe, features in needed.items())
    return tuple(replace(one, remarks=seen_warnings(one.recipe.backbone, collections, "the test images")) for one in planned)


def _planned(recipe: Recipe, features: RecipeFeatures | NoResult, protocol: Protocol, request: Request) -> PlannedRecipe:
    if isinstance(features, NoResult):
        return PlannedRecipe(recipe=recipe, features=features, studies=(), identity=digest(recipe.file_stem))
    views, proposals = [view.folder.name for view in features.folders], engine_identity(request.engine, protocol.trials)
    shifts = [shift.identity for shift in request.development]
    studies = tuple(
        digest([protocol.study_identity, fold, proposals, recipe.canonical, recipe.imbalance.identity, *views, *shifts])
        for fold in range(protocol.folds)
    )
    return PlannedRecipe(recipe=recipe, features=features, studies=studies, identity=digest(list(studies)))


def _stems(request: Request) -> Iterator[str]:
    """Yield the file stem of each row that a run may compute again, as far as the user names it."""
    named = {name_in_table(text) for text in request.settings.fine_tune}
    rows: dict[Stage, Sequence[Recipe]] = {
        "head": request.grid.recipes,
        "fine-tuned": [recipe for recipe in request.grid.recipes if str(recipe) in named],
        "from-scratch": request.from_scratch,
    }
    return (stem_of(row_name(str(recipe), stage)) for stage, recipes in rows.items() for recipe in recipes)


def _new_attempt(store: ProtocolFolder, recipes: Sequence[PlannedRecipe]) -> int:
    """Begin the next attempt of which no study is recorded, not even where the folder of an old one was removed."""
    names = store.database.names() if store.database else set()

    def is_recorded(attempt: int) -> bool:
        folder = replace(store, attempt=attempt)
        return any(
            folder.study(study).exists() or folder.study_name(str(recipe), study) in names
            for recipe in recipes
            for study in recipe.studies
        )

    return make_attempt(store.out, store.protocol, is_recorded)


def _check_images(expected: Protocol, data: str, catalogue: Catalogue) -> None:
    if expected.fingerprint != catalogue.fingerprint:
        raise ConfigError(
            f"--data {data}: the images, labels or patients are not those of {expected.dataset}: fingerprint "
            f"{catalogue.fingerprint[:12]}, expected {expected.fingerprint[:12]}"
        )
