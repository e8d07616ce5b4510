"""Recipes: the grid, wildcards, controls, names that hold on every file system."""

import pickle
import re
from functools import cache
from itertools import combinations
from pathlib import Path
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.config.component import Component, looks_absolute, parse_component
from cxrbench.config.part import bind
from cxrbench.config.recipe import Recipe, all_recipes, control_recipes, expand, is_pattern
from cxrbench.errors import UnknownName
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Augmentation, Backbone, Imbalance

PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"
CONTROLS = ["control-border", "control-intensity", "control-thumbnail"]
KINDS = (Backbone, Augmentation, Imbalance)
SUFFIX = len(".json.12345678.part") + 1  # what a temporary name adds

installed = cache(load_host)


def part(kind, component):
    return bind(component, installed().find(kind, component.name))


def components(*names):
    keys = st.text(alphabet=f"{ascii_lowercase}_", min_size=1, max_size=8)
    values = st.booleans() | st.integers() | st.floats() | st.text(alphabet="aA1+:/., -\n", max_size=8) | st.text(max_size=300)
    values = values.filter(lambda value: not looks_absolute(value))  # such a file does not exist
    options = st.dictionaries(keys, values, max_size=2).map(lambda found: tuple(sorted(found.items())))
    return st.builds(lambda name, chosen: Component(name=name, options=chosen), st.sampled_from(names), options)


RECIPES = st.builds(
    lambda backbone, augmentation, imbalance: Recipe(
        backbone=part(Backbone, backbone), augmentation=part(Augmentation, augmentation), imbalance=part(Imbalance, imbalance)
    ),
    components("texture", "mobilenet"),
    components("none", "gentle"),
    components("none", "smote"),
)


def recipe(*texts):
    backbone, augmentation, imbalance = (part(kind, parse_component(text)) for kind, text in zip(KINDS, texts, strict=True))
    return Recipe(backbone=backbone, augmentation=augmentation, imbalance=imbalance)


def written(kind, *texts):
    return [str(found.component) for found in expand(installed(), kind, texts)]


def grid(host, backbones, augmentations, imbalances, *, controls):
    parts = (expand(host, kind, texts) for kind, texts in zip(KINDS, (backbones, augmentations, imbalances), strict=True))
    return all_recipes(*parts, control_recipes(host) if controls else ())


def test_the_grid_is_every_combination_in_the_order_given():
    recipes = grid(installed(), ["texture", "mobilenet"], ["none", "gentle"], ["smote", "none"], controls=False)
    assert [str(found) for found in recipes] == [
        f"{backbone}+{augmentation}+{imbalance}"
        for backbone in ("texture", "mobilenet")
        for augmentation in ("none", "gentle")
        for imbalance in ("smote", "none")
    ]


def test_each_control_takes_part_once_with_none_and_none():
    recipes = grid(installed(), ["texture"], ["gentle", "strong"], ["smote", "focal"], controls=True)
    assert [str(found) for found in recipes[4:]] == [f"{control}+none+none" for control in CONTROLS]


@pytest.mark.parametrize(
    "backbones", [["texture", "texture"], ["texture", "text*"], ["texture", "control-border"], ["all", "all"]]
)
def test_no_recipe_comes_twice(backbones):
    recipes = [str(found) for found in grid(installed(), backbones, ["none", "none"], ["none", "n*"], controls=True)]
    assert len(recipes) == len(set(recipes))
    assert set(CONTROLS) <= {found.partition("+")[0] for found in recipes}


def test_a_wildcard_stands_for_all_names_that_match():
    assert written(Backbone, "mobilenet*") == [name for name in written(Backbone, "all") if name.startswith("mobilenet")]
    assert len(written(Backbone, "mobilenet*")) > 1


def test_the_options_of_a_wildcard_go_to_each_name():
    plain = written(Imbalance, "*smote")
    assert {"smote", "borderline-smote"} == set(plain)
    assert written(Imbalance, "*smote:k_neighbors=3") == [f"{name}:k_neighbors=3" for name in plain]


def test_all_leaves_out_the_controls_which_can_be_named():
    everything = {declaration.spec.name for declaration in installed().declarations(Backbone)}
    assert set(written(Backbone, "all")) == everything - set(CONTROLS)
    assert written(Augmentation, "all") == ["gentle", "none", "paper", "strong"]
    assert written(Backbone, "control-border") == ["control-border"]


def test_a_wildcard_that_matches_nothing_is_quoted_in_the_error():
    with pytest.raises(UnknownName, match=r"unknown backbone 'rasnet\*'"):
        expand(installed(), Backbone, ["rasnet*"])


def test_two_spellings_of_one_component_count_once():
    assert written(Backbone, "texture:radius=2,orientations=4", "texture: orientations=4, radius=2") == [
        "texture:orientations=4,radius=2"
    ]


@pytest.mark.parametrize(("text", "expected"), [("all", True), ("mobilenet*", True), ("vgg1?", True), ("texture", False)])
def test_patterns_are_told_from_names(text, expected):
    assert is_pattern(text) is is_pattern(f"{text}:alpha=0.5") is expected


def test_the_same_recipe_is_equal_wherever_it_was_made():
    one, two = recipe("texture:radius=2", "gentle", "smote"), recipe("texture: radius = 2", "gentle", "smote")
    travelled = pickle.loads(pickle.dumps(one))
    assert one == two == travelled
    assert one.identity == two.identity == travelled.identity
    assert one.file_stem == two.file_stem == travelled.file_stem
    assert len({one, two, travelled}) == 1


def test_recipes_that_differ_in_one_option_have_other_identities():
    recipes = [
        recipe("texture", "gentle", "smote"),
        recipe("texture:radius=2", "gentle", "smote"),
        recipe("texture", "gentle:views=8", "smote"),
        recipe("texture", "gentle", "smote:k_neighbors=3"),
        recipe("texture", "gentle", "none"),
    ]
    assert len({found.identity for found in recipes}) == len(set(recipes)) == len({str(found) for found in recipes}) == 5


def test_the_file_name_of_a_recipe_reads_like_it():
    assert recipe("texture", "none", "class-weights").file_stem == "texture+none+class-weights"
    assert re.fullmatch(r"texture-radius=2\+none\+none-[0-9a-f]{6,}", recipe("texture:radius=2", "none", "none").file_stem)


@given(RECIPES)
def test_file_names_are_safe_everywhere(found):
    stem = found.file_stem
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+=-]*", stem)
    assert len(stem) + SUFFIX <= 255


@given(st.lists(RECIPES, min_size=2, max_size=6))
def test_recipes_have_different_file_names_even_without_case(recipes):
    for one, two in combinations(recipes, 2):
        assert (one.file_stem.casefold() == two.file_stem.casefold()) == (one.identity == two.identity)


def test_a_plus_in_an_option_does_not_make_two_recipes_one():
    one = Recipe(
        backbone=part(Backbone, Component(name="texture", options=(("note", "x"),))),
        augmentation=part(Augmentation, Component(name="none")),
        imbalance=part(Imbalance, Component(name="none", options=(("z", "1+none"),))),
    )
    two = Recipe(
        backbone=part(Backbone, Component(name="texture", options=(("note", "x+none"),))),
        augmentation=part(Augmentation, Component(name="none", options=(("z", 1),))),
        imbalance=part(Imbalance, Component(name="none")),
    )
    assert str(one) != str(two)
    assert one.file_stem != two.file_stem


@pytest.mark.parametrize("length", [60, 120])
def test_long_names_of_plugins_still_make_a_file_name(length, tmp_path):
    plugin = tmp_path / "long.py"
    lines = ["from cxrbench import Augmentation, Backbone, Imbalance, hookimpl"]
    for kind in ("augmentation", "backbone", "imbalance"):
        lines += ["@hookimpl", f"def register_{kind}s():", f"    return [{kind.title()}(name={'x' * length!r}, factory='m:f')]"]
    plugin.write_text("\n".join(lines))
    host = load_host([plugin])
    stem = grid(host, ["x" * length], ["x" * length], ["x" * length], controls=False)[0].file_stem
    assert len(stem) + SUFFIX <= 255


def test_a_one_file_plugin_takes_part_like_any_other():
    host = load_host([PLUGINS / "good.py"])
    assert [str(found) for found in grid(host, ["coarse-*"], ["none"], ["none"], controls=False)] == ["coarse-pixels+none+none"]
