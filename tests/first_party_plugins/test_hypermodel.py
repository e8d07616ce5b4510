"""KerasTuner's hypermodels as backbones."""

from __future__ import annotations

import json
import sys

import numpy as np
import optuna
import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.plugin import Backbone, Choice, ConfigError, Float, Int, PluginError
from cxrbench_backbones.hypermodel import hypermodel, search_space

SHAPE = (32, 32, 3)
MODULE = '''
import keras
import keras_tuner


class Tiny(keras_tuner.HyperModel):
    """Has every kind of hyper-parameter, a condition and a head that cannot be left out."""

    def __init__(self, input_shape, widest=16):
        super().__init__()
        self.input_shape, self.widest = input_shape, widest

    def build(self, hp):
        hp.Fixed("fixed", 3)
        images = keras.Input(self.input_shape)
        x = keras.layers.Conv2D(hp.Int("width", 4, self.widest, step=4), 3, strides=4, activation="relu")(images)
        hp.Boolean("deep")
        with hp.conditional_scope("deep", [True]):
            rate = hp.Float("rate", 0.1, 0.9, step=0.2)
            if rate is not None:
                x = keras.layers.Conv2D(int(10 * rate + 0.5), 3, activation="relu")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = keras.Model(images, keras.layers.Dense(1)(x))
        model.compile(optimizer=keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")))
        return model


def build(hp):
    """Is a hypermodel without a class, and without pooling."""
    size = hp.Choice("size", [2, 3])
    return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(hp.Int("n", 2, 16, sampling="log"), size)])


def nonsense(hp):
    return "no model"


NOT_CALLABLE = 1
'''


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch, tensorflow_ready):
    """Put a third party's package where it can be imported."""
    (tmp_path / "strangers_models.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("strangers_models", None)


def test_the_space_is_keras_tuners_with_conditional_parameters():
    space = search_space(input_shape=SHAPE, **{"class": "strangers_models.Tiny"})
    assert dict(space) == {
        "width": Int(low=4, high=16, step=4),
        "deep": Choice(options=(False, True)),
        "rate": Float(low=0.1, high=pytest.approx(0.9), step=0.2, when=(("deep", (True,)),)),
    }


def test_a_set_parameter_is_not_searched_and_decides_conditions():
    set_off = search_space(input_shape=SHAPE, **{"class": "strangers_models:Tiny", "deep": False, "widest": 8})
    assert dict(set_off) == {"width": Int(low=4, high=8, step=4)}
    set_on = search_space(input_shape=SHAPE, **{"class": "strangers_models:Tiny", "deep": True})
    assert set_on["rate"].when == ()


def test_a_function_of_hp_is_a_hypermodel_too():
    assert dict(search_space(input_shape=SHAPE, **{"class": "strangers_models.build"})) == {
        "size": Choice(options=(2, 3)),
        "n": Int(low=2, high=16, log=True),
    }
    model = hypermodel(input_shape=SHAPE, weights="none", seed=0, **{"class": "strangers_models.build", "n": 5})
    assert model.output_shape == (None, 5)


def test_a_setting_is_built_headless_and_drawn_from_the_seed():
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)

    def features(seed, **setting):
        built = hypermodel(input_shape=SHAPE, weights="none", seed=seed, **{"class": "strangers_models.Tiny", **setting})
        return np.asarray(built(images))

    assert features(0, width=12, deep=False).shape == (4, 12)
    assert features(0, width=12, deep=True, rate=0.7).shape == (4, 7)
    assert features(0, width=8).tobytes() == features(0, width=8).tobytes() != features(1, width=8).tobytes()
    np.testing.assert_allclose(features(0, width=8).mean(axis=1), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs a class: write hypermodel:class="),
        ({"class": "strangers_models.Absent"}, "cannot be imported: .*Absent"),
        ({"class": "nowhere_at_all.Tiny"}, "cannot be imported"),
        ({"class": "subprocess.Popen", "args": "exit 1", "shell": True}, r"is no keras_tuner\.HyperModel"),
        ({"class": "strangers_models.NOT_CALLABLE"}, "neither a class nor a function"),
        ({"class": "strangers_models.Tiny", "breadth": 3}, "neither an argument nor a hyper-parameter 'breadth'"),
    ],
)
def test_what_cannot_be_meant_is_an_error_for_a_person(options, words):
    with pytest.raises(ConfigError, match=words):
        hypermodel(input_shape=SHAPE, weights="none", seed=0, **options)


def test_something_else_than_a_model_is_refused():
    with pytest.raises(PluginError, match="built str, not a Keras model"):
        hypermodel(input_shape=SHAPE, weights="none", seed=0, **{"class": "strangers_models.nonsense"})


def test_parameters_of_keras_tuners_own_applications_are_found(tensorflow_ready):
    with tensorflow_ready.StatelessScope(initialize_variables=False):  # nobody looks at the weights
        resnet = search_space(input_shape=(64, 64, 3), **{"class": "keras_tuner.applications.HyperResNet"})
        xception = search_space(input_shape=(64, 64, 3), **{"class": "keras_tuner.applications.HyperXception"})
    assert resnet.keys() == {"version", "conv3_depth", "conv4_depth", "pooling"}
    assert resnet["conv4_depth"] == Choice(options=(6, 23, 36))
    assert xception["sep_num_filters"] == Int(low=128, high=768, step=128)


def test_the_source_of_the_class_counts_as_the_backbones_own(host, tmp_path):
    component = parse_component("hypermodel:class=strangers_models.Tiny")
    before = bind(component, host.find(Backbone, "hypermodel")).identity
    other = tmp_path / "other_models.py"
    other.write_text(MODULE, encoding="utf-8")
    renamed = bind(parse_component("hypermodel:class=other_models.Tiny"), host.find(Backbone, "hypermodel")).identity
    assert before.split("|")[-1] == renamed.split("|")[-1] != ""
    assert before.split("|")[-1] != bind(parse_component("texture"), host.find(Backbone, "texture")).identity.split("|")[-1]


@pytest.mark.slow
def test_a_run_records_parameters_and_features_of_each_setting(workspace):
    flags = ("--data", "phantom:images=420,size=32", "--image-size", 32, "--no-controls", "--imbalance", "none")
    result = workspace.call_here(
        *("run", *flags, "--augmentation", "none", "--backbone", "hypermodel:class=strangers_models.Tiny,widest=8"),
        *("--trials", 4, "--epochs", 1, "--offline", "--external", "other=phantom:images=120,size=32,seed=9", "--workers", 0),
    )
    assert result.returncode == 0, result.stderr
    (journal,) = (workspace.folder / "leaderboard" / "studies").glob("*.journal")
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    trials = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend)).trials
    assert len(trials) == 4
    settings = {
        tuple(sorted((name, trial.params[name]) for name in ("width", "deep", "rate") if name in trial.params))
        for trial in trials
    }
    assert all(("rate" in dict(setting)) == dict(setting)["deep"] for setting in settings)
    assert {dict(setting)["deep"] for setting in settings} == {False, True}
    entry = next(
        json.loads(path.read_text())
        for path in workspace.folder.glob("leaderboard/*/entries/*.json")
        if "hypermodel" in path.name
    )
    assert entry["folds"][0]["params"].keys() >= {"learning_rate", "dropout", "width", "deep"}
    features = [folder for folder in (workspace.folder / "home" / "features").iterdir() if (folder / "rows.raw").exists()]
    assert len(features) == len(settings) + 1  # and the external images in the selected setting
    assert list(workspace.folder.glob("leaderboard/*/external/other/hypermodel*.json"))
