"""A row is marked where its pretrained weights may have seen the images that score it."""

from __future__ import annotations

import pytest

from cxrbench.benchmark.seen import seen_warnings
from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.plugin import Backbone


@pytest.fixture
def warnings_of(host):
    """Return a function of a backbone and collections that returns the warnings about test images."""

    def find(text, *collections):
        component = parse_component(text)
        return seen_warnings(bind(component, host.find(Backbone, component.name)), collections, "the test images")

    return find


@pytest.mark.parametrize("collection", ["nih", "rsna", "covid-radiography"])
def test_weights_of_chexnet_have_seen_its_collection(warnings_of, collection):
    (found,) = warnings_of("chexnet:weights=pyproject.toml", collection)
    assert f"the test images ({collection}) may be among what its pretrained weights learnt from (nih)" in found


def test_weights_have_not_seen_what_shares_no_image(warnings_of):
    assert warnings_of("chexnet:weights=pyproject.toml", "chexpert", "kermany") == ()
    assert warnings_of("mobilenet:alpha=0.25", "nih") == ()


def test_users_say_what_their_own_weights_have_seen(warnings_of):
    (first, second) = warnings_of("mobilenet:alpha=0.25,seen=nih+CheXpert", "rsna", "chexpert")
    assert "(rsna)" in first
    assert "(chexpert)" in second


def test_random_weights_have_seen_nothing(warnings_of):
    assert warnings_of("mobilenet:alpha=0.25,weights=none,seen=nih", "nih") == ()
