"""Boards with all that a page can show, and pages as a parser sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property

import html5lib
import pytest

from cxrbench.data.audit.findings import Audit, Finding
from cxrbench.leaderboard.report.page import board_as_html
from cxrbench.leaderboard.store.entry import LearningCurves
from cxrbench.leaderboard.store.shift_result import Loss, ShiftResult, ShiftScore

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
VGG16, MOBILENET = {"backbone": 14_714_688, "head": 263_169}, {"backbone": 218_544, "head": 131_585}
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
        compete("vgg16", 2.9, protocol=protocol, seconds={"elapsed": 40.0}, augmentation="gentle", parameters=VGG16),
        compete("mobilenet", 1.0, protocol=protocol, seconds={"elapsed": 9.0}, parameters=MOBILENET),
        compete("control-border", 2.5, protocol=protocol, control=True, images=180),
    ]
    board = board_of(*made)
    shifts = {one.entry.recipe: shift_result(one.entry, place * 0.05) for place, one in enumerate(made)}
    heads = {one.entry.recipe: one.predictions for one in made}
    return replace(board, shifts=shifts, shifted=heads)
