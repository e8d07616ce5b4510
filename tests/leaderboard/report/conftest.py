"""Pages as a parser sees them, and what the page of images shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import html5lib
import numpy as np
import pytest

from cxrbench.leaderboard.report.images_page import Gallery, ImageGroup, ShownImage
from cxrbench.leaderboard.report.page import board_as_html
from cxrbench.leaderboard.store.entry import ClassLabels

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


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
