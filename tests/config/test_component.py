"""Components: one spelling for equal ones, and options held against the signature of the factory."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cxrbench.config.component import LONGEST_COMPONENT, Component, parse_component
from cxrbench.config.fields import ComponentText, RecipeName
from cxrbench.config.part import bind, check_options
from cxrbench.errors import ConfigError, MissingRequirement, UnknownName
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Backbone

NAMES = st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,2}", fullmatch=True)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
NUMBERS = st.booleans() | st.integers() | st.floats()
WORDS = st.from_regex(r"[A-Za-z0-9_./~-]{0,12}", fullmatch=True)
AWKWARD = st.text(alphabet="a1 ,=:+#'\"\\[]\n", max_size=6)


def component(name, options):
    return Component(name=name, options=tuple(sorted(options.items())))


def read_back(written):
    """Compare by `repr`, because 1, 1.0 and true are equal, and nan is not."""
    assert repr(parse_component(str(written))) == repr(written)


@given(NAMES, st.dictionaries(KEYS, NUMBERS | WORDS, max_size=4))
@example("n", {"a": "true", "b": "1e3", "c": "inf", "d": "-0", "e": "0x10", "f": "", "g": "01"})
def test_numbers_and_words_are_read_back_with_their_types(name, options):
    read_back(component(name, options))


@given(NAMES, st.dictionaries(KEYS, AWKWARD | st.text(max_size=6), min_size=1, max_size=2))
@example(
    "n", {"a": "a,b", "b": "C:\\films", "c": "it's", "d": "a=b", "e": "x:y", "f": "1 # 2", "g": "'a'", "h": "[1]", "i": "é"}
)
@example("folder", {"source": "C:\\my films, 2019"})
@example("folder", {"source": 'the "best" films, 2019'})
@example("folder", {"source": "films "})
def test_any_text_is_read_back_as_it_was(name, options):
    read_back(component(name, options))


@given(st.permutations(["alpha=0.25", "beta='x'", "gamma=true", "Zeta=1"]))
def test_the_order_of_options_makes_no_difference(options):
    read = parse_component(f"name:{','.join(options)}")
    assert str(read) == "name:Zeta=1,alpha=0.25,beta=x,gamma=true"
    assert hash(read) == hash(parse_component(str(read)))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("n", {}),
        (" n ", {}),
        ("n:a=0.25", {"a": 0.25}),
        ("n:a=3", {"a": 3}),
        ("n:a=1_000", {"a": 1000}),
        ("n:a=1e3", {"a": 1000.0}),
        ("n:a=true,b=false", {"a": True, "b": False}),
        ("n:a=True", {"a": "True"}),
        ("n:a=max", {"a": "max"}),
        ('n:a="1"', {"a": "1"}),
        ("n:a='x, y', b = 2 ", {"a": "x, y", "b": 2}),
        ("n:a=/my films/x-ray:1", {"a": "/my films/x-ray:1"}),
        ("n:a=[1]", {"a": "[1]"}),
        ("n:a=1979-05-27", {"a": "1979-05-27"}),
        ("n:a=", {"a": ""}),
    ],
)
def test_values_are_read_as_in_toml_and_bare_words_as_text(text, options):
    read = parse_component(text)
    assert read.name == "n"
    assert repr(dict(read.options)) == repr(options)


@pytest.mark.parametrize(
    "text",
    ["", " ", ":x", ":x=1", "name:", "name: ", "name:a", "name:a=1,b", "name:=1", "name:1a=2", "name:a=1,,b=2", "n:a-b=1"],
)
def test_what_is_no_component_is_quoted_and_the_form_shown(text):
    with pytest.raises(ConfigError) as caught:
        parse_component(text)
    assert repr(text) in str(caught.value)
    assert "name:key=value,key=value" in str(caught.value)


def test_an_option_given_twice_is_named():
    with pytest.raises(ConfigError, match="duplicate option 'a'"):
        parse_component("n:a=1,b=2,a=1")


def part(text):
    read = parse_component(text)
    host = load_host([Path(__file__).parents[1] / "samples" / "plugins" / "with_options.py"])
    return bind(read, host.find(Backbone, read.name))


@pytest.mark.parametrize(
    "options",
    ["pooling=max", "pooling=avg,depth=5", "scale=2", "scale=0.5", "crop=true", "note=hello", 'note="5"', "note=''"],
)
def test_options_of_the_annotated_types_are_accepted(options):
    check_options(part(f"described:{options}"))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("pooling=mean", "'avg' or 'max'"),
        ("depth=2.5", "valid integer"),
        ("depth=deep", "valid integer"),
        ("depth=true", "valid integer"),
        ("scale=wide", "valid number"),
        ("scale=true", "valid number"),
        ("crop=1", "valid boolean"),
        ("note=5", "valid string"),
    ],
)
def test_a_value_of_a_wrong_type_is_named_with_what_is_expected(option, reason):
    with pytest.raises(ConfigError) as caught:
        check_options(part(f"described:{option}"))
    assert str(caught.value).startswith(f"described:{option}: option {option} ")
    assert reason in str(caught.value)


def test_types_that_only_type_checkers_import_are_not_checked():
    check_options(part("type-checked:grid=wide,depth=4"))
    with pytest.raises(ConfigError, match="option depth=deep should be a valid integer"):
        check_options(part("type-checked:grid=wide,depth=deep"))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("poling=max", "unknown option of described 'poling': did you mean pooling"),
        ("qqqq=1", "known: crop, depth, note, pooling, scale, seen, weights$"),
        ("seed=3", "unknown option of described"),  # the harness sets it
        ("input_shape=3", "unknown option of described"),  # likewise
        ("network=large", "unknown option of described"),  # the declaration sets it
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest_or_all(option, words):
    with pytest.raises(UnknownName, match=words):
        check_options(part(f"described:{option}"))


def test_options_of_the_harness_reach_the_factory_from_it_alone():
    open_to_any = part("open:weights=mine,depth=4")
    check_options(open_to_any)
    assert open_to_any.build(input_shape=(8, 8, 3), weights="harness", seed=0) == {"depth": 4}


def test_a_factory_of_any_option_gets_none_of_the_harness():
    check_options(part("open:colour=red"))
    assert part("open:colour=red").build(input_shape=1, weights=2, seed=3) == {"colour": "red"}
    with pytest.raises(UnknownName):
        check_options(part("open:seed=3"))


def test_a_missing_package_is_named_with_how_to_install_it():
    with pytest.raises(
        MissingRequirement, match=r"^needy needs no-such-distribution>=2, .*pip install no-such-distribution>=2"
    ):
        part("needy").build(input_shape=1, weights=2, seed=3)


def test_the_longest_components_fit_into_an_entry():
    longest = "n:note=" + "x" * (LONGEST_COMPONENT - 7)
    assert TypeAdapter(ComponentText).validate_python(str(parse_component(longest))) == longest
    assert TypeAdapter(RecipeName).validate_python("+".join([longest] * 3))
    with pytest.raises(ConfigError, match="at most 1,000 characters"):
        parse_component(f"{longest}x")


def test_a_component_that_is_long_only_as_rows_show_it_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.h5").write_bytes(b"1")
    with pytest.raises(ConfigError, match="at most 1,000 characters"):
        part(f"open:note={'x' * (LONGEST_COMPONENT - 30)},file=w.h5")
