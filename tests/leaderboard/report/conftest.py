"""Boards with all that a page can show, and pages as a parser sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property

import html5lib
import numpy as np
import pytest

from cxrbench.data.audit.findings import Audit, Finding
from cxrbench.leaderboard.report.images_page import Gallery, ImageGroup, ShownImage
from cxrbench.leaderboard.report.page import board_as_html
from cxrbench.leaderboard.store.entry import ClassLabels, LearningCurves
from cxrbench.leaderboard.store.shift_result import Loss, ShiftResult, ShiftScore

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
SHIFTS = ("blur@2", "exposure@1.5", "noise@3", "crop@0.1")


@dataclass(frozen=True)
class Page:
    """A page, and its elements."""

    text: str

    @cached_property
    def root(self):
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=True)  # raises for what is not valid HTML
        return parser.parse(self.text)

    def all(self, name, **attributes):
        """Return all elements with this name and these attributes; an underscore stands for a hyphen."""
        found = [*self.root.iter(NAMESPACE + name), *self.root.iter(SVG + name)]
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [one for one in found if all(one.get(key) == value for key, value in wanted.items())]

    def one(self, name, **attributes):
        (found,) = self.all(name, **attributes)
        return found

    @cached_property
    def words(self):
        """All texts that people read, each space as one."""
        parts = (text for one in self.one("body").iter() for text in ("" if one in self.all("script") else one.text, one.tail))
        return " ".join(" ".join(filter(None, parts)).split())

    @property
    def counts(self):
        """What the slider reads."""
        return json.loads(self.one("script", id="counts").text)


@pytest.fixture(scope="session")
def page_of():
    """Return the page of a board."""
    return lambda board, sort="": Page(board_as_html(board, sort))


@pytest.fixture(scope="session")
def as_page():
    """Return a text as a page."""
    return Page


def with_curves(competitor):
    """Return a competitor whose heads have learning curves."""
    curves = LearningCurves(
        train_loss=(0.7, 0.5, 0.4), train_accuracy=(0.5, 0.7, 0.8), validation_loss=(0.8, 0.6), validation_accuracy=(0.5, 0.65)
    )
    folds = tuple(
        fold.model_copy(update={"heads": tuple(head.model_copy(update={"curves": curves}) for head in fold.heads)})
        for fold in competitor.entry.folds
    )
    return replace(competitor, entry=competitor.entry.model_copy(update={"folds": folds}))


def shift_result(entry, loss):
    """Return a result under four shifts that cost this much AUC."""
    metrics = {**entry.metrics, "auc": entry.metrics["auc"] - loss}
    scores = tuple(
        ShiftScore(
            name=name,
            shift=name.partition("@")[0],
            strength=1.0,
            unit="x",
            role="test",
            covered=False,
            identity="a" * 64,
            standard=True,
            problem="",
            metrics=metrics,
            intervals={},
            loss=Loss(best_accuracy=0.5, slope=1.0, intercept=0.0),
        )
        for name in SHIFTS
    )
    return ShiftResult(recipe=entry.recipe, selections=entry.selections, scores=scores, metrics=metrics, intervals={})


@pytest.fixture(scope="session")
def whole_board(compete, board_of, make_protocol):
    """Return a board with controls, shifts, curves, trials, folds, seeds, a finding, an external result and a failure."""
    protocol = make_protocol(folds=2, seeds=2)
    audit = Audit(findings=(Finding(check="shared-patients", severity="leak", count=3, message="3 patients are shared"),))
    made = [
        with_curves(compete("texture", 3.0, protocol=protocol, audit=audit, seconds={"elapsed": 2.5})),
        compete("vgg16", 2.9, protocol=protocol, seconds={"elapsed": 40.0}, augmentation="gentle"),
        compete("mobilenet", 1.0, protocol=protocol, seconds={"elapsed": 9.0}),
        compete("control-border", 2.5, protocol=protocol, control=True, images=180),
    ]
    board = board_of(*made)
    shifts = {one.entry.recipe: shift_result(one.entry, place * 0.05) for place, one in enumerate(made)}
    heads = {one.entry.recipe: one.predictions for one in made}
    return replace(board, shifts=shifts, shifted=heads)


@pytest.fixture(scope="session")
def make_gallery():
    """Return a function that makes what the page of images shows: a right and a wrong call, and two outcomes without images."""

    def image(number, key, **given):
        generator = np.random.default_rng(number)
        shown = {
            **{"name": key, "label": "NORMAL", "call": "PNEUMONIA", "fold": number, "score": 0.9, "threshold": 0.4375},
            **{"outer_frame": 0.25, "values": np.array([[0.5, -0.25], [0.125, -2.0]])},
        }
        return ShownImage(**{**shown, "pixels": generator.integers(0, 256, (32, 32), dtype=np.uint8), **given})

    def make(key="ward/0001.png", **given):
        right = image(0, key, label="PNEUMONIA", score=0.98765)
        return Gallery(
            **{
                **{"board": "ward-grouped-1", "dataset": "ward", "notice": "", "recipe": "vgg16+none+none"},
                **{"selections": ("0123456789ab",), "class_names": ClassLabels(), "licence_class": "open", "limit": 2.0},
                **{"about_maps": ("Exact.",), "trust": ("Seeds: They agree.",), "warnings": ()},
                "groups": (
                    ImageGroup(outcome="true positive", total=1234, images=(right,)),
                    ImageGroup(outcome="true negative", total=0, images=()),
                    ImageGroup(outcome="false positive", total=2, images=(image(1, key), image(2, key))),
                    ImageGroup(outcome="false negative", total=3, images=()),
                ),
                **given,
            }
        )

    return make
