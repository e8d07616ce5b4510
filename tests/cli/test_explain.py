"""`cxrbench explain`: maps of the images of a run, and what is said about them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import means_of_seeds
from cxrbench_datasets.phantom import load

RUN = (
    *("--data", "phantom:images=480,size=64", "--image-size", 64, "--epochs", 2, "--trials", 1, "--workers", 0, "--offline"),
    *("--backbone", "mobilenet:alpha=0.25", "--no-controls"),
    *("--augmentation", "none", "--imbalance", "none", "--folds", 3, "--seeds", 2),
)
MOBILENET, TEXTURE = "mobilenet:alpha=0.25+none+none", "texture+none+none"
pytestmark = pytest.mark.slow  # MobileNet is compiled for maps, and for the network of each trust measure


@pytest.fixture(scope="session")
def folded_run(run_once):
    """Run MobileNet in three folds."""
    return run_once("explained", "run", *RUN)[0]


@pytest.fixture(scope="session")
def stored_scores(folded_run):
    """Return the stored score of each test image under the mean of the heads, by fold and number of the image."""
    folder, entry = folded_run.protocol_folder(), folded_run.entries()[MOBILENET]
    numbers = {record.key: number for number, record in enumerate(load(images=480, size=64).records)}
    means = means_of_seeds(read_predictions(folder / entry["predictions"], within=folder), "test")
    return {(fold, numbers[key]): score for fold, one in means.items() for key, score in zip(one.keys, one.scores, strict=True)}


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """Write images of the run's dataset to a folder; return the folder."""
    folder, images = tmp_path_factory.mktemp("phantoms"), load(images=480, size=64)
    for number, record in enumerate(images.records[:12]):
        Image.fromarray(images.read(record.key)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture
def explain(folded_run, tmp_path):
    """Return a function that explains images; it returns the completed process, the folder and maps.json."""

    def call(*arguments, run=folded_run):
        folder = tmp_path / "maps"
        result = run.call_here("explain", *arguments, "--to", folder)
        written = folder / "maps.json"
        return result, folder, json.loads(written.read_text()) if written.is_file() else None

    return call


@pytest.fixture(scope="module")
def explained(folded_run, phantoms, tmp_path_factory):
    """Explain all phantoms; return the completed process, the folder and maps.json."""
    folder = tmp_path_factory.mktemp("explained") / "maps"
    result = folded_run.call_here("explain", MOBILENET, phantoms, "--to", folder)
    assert result.returncode == 0, result.stderr
    return result, folder, json.loads((folder / "maps.json").read_text())


def test_heads_of_an_image_did_not_learn_from_it(explained):
    _, folder, maps = explained
    assert [image["part"] for image in maps["images"]] == ["test"] * 12
    assert {image["fold"] for image in maps["images"]} == {0, 1, 2}
    assert not any(image["warnings"] for image in maps["images"])
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(image[kind] for image in maps["images"] for kind in ("map", "overlay")), "maps.json"]
    )


def test_maps_add_up_to_the_logits_of_the_stored_scores(explained, stored_scores):
    _, folder, maps = explained
    assert len({(image["fold"], image["threshold"]) for image in maps["images"]}) == 3
    for number, image in enumerate(maps["images"]):
        assert image["path"].endswith(f"{number:02d}.png")
        assert image["score"] == pytest.approx(stored_scores[image["fold"], number], abs=1e-5)
        values = np.load(folder / image["map"])
        assert values.shape == (2, 2)
        assert values.sum() == pytest.approx(image["sum"])
        assert image["sum"] + image["constant"] == pytest.approx(image["logit"], abs=1e-4)
        assert image["score"] == pytest.approx(1 / (1 + np.exp(-image["logit"])))
        assert image["call"] == ("PNEUMONIA" if image["score"] >= image["threshold"] else "NORMAL")
        with Image.open(folder / image["overlay"]) as overlay:
            assert overlay.format == "PNG"


def test_what_is_said_about_the_maps(explained):
    result, _, maps = explained
    assert "exact about the network, not about the place" in result.stderr
    assert maps["method"] == {"name": "exact", "meaning": maps["method"]["meaning"], "no_exact_map": None}
    for sentence in maps["trust"]["sentences"]:
        assert sentence in result.stderr
    assert maps["trust"]["heads"] == 2
    assert list(maps["trust"]["random_backbone"]) == ["25%", "50%", "75%", "100%"]


@pytest.mark.long
def test_chosen_fold_says_which_images_it_learnt_from(explain, phantoms):
    result, _, maps = explain(MOBILENET, phantoms, "--fold", 1)
    learnt = [image for image in maps["images"] if image["part"] != "test"]
    assert {image["fold"] for image in maps["images"]} == {1}
    assert 0 < len(learnt) < 12
    assert all(image["warnings"] == ["the model learnt from this image"] for image in learnt)
    assert result.stderr.count("the model learnt from this image") == len(learnt)


def test_new_images_are_explained_by_the_first_fold(explain, phantoms, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (50, 60), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a new one.png")
    _, _, maps = explain(MOBILENET, tmp_path / "a new one.png")
    (image,) = maps["images"]
    assert (image["part"], image["fold"]) == (None, 0)
    assert image["warnings"] == ["width / height is 1.20, that of the training images is 1.00 to 1.00"]
    assert image["map"] == "0001-a_new_one.npy"


def test_other_backbones_get_occlusion_and_the_reason(explain, phantoms, small_run):
    result, folder, maps = explain(TEXTURE, phantoms / "00.png", run=small_run[0])
    assert "No exact map: the backbone is not a Keras model." in result.stderr
    assert "do not add up to the logit" in result.stderr
    assert maps["method"]["name"] == "occlusion"
    assert (maps["images"][0]["constant"], maps["images"][0]["near_zero"]) == (None, None)
    assert np.load(folder / maps["images"][0]["map"]).shape == (7, 7)


@pytest.mark.parametrize("method", ["exact", "grad-cam"])
def test_impossible_method_is_refused(explain, phantoms, small_run, method):
    result, _, maps = explain(TEXTURE, phantoms / "00.png", "--method", method, run=small_run[0])
    assert (result.returncode, maps) == (2, None)
    assert f"--method {method}: the backbone is not a Keras model. Use --method occlusion" in result.stderr


@pytest.mark.long
def test_grad_cam_is_the_exact_map_without_negative_values(explain, explained, phantoms):
    images = sorted(phantoms.iterdir())[:4]
    _, folder, maps = explained
    _, other_folder, others = explain(MOBILENET, *images, "--method", "grad-cam")
    for image, other in zip(maps["images"], others["images"], strict=False):
        expected = np.maximum(np.load(folder / image["map"]), 0)
        assert np.allclose(np.load(other_folder / other["map"]), expected, atol=1e-5)


@pytest.mark.long
def test_unreadable_files_are_named_and_others_explained(explain, phantoms, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    result, _, maps = explain(MOBILENET, broken, phantoms / "00.png", tmp_path / "missing.png")
    assert result.returncode == 1
    assert [image["path"] for image in maps["unreadable"]] == [str(broken), str(tmp_path / "missing.png")]
    assert len(maps["images"]) == 1


def test_without_a_readable_image_nothing_is_finished(explain, tmp_path):
    result, _, maps = explain(MOBILENET, tmp_path / "missing.png")
    assert (result.returncode, maps) == (4, None)


def test_folder_in_use_is_refused(explain, phantoms, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/notes.txt").write_text("mine")
    result, folder, _ = explain(MOBILENET, phantoms / "00.png")
    assert result.returncode == 2
    assert "is not empty. Name a new folder" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.long
def test_images_of_the_same_name_get_files_of_their_own(explain, phantoms, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(phantoms / "00.png", tmp_path / name / "image.png")
    _, _, maps = explain(MOBILENET, tmp_path / "a", tmp_path / "b", "--json")
    assert [image["overlay"] for image in maps["images"]] == ["0001-image.png", "0002-image.png"]


@pytest.mark.long
def test_exported_model_is_explained_like_its_row(explain, explained, folded_run, phantoms, tmp_path):
    exported = folded_run.call_here("export", MOBILENET, "--to", tmp_path / "model")
    assert exported.returncode == 0, exported.stderr
    result, _, maps = explain(tmp_path / "model", phantoms)
    assert result.returncode == 0, result.stderr
    of_row = [image for image in explained[2]["images"] if image["fold"] == 0]
    alike = {image["path"]: image for image in maps["images"] if image["part"] == "test"}
    assert [image["path"] for image in of_row] == list(alike)
    for image in of_row:
        assert alike[image["path"]]["sum"] == pytest.approx(image["sum"], abs=1e-4)
    assert sum(image["warnings"] == ["the model learnt from this image"] for image in maps["images"]) == 12 - len(alike)
    assert maps["trust"]["heads"] == 2


@pytest.mark.long
def test_json_on_stdout_is_that_of_the_file(explain, phantoms):
    result, _, maps = explain(MOBILENET, phantoms / "00.png", "--json", "--seed", 1)
    assert json.loads(result.stdout) == maps
    assert maps["model"]["seeds"] == [1]
    assert "Seeds: not measured" in result.stderr
