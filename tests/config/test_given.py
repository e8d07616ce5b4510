"""A factory is given the harness's arguments that its signature names, and a user's option is never left out."""

from __future__ import annotations

import itertools

import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind, check_options
from cxrbench.errors import ConfigError, UnknownName
from cxrbench.plugin.host import KINDS, kind_name, load_host

FACTORY = """
from cxrbench.plugin import Augmentation, Backbone, Dataset, Engine, Imbalance, hookimpl


def declared(kind):
    return [kind(name="mine", factory=f"{__name__}:build", **FIELDS)]


@hookimpl
def register_datasets():
    return declared(Dataset) if KIND == "dataset" else []


@hookimpl
def register_backbones():
    return declared(Backbone) if KIND == "backbone" else []


@hookimpl
def register_augmentations():
    return declared(Augmentation) if KIND == "augmentation" else []


@hookimpl
def register_imbalances():
    return declared(Imbalance) if KIND == "imbalance" else []


@hookimpl
def register_engines():
    return declared(Engine) if KIND == "engine" else []


"""
HARNESS = {
    "dataset": (["source"], {}),
    "backbone": ([], {"input_shape": (8, 8, 3), "weights": "none", "seed": 3}),
    "augmentation": ([], {"input_shape": (8, 8, 1), "seed": 3}),
    "imbalance": (["fold"], {"seed": 3}),
    "engine": ([], {"space": {}, "seed": 3, "trials": 20}),
}


@pytest.fixture
def part(tmp_path):
    """Return a function that binds a component to a one-file plugin with the signature and the fields given."""
    numbers = itertools.count()

    def make(kind, signature, text="mine", **fields):
        file = tmp_path / f"plugin{next(numbers)}.py"
        body = f"def build({signature}):\n    return dict(locals())\n"
        file.write_text(f"KIND, FIELDS = {kind!r}, {fields!r}\n{FACTORY}{body}")
        found = next(one for one in KINDS if kind_name(one) == kind)
        return bind(parse_component(text), load_host([file]).find(found, "mine"))

    return make


def build(part, kind, **more):
    positional, given = HARNESS[kind]
    return part.build(*positional, **given, **more)


@pytest.mark.parametrize("kind", HARNESS)
def test_a_factory_gets_only_what_it_names(kind, part):
    positional, given = HARNESS[kind]
    own = [f"first{number}" for number in range(len(positional))]
    expected = dict(zip(own, positional, strict=True))
    assert build(part(kind, ", ".join(own)), kind) == expected
    for name, value in given.items():
        assert build(part(kind, ", ".join([*own, "*", name])), kind) == {**expected, name: value}


@pytest.mark.parametrize("kind", ["backbone", "augmentation", "imbalance", "engine"])
def test_a_factory_of_any_argument_gets_those_of_the_first_api(kind, part):
    positional, given = HARNESS[kind]
    own = [f"first{number}" for number in range(len(positional))]
    found = build(part(kind, ", ".join([*own, "**rest"])), kind)
    assert found["rest"] == {name: value for name, value in given.items() if name != "trials"}


def test_an_older_engine_keeps_its_own_option_trials(part):
    engine = part("engine", "*, space, seed, trials: int = 7")
    assert build(engine, "engine")["trials"] == 7
    chosen = part("engine", "*, space, seed, trials: int = 7", "mine:trials=9")
    check_options(chosen)
    assert build(chosen, "engine")["trials"] == 9


def test_an_older_engine_keeps_its_own_fixed_trials(part):
    assert build(part("engine", "*, space, seed, trials", fixed={"trials": 4}), "engine")["trials"] == 4


def test_users_cannot_set_what_the_harness_gives(part):
    engine = part("engine", "*, space, trials, seed", "mine:trials=9")
    with pytest.raises(UnknownName, match="unknown option of mine 'trials'"):
        check_options(engine)


@pytest.mark.parametrize(("kind", "text"), [("dataset", "mine:first=a"), ("imbalance", "mine:first=3")])
def test_users_cannot_set_what_the_harness_gives_by_position(part, kind, text):
    with pytest.raises(UnknownName, match="unknown option of mine 'first'"):
        check_options(part(kind, "first, *, second=1", text))


@pytest.mark.parametrize("annotation", ["'from 1 to 5'", "'itertools.nothing'", "'int | 3'", "3"])
def test_an_annotation_that_is_no_type_is_not_checked(part, annotation):
    check_options(part("engine", f"*, space, seed, steps: {annotation} = 1, scale: float = 2", "mine:steps=4,scale=1"))
    with pytest.raises(ConfigError, match="scale"):
        check_options(part("engine", f"*, space, seed, steps: {annotation} = 1, scale: float = 2", "mine:scale=large"))


def test_weights_that_a_user_chose_are_not_left_out(part):
    with pytest.raises(ConfigError, match="mine cannot be used with weights=none: its factory has no argument 'weights'"):
        build(part("backbone", "*, input_shape", "mine:weights=none", weights="module:file"), "backbone")


def test_a_searched_parameter_is_not_left_out(part):
    with pytest.raises(TypeError, match="spread"):
        build(part("imbalance", "fold, *, seed"), "imbalance", spread=0.1)
