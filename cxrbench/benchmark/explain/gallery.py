"""Make the page of test images with saliency maps for one row of a leaderboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxrbench.benchmark.entry_images import locate_images
from cxrbench.benchmark.explain.explain import explain
from cxrbench.benchmark.explain.files import about_all
from cxrbench.benchmark.explain.surest import OUTCOMES, choose_surest, unlearnt_reader
from cxrbench.benchmark.explain.unlearnt import Group
from cxrbench.benchmark.model.choice import HeadChoice, choose_heads
from cxrbench.benchmark.model.kept import folder_of, kept_file, require_recipe
from cxrbench.benchmark.model.learnt import images_of, learnt_from
from cxrbench.data.licence import require_showable, strictest
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.leaderboard.board import GALLERY
from cxrbench.leaderboard.describe import SHOWN_DIGITS
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.report.images_page import Gallery, ImageGroup, ShownImage, images_as_html
from cxrbench.leaderboard.store.entry_files import read_entry
from cxrbench.leaderboard.store.image_record import read_images
from cxrbench.models.saliency.overlay import common_limit
from cxrbench.storage.files import write_text
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cxrbench.benchmark.explain.explain import ExplainedImage, Explanation
    from cxrbench.benchmark.explain.surest import Scored, Surest
    from cxrbench.benchmark.model.backbone import Surroundings
    from cxrbench.benchmark.model.model import Model
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.entry import ClassLabels, Entry
    from cxrbench.models.saliency.method import MethodName
    from cxrbench.plugin.contracts import Images, LicenceClass


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryRequest:
    """What the user asks for.

    Attributes:
        data: the dataset of the run as a name or a path; empty for the one that the entry names.
        seed: of the one head of each fold to take; None for the heads of all seeds.
        method: how maps are made; None for the best one.
        may_show: whether the user answers for showing images that are not open.
    """

    data: str = ""
    seed: int | None = None
    method: MethodName | None = None
    may_show: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """The row that the page is about.

    Attributes:
        folder: of its protocol.
        images: of its dataset.
        licence_class: the strictest that the dataset and the entry declare.
    """

    entry: Entry
    folder: Path
    images: Images
    licence_class: LicenceClass

    @property
    def class_names(self) -> ClassLabels:
        """The names of the two classes."""
        assert self.entry.dataset is not None  # reading an entry has checked it
        return self.entry.dataset.class_names


def read_subject(path: Path, request: GalleryRequest, surroundings: Surroundings) -> Subject:
    """Return the row of an entry's file with its images, if these may be shown.

    Raises:
        ConfigError: the entry has no model, its images are not found, or they may not be shown.
    """
    entry = read_entry(path)
    require_recipe(entry)
    assert entry.dataset is not None  # reading an entry has checked it
    images = locate_images(entry, request.data or entry.data, surroundings.host, surroundings.downloader)
    licence_class = strictest(entry.dataset.licence_class, images.licence_class)
    require_showable(images.name, licence_class, request.may_show)
    return Subject(entry=entry, folder=path.resolve().parent.parent, images=images, licence_class=licence_class)


def write_gallery(
    subject: Subject, request: GalleryRequest, open_fold: Callable[[int], Model], progress: Progress
) -> dict[str, Any]:
    """Write the page beside that of the board, which then links to it; return what is known about the images.

    Args:
        subject: the row.
        request: what the user asks for.
        open_fold: returns the model of a fold.
        progress: is told of each image.

    Raises:
        ConfigError: the images are not those of the row, or its models were not kept.
    """
    surest = _choose(subject, request)
    folds = sorted({scored.fold for scored, _ in surest.images})
    groups = [
        Group(model=open_fold(fold), images=tuple(image for scored, image in surest.images if scored.fold == fold))
        for fold in folds
    ]
    explanation = explain(groups, request.method, progress)
    scored = tuple(one for one, _ in surest.images)
    content = {
        "page": str(subject.folder / GALLERY),
        "recipe": subject.entry.name,
        "licence_class": subject.licence_class,
        "warnings": list(dict.fromkeys(warning for group in groups for warning in group.model.warnings)),
        **about_all(explanation, common_limit([image.values for image in explanation.images])),
        "counts": dict(surest.counts),
        "images": [_facts(*pair, subject.class_names) for pair in zip(scored, explanation.images, strict=True)],
    }
    write_text(subject.folder / GALLERY, images_as_html(_gallery(subject, scored, explanation, content)))
    publish(folder_of(subject.entry, subject.folder))
    return content


def _choose(subject: Subject, request: GalleryRequest) -> Surest:
    entry, folder = subject.entry, subject.folder
    record = read_images(kept_file(folder_of(entry, folder).images, entry), within=folder)
    choices = [HeadChoice(fold=fold.fold, seed=request.seed) for fold in entry.folds]
    read = unlearnt_reader(subject.images, [learnt_from(images_of(record, choice)) for choice in choices], entry.protocol)
    table = read_predictions(folder / entry.predictions, within=folder)
    chosen = (choose_heads(entry, [table], choice) for choice in choices)
    return choose_surest([one.test.at(one.threshold) for one in chosen if one.test is not None], read)


def _facts(scored: Scored, image: ExplainedImage, names: ClassLabels) -> dict[str, Any]:
    return {
        "outcome": scored.outcome,
        "key": as_line(scored.key),
        "label": names.positive if scored.label else names.negative,
        "call": names.positive if image.is_positive else names.negative,
        "fold": scored.fold,
        "score": image.score,
        "threshold": image.threshold,
        "outer_frame": image.outer_frame,
    }


def _gallery(subject: Subject, scored: Sequence[Scored], explanation: Explanation, content: Mapping[str, Any]) -> Gallery:
    protocol, method = subject.entry.protocol, content["method"]
    reason = (f"No exact map: {method['no_exact_map']}.",) if method["no_exact_map"] else ()
    shown = {outcome: list[ShownImage]() for outcome in OUTCOMES}
    for one, image, facts in zip(scored, explanation.images, content["images"], strict=True):
        shown[one.outcome].append(_shown(image, facts, is_named=subject.licence_class != "credentialed"))
    return Gallery(
        board=subject.folder.name,
        dataset=protocol.dataset,
        notice=protocol.notice,
        recipe=subject.entry.name,
        selections=tuple(selection[:SHOWN_DIGITS] for selection in subject.entry.selections),
        class_names=subject.class_names,
        licence_class=subject.licence_class,
        limit=content["scale"]["full_colour"],
        about_maps=(*reason, method["meaning"]),
        trust=tuple(content["trust"]["sentences"]),
        warnings=tuple(content["warnings"]),
        groups=tuple(
            ImageGroup(outcome=outcome, total=content["counts"][outcome], images=tuple(images))
            for outcome, images in shown.items()
        ),
    )


def _shown(image: ExplainedImage, facts: Mapping[str, Any], *, is_named: bool) -> ShownImage:
    shared = {name: facts[name] for name in ("label", "call", "fold", "score", "threshold", "outer_frame")}
    return ShownImage(name=facts["key"] if is_named else "", pixels=image.image.pixels, values=image.values, **shared)
