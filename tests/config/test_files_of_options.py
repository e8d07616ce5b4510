"""Files that options name count by their bytes, and one meaning of options has one spelling."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.config.component import parse_component
from cxrbench.config.local_files import digest_of
from cxrbench.config.part import bind, check_options
from cxrbench.config.recipe import Recipe, all_recipes, expand
from cxrbench.errors import ConfigError
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Augmentation, Backbone, Dataset, Engine, Imbalance

SQUEEZE = Path(__file__).parents[1] / "samples" / "plugins" / "squeeze" / "squeeze.py"
GIVEN = {"input_shape": (64, 64, 3), "weights": "none", "seed": 0}
IMAGES = np.linspace(0, 255, 2 * 64 * 64 * 3, dtype=np.float32).reshape(2, 64, 64, 3)


@pytest.fixture(scope="module")
def squeeze_host():
    return load_host([SQUEEZE])


@pytest.fixture
def part(squeeze_host):
    def bound(text, kind=Backbone):
        component = parse_component(text)
        return bind(component, squeeze_host.find(kind, component.name))

    return bound


def write_weights(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, kernels=np.random.default_rng(seed).standard_normal((8, 64)))
    return path


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Return the weights `w/x.npz` in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_weights(tmp_path / "w" / "x.npz", 1)


def test_a_file_is_shown_by_its_name_and_a_short_digest(part, weights):
    digest = digest_of(weights)
    assert str(part("squeeze:file=w/x.npz").component) == f"squeeze:file=x.npz@sha256:{digest[:8]}"
    assert part("squeeze:file=w/x.npz").identity.startswith(f"squeeze:file=sha256:{digest}|")


def test_the_same_bytes_by_any_path_are_the_same_component(part, weights, tmp_path, monkeypatch):
    texts = ["w/x.npz", "./w/x.npz", "w/../w/x.npz", str(weights), f'"{weights}"']
    (tmp_path / "link.npz").symlink_to(weights)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.npz").write_bytes(weights.read_bytes())
    assert len({part(f"squeeze:file={text}") for text in [*texts, "link.npz", "elsewhere/x.npz"]}) == 1
    assert len({str(part(f"squeeze:file={text}").component) for text in [*texts, "elsewhere/x.npz"]}) == 1
    before = part("squeeze:file=w/x.npz")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert part("squeeze:file=x.npz") == before


def test_other_bytes_at_the_same_path_are_another_component(part, weights):
    before = part("squeeze:file=w/x.npz")
    features = before.build(**GIVEN)(IMAGES)
    write_weights(weights, 2)
    after = part("squeeze:file=w/x.npz")
    assert after != before
    assert after.identity != before.identity
    assert str(after.component) != str(before.component)
    assert not np.allclose(after.build(**GIVEN)(IMAGES), features)


def test_bytes_changed_in_place_within_a_moment_are_seen(part, weights):
    before, status = part("squeeze:file=w/x.npz"), weights.stat()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert part("squeeze:file=w/x.npz") != before


def test_a_file_that_changes_during_a_run_stops_its_use(part, weights):
    sent = pickle.dumps(part("squeeze:file=w/x.npz"))
    write_weights(weights, 2)
    with pytest.raises(ConfigError, match=r"x\.npz was changed during the run"):
        pickle.loads(sent).build(**GIVEN)
    weights.unlink()
    with pytest.raises(ConfigError, match=r"x\.npz was changed during the run"):
        pickle.loads(sent).build(**GIVEN)


def test_the_factory_gets_a_path_that_holds_in_any_folder(part, weights, tmp_path, monkeypatch):
    bound = part("squeeze:file=w/x.npz,width=2")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert bound.build(**GIVEN)(IMAGES).shape == (2, 2)


def test_a_name_copied_from_a_row_finds_its_file_by_its_bytes(part, weights, tmp_path, monkeypatch):
    before = part("squeeze:file=w/x.npz")
    monkeypatch.chdir(tmp_path / "w")
    assert part(str(before.component)) == before
    assert part(str(before.component)).build(**GIVEN)(IMAGES).shape == (2, 4)
    write_weights(weights, 2)
    with pytest.raises(ConfigError, match=r"x\.npz in the working folder has other bytes"):
        part(str(before.component))
    weights.unlink()
    with pytest.raises(ConfigError, match=r"there is no x\.npz in the working folder"):
        part(str(before.component))


def test_a_folder_counts_by_its_names_and_bytes(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_weights(tmp_path / "model" / "deep" / "a.npz", 1)
    seen = {part("squeeze:file=model/").identity}
    write_weights(tmp_path / "model" / "deep" / "a.npz", 2)
    seen.add(part("squeeze:file=model/").identity)
    (tmp_path / "model" / "deep" / "a.npz").rename(tmp_path / "model" / "deep" / "b.npz")
    seen.add(part("squeeze:file=model/").identity)
    (tmp_path / "model" / "empty.txt").touch()
    seen.add(part("squeeze:file=model/").identity)
    assert len(seen) == 4
    assert part("squeeze:file=./model") == part(f"squeeze:file={tmp_path}/model")


def test_a_link_to_the_folder_itself_ends(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_weights(tmp_path / "model" / "a.npz", 1)
    (tmp_path / "model" / "again").symlink_to(tmp_path / "model")
    assert str(part("squeeze:file=./model").component).startswith("squeeze:file=model@sha256:")


def test_a_bare_word_that_is_also_a_file_counts_and_stays_a_word(part, weights, tmp_path):
    bound = part("squeeze:file=w/x.npz,pooling=median")
    (tmp_path / "median").write_text("1")
    with_file = part("squeeze:file=w/x.npz,pooling=median")
    assert with_file != bound
    assert with_file.arguments["pooling"] == "median"


def test_a_bare_word_copied_from_a_row_stays_a_word(part, weights, tmp_path):
    (tmp_path / "median").write_text("1")
    with_file = part("squeeze:file=w/x.npz,pooling=median")
    copied = part(f"squeeze:file=w/x.npz,pooling={dict(with_file.component.options)['pooling']}")
    assert copied == with_file
    assert copied.arguments["pooling"] == "median"


def test_the_name_of_a_class_folder_is_no_file_of_a_dataset(host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "HEALTHY").mkdir()
    folder = bind(parse_component("folder:source=.,negative=HEALTHY"), host.find(Dataset, "folder"))
    assert not folder.files
    assert str(folder.component.without("source")) == "folder:negative=HEALTHY"


def test_a_folder_of_a_dataset_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.png").write_text("1")
    file = tmp_path / "ward.py"
    file.write_text(
        "from cxrbench.plugin import Dataset, hookimpl\n@hookimpl\ndef register_datasets():\n"
        "    return [Dataset(name='ward', factory=f'{__name__}:load')]\n"
        "def load(source, *, images: str): return images\n"
    )
    monkeypatch.setattr("cxrbench.config.local_files.digest_file", pytest.fail)
    ward = bind(parse_component(f"ward:images={tmp_path}/scans"), load_host([file]).find(Dataset, "ward"))
    assert str(ward.component) == "ward:images=scans"
    assert ward.build("") == str(tmp_path / "scans")


def test_a_choice_is_never_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "max").write_text("1")
    host = load_host([SQUEEZE.parents[1] / "with_options.py"])
    assert str(bind(parse_component("described:pooling=max"), host.find(Backbone, "described")).component) == (
        "described:pooling=max"
    )


@pytest.mark.parametrize("keyword", ["imagenet", "none"])
def test_a_keyword_of_weights_is_never_a_file(host, tmp_path, monkeypatch, keyword):
    monkeypatch.chdir(tmp_path)
    (tmp_path / keyword).mkdir()
    assert not bind(parse_component(f"mobilenet:weights={keyword}"), host.find(Backbone, "mobilenet")).files


@pytest.mark.parametrize("name", ["squeeze-default", "squeeze-fixed"])
def test_the_file_of_a_default_or_fixed_argument_counts(part, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    identities = {part(name).identity}
    for seed in (1, 2):
        write_weights(tmp_path / "weights.npz", seed)
        identities.add(part(name).identity)
    assert len(identities) == 3
    assert str(part(name).component) == name


def test_a_default_file_given_by_another_path_is_the_default(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_weights(tmp_path / "weights.npz", 1)
    assert part(f"squeeze-default:file={tmp_path}/weights.npz") == part("squeeze-default")


def test_files_of_augmentations_count_too(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    identities = set()
    for white in (255, 200):
        (tmp_path / "curve.csv").write_text(f"0,255\n0,{white}\n")
        identities.add(part("tone-curve:table=curve.csv", Augmentation).identity)
    assert len(identities) == 2


@pytest.mark.parametrize("text", ["/no/such/file.npz", "~/no such file.npz"])
def test_an_absolute_path_without_a_file_is_refused(part, text):
    with pytest.raises(ConfigError, match="no such file or folder"):
        part(f'squeeze:file="{text}"')


@pytest.mark.parametrize(
    ("kind", "plain", "spelled_out"),
    [
        (Backbone, "texture", "texture:weights=none"),
        (Backbone, "texture", "texture:orientations=8,radius=1"),
        (Backbone, "mobilenet", "mobilenet:weights=imagenet"),
        (Backbone, "mobilenet", "mobilenet:alpha=1"),
        (Backbone, "mobilenet", "mobilenet:preprocessing=native"),
        (Augmentation, "gentle", "gentle:views=4"),
    ],
)
def test_an_option_at_its_default_is_the_plain_component(host, kind, plain, spelled_out):
    first, second = (bind(parse_component(text), host.find(kind, plain)) for text in (plain, spelled_out))
    assert (first, first.identity, str(first.component)) == (second, second.identity, str(second.component))


def test_whole_numbers_of_a_real_option_have_one_spelling(host):
    (one,) = expand(host, Backbone, ["mobilenet:alpha=1.0", "mobilenet:alpha=1"])
    assert str(one.component) == "mobilenet"
    with pytest.raises(ConfigError, match="alpha=true"):
        check_options(bind(parse_component("mobilenet:alpha=true"), host.find(Backbone, "mobilenet")))


def test_a_default_of_a_real_option_may_be_a_whole_number(tmp_path):
    file = tmp_path / "whole.py"
    file.write_text(
        "from cxrbench.plugin import Backbone, hookimpl\n@hookimpl\ndef register_backbones():\n"
        "    return [Backbone(name='whole', factory=f'{__name__}:build')]\n"
        "def build(*, input_shape, weights, seed, scale: float = 1): ...\n"
    )
    parts = expand(load_host([file]), Backbone, ["whole", "whole:scale=1", "whole:scale=1.0"])
    assert [str(part.component) for part in parts] == ["whole"]


def test_an_engine_stays_as_it_is_written(host):
    text = "fixed:dropout=0.5,learning_rate=1"
    assert str(bind(parse_component(text), host.find(Engine, "fixed")).component) == text


def test_a_searched_parameter_at_its_default_stays_set():
    hypermodel = load_host().find(Backbone, "hypermodel")
    text = "hypermodel:class=keras_tuner.applications.HyperResNet,preprocessing=rescale"
    assert str(bind(parse_component(text), hypermodel).component) == text


def test_an_option_of_the_harness_at_its_default_is_still_refused(part, weights):
    with pytest.raises(ConfigError, match="unknown option of squeeze 'seed'"):
        check_options(part("squeeze:file=w/x.npz,seed=0"))


def test_one_file_given_twice_is_one_recipe(squeeze_host, weights, tmp_path):
    (tmp_path / "copy.npz").write_bytes(weights.read_bytes())
    backbones = ["squeeze:file=w/x.npz", f"squeeze:file={weights},scale=1", "squeeze:file=copy.npz"]
    (recipe,) = all_recipes(
        expand(squeeze_host, Backbone, backbones),
        expand(squeeze_host, Augmentation, ["none"]),
        expand(squeeze_host, Imbalance, ["none"]),
    )
    assert str(recipe).startswith("squeeze:file=x.npz@sha256:")


@given(contents=st.lists(st.binary(max_size=4), min_size=2, max_size=5))
def test_recipes_are_equal_exactly_if_their_bytes_are(squeeze_host, tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("contents")
    recipes = []
    for number, content in enumerate(contents):
        (folder / f"{number}.bin").write_bytes(content)
        squeeze = bind(parse_component(f"squeeze:file={folder}/{number}.bin"), squeeze_host.find(Backbone, "squeeze"))
        none = (expand(squeeze_host, kind, ["none"])[0] for kind in (Augmentation, Imbalance))
        recipes.append(Recipe(backbone=squeeze, augmentation=next(none), imbalance=next(none)))
    assert len(set(recipes)) == len({one.canonical for one in recipes}) == len(set(contents))
