"""Results are computed with the same settings of Keras, whatever the user's keras.json and environment say."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cxrbench.errors import WorkersUnavailable
from cxrbench.execution import keras_process
from cxrbench.execution.executor import InProcessExecutor
from cxrbench.execution.keras_process import ignored_settings, import_keras, keras_of_results, settings_file

NEEDED = {"floatx": "float32", "epsilon": 1e-7, "data_format": "channels_last", "policy": "float32", "backend": "tensorflow"}
OTHER = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first", "backend": "torch"}
REPORT = """
import json, os
from cxrbench.execution.keras_process import import_keras
keras = import_keras()
import tensorflow
config = keras.config
print(json.dumps({
    "floatx": config.floatx(), "epsilon": config.epsilon(), "data_format": config.image_data_format(),
    "policy": config.dtype_policy().name, "backend": config.backend(), "variable": os.environ.get("KERAS_BACKEND"),
    "legacy": os.environ.get("TF_USE_LEGACY_KERAS"), "dtype": keras.layers.Dense(1).compute_dtype,
}))
"""


def write_settings(folder, monkeypatch, **settings):
    (folder / "keras.json").write_text(json.dumps(settings))
    monkeypatch.setenv("KERAS_HOME", str(folder))


def settings_now():
    import keras

    config = keras.config
    names = {"floatx": config.floatx(), "epsilon": config.epsilon(), "data_format": config.image_data_format()}
    return {**names, "policy": config.dtype_policy().name, "backend": config.backend()}


IMPORT = """
from cxrbench.execution.keras_process import WorkersUnavailable, import_keras
try:
    import_keras()
except WorkersUnavailable as error:
    print(error)
"""


def problem_of_import():
    return subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.long
def test_keras_json_and_legacy_keras_do_not_count(tmp_path, monkeypatch):
    write_settings(tmp_path, monkeypatch, **OTHER)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    done = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {**NEEDED, "variable": None, "legacy": None, "dtype": "float32"}


@pytest.mark.parametrize("backend", ["torch", "nonsense", "theano"])
def test_a_backend_that_cannot_be_imported_is_named(tmp_path, monkeypatch, backend):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", backend)
    if backend == "torch":
        (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    problem = problem_of_import()
    assert problem.startswith("Keras cannot be imported: ")
    assert problem.endswith(f"KERAS_BACKEND is {backend}: unset it, or install that backend")


@pytest.mark.parametrize(("name", "value"), [("floatx", "half"), ("image_data_format", "NCHW"), ("epsilon", "small")])
def test_a_setting_that_keras_refuses_is_named_with_its_file(tmp_path, monkeypatch, name, value):
    write_settings(tmp_path, monkeypatch, **{name: value})
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert problem_of_import().endswith(f"{tmp_path / 'keras.json'} sets {name}={value}: correct it, or remove the file")


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"other": 1}', json.dumps(NEEDED), '{"floatx": "float32"}'])
def test_settings_that_change_nothing_are_not_reported(tmp_path, monkeypatch, text):
    (tmp_path / "keras.json").write_text(text)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert ignored_settings() == {}


def test_settings_that_are_ignored_are_reported(tmp_path, monkeypatch):
    write_settings(tmp_path, monkeypatch, **OTHER)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert ignored_settings() == OTHER
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert "backend" not in ignored_settings()
    assert settings_file() == tmp_path / "keras.json"


def test_a_users_own_process_gets_its_settings_back(tensorflow_ready):
    config, before = tensorflow_ready.config, settings_now()
    config.set_floatx("float16")
    config.set_image_data_format("channels_first")
    config.set_dtype_policy("mixed_bfloat16")
    try:
        inside = InProcessExecutor(keras_of_results).submit(settings_now).result()
        after = settings_now()
    finally:
        config.set_floatx("float32")
        config.set_image_data_format("channels_last")
        config.set_dtype_policy("float32")
    assert inside == NEEDED
    assert after == {**before, "floatx": "float16", "data_format": "channels_first", "policy": "mixed_bfloat16"}


def test_keras_with_another_backend_than_that_of_results(tensorflow_ready, monkeypatch):
    monkeypatch.setattr(tensorflow_ready.config, "backend", lambda: "jax")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    call = InProcessExecutor(keras_of_results).submit(os.getpid)
    with pytest.raises(WorkersUnavailable, match="set KERAS_BACKEND=jax to compute with it, or use --workers 1"):
        call.result()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert import_keras() is tensorflow_ready


def test_a_backend_that_cannot_train_is_refused(tensorflow_ready, monkeypatch):
    monkeypatch.setattr(tensorflow_ready.config, "backend", lambda: "numpy")
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    with pytest.raises(WorkersUnavailable, match="KERAS_BACKEND is numpy, which cannot train: unset it"):
        import_keras()


def test_the_default_backend_is_set_for_imports_only(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with keras_process.default_backend():
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert "KERAS_BACKEND" not in os.environ
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with keras_process.default_backend():
        assert os.environ["KERAS_BACKEND"] == "jax"
    assert os.environ["KERAS_BACKEND"] == "jax"
