"""Images that allow no fair comparison are refused before weights are fetched, features extracted and results written."""

from __future__ import annotations

import pytest

RUN = ("run", "--no-controls", "--augmentation", "none", "--imbalance", "none", "--offline", "--backbone", "asking")
QUICK = ("--trials", 1, "--epochs", 1, "--image-size", 32, "--workers", 0, "--plugin", "asking.py")
PLUGIN = """
from pathlib import Path

import numpy as np

from cxrbench.plugin import Backbone, hookimpl

HERE = __name__


@hookimpl
def register_backbones():
    return [Backbone(name="asking", factory=f"{HERE}:build", weights=f"{HERE}:find_weights")]


def find_weights(*, input_shape, weights):
    with Path("asked-for-weights").open("a") as file:
        file.write("again ")


def build(*, input_shape, weights, seed):
    return lambda images: np.asarray(images).mean(axis=(1, 2))
"""


@pytest.mark.parametrize("command", [("predict", 1, "a.png"), ("evaluate", 1, "--data", "phantom"), ("run", "--offline")])
def test_a_gpu_that_there_is_not_is_refused(workspace, command):
    (workspace.folder / "a.png").touch()
    done = workspace.call_here(*command, "--device", "gpu", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "--device gpu: no GPU was found (CUDA_VISIBLE_DEVICES is '')" in done.stderr


@pytest.fixture
def run(run_here, workspace):
    """Return a function that runs the benchmark with a backbone that leaves a file when it is asked for its weights."""
    (workspace.folder / "asking.py").write_text(PLUGIN)
    return lambda *more: run_here(*RUN, *QUICK, *more)


def times_asked(workspace):
    asked = workspace.folder / "asked-for-weights"
    return asked.read_text().count("again") if asked.exists() else 0


@pytest.fixture
def refused(run, workspace):
    """Return a function that checks that a run is refused early, with words about why."""

    def check(code, words, *more):
        result = run(*more)
        assert result.returncode == code, result.stderr
        assert words in result.stderr
        assert "Traceback" not in result.stderr
        assert times_asked(workspace) <= 1  # whether they are on this machine
        assert not (workspace.folder / "home" / "features").exists()
        assert {path.name for path in workspace.folder.glob("leaderboard/*/*")} <= {"skipped.csv"}

    return check


@pytest.fixture(scope="module")
def images(draw_images, tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("drawn") / "images", 200, 200)


@pytest.fixture
def manifest(workspace, images):
    """Return a function that writes a manifest of 400 drawn images, with values of some of them changed."""
    (workspace.folder / "images").symlink_to(images)

    def write(*more, changed=(), patient=lambda number: f"p{number}"):
        rows = {
            f"images/{name}/{number:03d}.jpeg": [name, patient(number + 200 * label), "train" if number < 160 else "test"]
            for label, name in enumerate(("NORMAL", "PNEUMONIA"))
            for number in range(200)
        }
        for path, values in dict(changed).items():
            rows[path] = values
        lines = [",".join((path, *values)) for path, values in rows.items()]
        (workspace.folder / "images.csv").write_text("\n".join(["path,label,patient,split", *lines, *more]) + "\n")
        return "images.csv"

    return write


def test_too_few_validation_images(refused, write_images):
    write_images("few", 100, 100)
    refused(3, "choosing a threshold and a winner needs at least 50", "--data", "few")


def test_too_few_images_of_a_class(refused, write_images):
    write_images("few", 20, 400)
    refused(3, "and 10 of each class", "--data", "few")


def test_no_test_images_of_a_class(refused, manifest):
    changed = {f"images/NORMAL/{number:03d}.jpeg": ["NORMAL", f"p{number}", "train"] for number in range(160, 200)}
    refused(3, "test set do not cover both classes", "--data", manifest(changed=changed))


def test_more_folds_than_patients(refused, manifest):
    file = manifest(patient=lambda number: f"p{number % 4}")
    refused(2, "--folds 5: images has 4 groups of images", "--data", file, "--split", "grouped", "--folds", 5)


def test_folds_of_which_one_has_too_few_images(refused, manifest):
    file = manifest(patient=lambda number: f"p{number % 5}")
    refused(3, "the validation set has 0 images", "--data", file, "--split", "grouped", "--folds", 5)


def test_a_test_set_that_the_source_does_not_have(refused, images):
    refused(2, "images has no test set of its own", "--data", images, "--split", "official")


def test_a_patient_on_both_sides(refused, manifest):
    changed = {"images/NORMAL/000.jpeg": ["NORMAL", "p199", "train"]}
    refused(3, "belong to 1 patient with images on both sides", "--data", manifest(changed=changed))


def test_a_copied_file_on_both_sides(refused, manifest, workspace):
    copy = (workspace.folder / "images" / "NORMAL" / "199.jpeg").read_bytes()
    (workspace.folder / "copy.jpeg").write_bytes(copy)
    refused(3, "both sides of the split are the same file", "--data", manifest("copy.jpeg,NORMAL,q,train"))


def test_a_copied_file_under_both_labels(refused, manifest, workspace):
    copy = (workspace.folder / "images" / "NORMAL" / "000.jpeg").read_bytes()
    (workspace.folder / "copy.jpeg").write_bytes(copy)
    refused(3, "near-duplicate with the other label", "--data", manifest("copy.jpeg,PNEUMONIA,q,train"))


def test_a_missing_file_under_strict_data(refused, manifest):
    refused(3, "1 of 401 files could not be read", "--data", manifest("gone.jpeg,NORMAL,q,train"), "--strict-data")


def test_a_missing_file_of_an_external_test_set(refused, manifest, write_images):
    ward = write_images("ward", 20, 20)
    (ward / "NORMAL" / "gone.jpeg").symlink_to(ward / "nowhere.jpeg")
    words = "1 of 41 files of ward could not be read, such as NORMAL/gone.jpeg"
    refused(3, words, "--data", manifest(), "--external", "ward=ward", "--strict-data")


def test_images_that_cannot_be_decoded_do_not_refuse_a_run(run, manifest, workspace):
    (workspace.folder / "broken.jpeg").write_bytes(b"\xff\xd8\xff broken")
    file = manifest("broken.jpeg,NORMAL,p0,test")  # the patient is on both sides by this file alone
    result = run("--data", file)
    assert result.returncode == 0, result.stderr
    assert times_asked(workspace) > 1
    assert next(iter(workspace.entries().values()))["dataset"]["skipped"] == 1
