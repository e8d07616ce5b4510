"""`cxrbench plugins show`: what users may write after the name of a component."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"
OWN = """
from cxrbench.plugin import Choice, Dataset, Float, Imbalance, Int, hookimpl


@hookimpl
def register_imbalances():
    space = {
        "kind": Choice(options=("a", "b")),
        "share": Float(low=0.25, high=1.0, step=0.25, when=(("kind", ("b",)),)),
        "spread": Float(low=0.05, high=0.5, log=True),
        "rows": Int(low=1, high=9, step=2),
    }
    fixed = {"flipped": True}
    return [Imbalance(name="own", factory=f"{__name__}:decide", space=space, fixed=fixed, summary="own strategy")]


@hookimpl
def register_datasets():
    lost = Dataset(name="lost", factory="no_such_module:load")
    return [Dataset(name="own", factory=f"{__name__}:load", layout="a table"), lost]


@hookimpl
def on_entry(entry):
    pass


def decide(rows_of_the_fold, *, seed, flipped, kind: str = "a", share: float = 0.5, spread=0.1, rows: "int | None" = None):
    raise AssertionError("nothing is built")


def load(path, *, table: str):
    raise AssertionError("nothing is built")
"""


@pytest.fixture
def show(workspace):
    """Run `cxrbench plugins show` and return what it printed, in one line."""
    (workspace.folder / "own.py").write_text(OWN)

    def run(*arguments):
        done = workspace.call_here("plugins", "show", *arguments)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    return run


@pytest.fixture
def facts(workspace, show):
    """Return the facts about the only component of a name."""

    def run(*arguments):
        (found,) = json.loads(workspace.call_here("plugins", "show", *arguments, "--json").stdout)
        return found

    return run


def options(found):
    return {option["name"]: (option["type"], option["default"], option["of"]) for option in found["options"]}


def test_options_have_types_and_defaults(facts):
    found = facts("described", "--plugin", PLUGINS / "with_options.py")
    assert options(found) == {
        "pooling": ("avg|max", "avg", "plugin"),
        "depth": ("int", 3, "plugin"),
        "scale": ("float", 1.0, "plugin"),
        "crop": ("bool", False, "plugin"),
        "note": ("str", "", "plugin"),
        "weights": ("str", "none", "harness"),
        "seen": ("str", "", "harness"),
    }
    assert (found["fixed"], found["given"]) == ({"network": "small"}, ["input_shape", "seed"])


def test_options_of_the_harness_are_listed_for_every_kind(facts):
    assert options(facts("mobilenet"))["weights"] == ("str", "imagenet", "harness")
    assert options(facts("chexnet"))["seen"] == ("str", "nih", "harness")
    assert options(facts("gentle"))["views"] == ("int", 4, "harness")
    assert options(facts("folder"))["source"] == ("path", "", "harness")
    assert facts("latin-hypercube")["given"] == ["seed", "space", "trials"]


def test_a_missing_package_is_named_and_options_are_shown(show, facts):
    file = PLUGINS / "with_options.py"
    assert "no-such-distribution>=2 (not installed: pip install 'no-such-distribution>=2')" in show("needy", "--plugin", file)
    found = facts("needy", "--plugin", file)
    assert found["requires"] == {"no-such-distribution>=2": ""}
    assert options(found)["depth"] == ("int", 3, "plugin")


def test_a_factory_that_cannot_be_imported_is_said_to_be_unknown(show):
    text = show("lost", "--plugin", "own.py")
    assert "dataset lost" in text
    assert "options: unknown: PluginError: no_such_module:load: No module named 'no_such_module'" in text


def test_a_factory_of_any_option_says_so(show, facts):
    assert "any other plugin" in show("open", "--plugin", PLUGINS / "with_options.py")
    assert "..." in options(facts("open", "--plugin", PLUGINS / "with_options.py"))


def test_types_that_cannot_be_evaluated_are_shown_as_written(facts):
    found = options(facts("type-checked", "--plugin", PLUGINS / "with_options.py"))
    assert (found["grid"], found["depth"]) == (("Grid", 8, "plugin"), ("int", 3, "plugin"))


def test_the_space_and_fixed_arguments_are_in_words(facts, show):
    found = facts("own", "--kind", "imbalance", "--plugin", "own.py")
    assert found["space"] == {
        "kind": "a|b",
        "share": "0.25..1.0 in steps of 0.25 if kind is b",
        "spread": "0.05..0.5 on a log scale",
        "rows": "1..9 in steps of 2",
    }
    assert options(found).keys() == {"kind", "share", "spread", "rows"}
    text = show("own", "--kind", "imbalance", "--plugin", "own.py")
    assert "plugin: own.py" in text
    assert "factory: own.py:decide" in text
    assert "fixed: flipped=true" in text
    assert "searched: kind: a|b; share: 0.25..1.0" in text


def test_the_first_argument_of_a_dataset_is_no_option(facts):
    found = facts("own", "--kind", "dataset", "--plugin", "own.py")
    assert options(found) == {"table": ("str", None, "plugin"), "source": ("path", "", "harness")}


def test_a_name_of_two_kinds_shows_both(show):
    text = show("own", "--plugin", "own.py")
    assert "dataset own" in text
    assert "imbalance own" in text


def test_a_plugin_shows_all_it_has(show):
    text = show("own.py", "--plugin", "own.py")
    assert all(title in text for title in ("dataset own", "dataset lost", "imbalance own", "plugin: own.py hooks: on_entry"))
    assert "observer cxrbench-mlflow" in show("cxrbench-mlflow")


def test_an_unknown_name_suggests_the_nearest(workspace):
    show = partial(workspace.call_here, "plugins", "show")
    for arguments, message in (
        (["mobilnet"], "unknown component or plugin 'mobilnet': did you mean mobilenet"),
        (["mobilenet", "--kind", "engine"], "unknown engine 'mobilenet': "),
    ):
        done = show(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
