"""The context of a run: the one record that the functions of its story hand down."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.comparability import require_same_parts
from cxrbench.benchmark.entries import EntryFacts, dataset_facts
from cxrbench.benchmark.image_record import record_images
from cxrbench.benchmark.shifted_images import extract_shifted, start_shifts
from cxrbench.benchmark.wanted_shifts import divided
from cxrbench.data.audit.audit import audit, check_classes
from cxrbench.data.dataset import load_dataset
from cxrbench.data.sample import sampled
from cxrbench.data.split import split_dataset, split_warnings
from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.store.image_record import write_images
from cxrbench.leaderboard.store.test_lock import LockedTestSet
from cxrbench.storage.safe_text import all_without_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.benchmark.callbacks import Callbacks
    from cxrbench.benchmark.extraction import StartedExtraction
    from cxrbench.benchmark.plan import Plan
    from cxrbench.benchmark.resources import Resources
    from cxrbench.benchmark.shifted_images import ShiftedImages, StartedShifts
    from cxrbench.config.protocol import Protocol
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.execution.executor import Executor
    from cxrbench.leaderboard.store.folder import ProtocolFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldImages:
    """The images that a fold may learn from. Its test images are behind the test-set lock.

    Attributes:
        train, validation: row numbers of the dataset, int and sorted.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalTestSet:
    """A test set of another source: all of its images are scored, none is used for training."""

    name: str
    dataset: LoadedDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What all functions of a run share.

    Attributes:
        plan: protocol, recipes, identities and the store of results.
        executor: computes shards and trials.
        dataset: the images that could be read.
        splits: the training and validation images of each fold.
        test: the test images of each fold, behind the test-set lock.
        externals: further test sets.
        extraction: the features that are being extracted.
        development: the validation images of all folds under the shifts that the search selects under; None without any.
        shifts: the test images of all folds under the standard shifts, and a sample of them under all others that are wanted.
        facts: what all entries of the run share.
        callbacks: notified of what happens.
    """

    plan: Plan
    executor: Executor
    dataset: LoadedDataset
    splits: tuple[FoldImages, ...]
    test: LockedTestSet
    externals: tuple[ExternalTestSet, ...]
    extraction: StartedExtraction
    development: ShiftedImages | None
    shifts: tuple[ShiftedImages, ...]
    facts: EntryFacts
    callbacks: Callbacks

    @property
    def protocol(self) -> Protocol:
        """The protocol of the run."""
        return self.plan.protocol

    @property
    def store(self) -> ProtocolFolder:
        """The folder for the results."""
        return self.plan.store


def open_run(plan: Plan, resources: Resources, extraction: StartedExtraction) -> RunContext:
    """Load, split and audit the decoded images, lock the test images, and write the protocol.

    Raises:
        DataError: the images do not allow a fair comparison.
        ConfigError: earlier results of this protocol are of other images.
    """
    protocol, dataset = plan.protocol, load_dataset(plan.catalogues.main)
    externals = tuple(
        ExternalTestSet(name=name, dataset=load_dataset(catalogue)) for name, catalogue in plan.catalogues.external.items()
    )
    splits = split_dataset(dataset, protocol.split, protocol.seed, protocol.folds)
    require_same_parts(plan.store, dataset, splits)

    started = _start_shifts(plan, resources, dataset, splits)
    facts = _entry_facts(plan, dataset, splits, externals)  # workers shift images in the meantime
    of_externals = all_without_paths(f"external {one.name}: {warning}" for one in externals for warning in one.dataset.warnings)
    for warning in (*facts.warnings, *of_externals):  # entries do not depend on external test sets
        resources.callbacks.progress.warn(warning)
    plan.store.write_protocol()
    if plan.request.settings.models:
        write_images(plan.store.images, record_images(dataset, splits))
    development, *tests = (extract_shifted(plan, extraction, one) if one else None for one in started)
    run = RunContext(
        plan=plan,
        executor=resources.executor,
        dataset=dataset,
        splits=tuple(FoldImages(train=split.train, validation=split.validation) for split in splits),
        test=LockedTestSet(lock=plan.store.test_lock, rows=tuple(split.test for split in splits)),
        externals=externals,
        extraction=extraction,
        development=development,
        shifts=tuple(images for images in tests if images),
        facts=facts,
        callbacks=resources.callbacks,
    )
    run.callbacks.on_run_start(protocol, [recipe.recipe for recipe in plan.recipes])
    return run


def _start_shifts(
    plan: Plan, resources: Resources, dataset: LoadedDataset, splits: tuple[Split, ...]
) -> list[StartedShifts | None]:
    """Have images of all folds shifted: validation images, test images, and a sample of these under all further shifts."""
    tests = [split.test for split in splits]
    standard, further = divided(plan.request.shifts)
    parts = (
        ("shifted validation", plan.request.development, [split.validation for split in splits]),
        ("shifted", standard, tests),
        ("further shifted", further, sampled(dataset, tests, plan.protocol.seed)),
    )
    return [
        start_shifts(plan, resources, wanted, np.unique(dataset.rows[np.concatenate(rows)]), name)
        for name, wanted, rows in parts
    ]


@contextmanager
def closing_run(plan: Plan, executor: Executor) -> Iterator[None]:
    """End a run in order: on any error stop the workers and publish what is finished; remove the folder if it is empty."""
    try:
        yield
    except BaseException:
        executor.stop()
        with suppress(CxrbenchError, OSError):  # the user must see what stopped the run, not this
            publish(plan.store)
        raise
    finally:
        plan.store.remove_if_empty()


def _entry_facts(
    plan: Plan, dataset: LoadedDataset, splits: tuple[Split, ...], externals: tuple[ExternalTestSet, ...]
) -> EntryFacts:
    """Audit the images and return what all entries say about them."""
    protocol, settings = plan.protocol, plan.request.settings
    for external in externals:
        check_classes(f"--external {external.name}", external.dataset.labels, external.dataset.class_names)
    found = audit(
        dataset,
        splits,
        split_name=protocol.split,
        others=[external.dataset for external in externals],
        allow_leak=settings.allow_leak,
        strict=settings.strict_data,
    )
    of_split = split_warnings(dataset, protocol.split, protocol.seed)
    return EntryFacts(
        protocol=protocol,
        data=plan.data,
        dataset=dataset_facts(dataset, splits),
        audit=found,
        warnings=all_without_paths((*dataset.warnings, *of_split, *protocol.warnings, *found.warnings)),
    )
