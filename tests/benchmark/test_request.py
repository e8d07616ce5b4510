"""Components are looked up before the work starts, and their modules may import Keras."""

from __future__ import annotations

import sys

import pytest

from cxrbench.benchmark.request import read_request
from cxrbench.config.settings import Settings
from cxrbench.errors import ConfigError
from cxrbench.execution.progress import Progress
from cxrbench.plugin.host import load_host
from cxrbench.testing.subject import find_subjects

PLUGIN = """
from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="noting", factory="noting:build")]
"""
FACTORY = """
import os
SEEN = os.environ.get("KERAS_BACKEND")
def build(*, input_shape, weights, seed): ...
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return plugins with a backbone whose module notes the backend when it is imported."""
    (tmp_path / "noting.py").write_text(FACTORY)
    (tmp_path / "plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "noting", raising=False)
    return load_host([tmp_path / "plugin.py"])


def test_modules_of_a_run_see_the_backend_of_results(host):
    read_request(Settings(backbone=("noting",), data="phantom", offline=True), host, Progress())
    assert sys.modules["noting"].SEEN == "tensorflow"


def test_selecting_under_shifts_needs_the_plugin_that_has_them():
    blocked = load_host((), ("cxrbench-shifts",))
    with pytest.raises(ConfigError, match=r"--select robust needs the shifts crop, .*; see --without|no plugin declares crop"):
        read_request(Settings(select="robust", data="phantom", offline=True), blocked, Progress())
    assert read_request(Settings(data="phantom", offline=True), blocked, Progress()).development == ()


def test_modules_that_are_checked_see_the_backend_of_results(host):
    find_subjects("noting", host)
    assert sys.modules["noting"].SEEN == "tensorflow"
