"""A run whose workers cannot start records nothing, and the same command works when that is fixed."""

from __future__ import annotations

import json

import pytest

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--epochs", 1, "--offline", "--backbone", "control-intensity", "--trials", 2)
RECIPE = "control-intensity+none+none"


@pytest.fixture
def run(workspace, tensorflow_ready, draw_images):
    draw_images(workspace.folder / "images", 200, 220)
    return lambda *more, **environment: workspace.call_here(*RUN, *QUICK, *more, **environment)


def test_the_same_command_works_when_the_cause_is_gone(workspace, run):
    stopped = run("--workers", 2, KERAS_BACKEND="nonsense")
    assert stopped.returncode == 2
    assert "error: worker processes cannot start: Keras cannot be imported: ValueError" in stopped.stderr
    assert "KERAS_BACKEND is nonsense: unset it" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert workspace.entries() == {}
    assert list((workspace.folder / "leaderboard" / "studies").glob("*.journal")) == []
    done = run("--workers", 0)
    assert done.returncode == 0, done.stderr
    entry = workspace.entries()[RECIPE]
    assert (entry["status"], entry["folds"][0]["trials"]) == ("complete", {"complete": 2})


@pytest.mark.long
def test_files_named_like_libraries_change_no_number(workspace, run):
    numbers = []
    for names in ((), ("signal", "random", "numpy", "keras", "tensorflow")):
        for name in names:
            (workspace.folder / f"{name}.py").write_text("raise SystemExit('not the library')")
        done = workspace.call(*RUN, *QUICK, "--workers", 1, "--json", "--out", f"out-{len(names)}")
        assert done.returncode == 0, done.stderr
        numbers.append([(row["recipe"], row["auc"], row["brier"]) for row in json.loads(done.stdout)])
    assert numbers[0] == numbers[1]


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 1])
def test_the_settings_of_the_user_change_no_number(workspace, run, workers):
    numbers = []
    settings = {"floatx": "float16", "backend": "torch", "image_data_format": "channels_first", "epsilon": 0.1}
    for text in ("{}", json.dumps(settings)):
        (workspace.folder / "keras").mkdir(exist_ok=True)
        (workspace.folder / "keras" / "keras.json").write_text(text)
        home = workspace.folder / f"home-{len(text)}"
        more = ("--backbone", "random-convnet", "--workers", workers, "--json", "--out", f"out-{len(text)}")
        done = workspace.call(*RUN, *QUICK, *more, CXRBENCH_HOME=str(home))
        assert done.returncode == 0, done.stderr
        features = {path.parent.name for path in home.glob("features/*/*")}
        numbers.append(([(row["recipe"], row["auc"], row["brier"]) for row in json.loads(done.stdout)], features))
    assert numbers[0] == numbers[1]
