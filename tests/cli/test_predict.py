"""`cxrbench predict`: new images in, scores out."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess

import numpy as np
import pytest
from PIL import Image

from cxrbench.data.source import find_dataset, read_images
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import of_subset

RECIPE = "texture+none+none"
NETWORK = "random-convnet+none+none"


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory, host):
    """Write the phantoms of the small run as files, and return their folder."""
    folder = tmp_path_factory.mktemp("phantoms")
    images = read_images(find_dataset("phantom:images=420,size=64", host), lambda download: download)
    for record in images.records:
        path = folder / f"{record.key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.read(record.key)).save(path)
    return folder


@pytest.fixture
def predict(small_run):
    """Return a function that predicts with a model of the small run, in this process."""
    return lambda *arguments, recipe=RECIPE: small_run[0].call_here("predict", recipe, *arguments, "--offline")


def rows_of(result):
    return list(csv.DictReader(io.StringIO(result.stdout)))


def stored_scores(workspace, recipe, subset):
    entry = workspace.entries()[recipe]
    (one,) = of_subset(read_predictions(workspace.protocol_folder() / entry["predictions"]), subset).values()
    return one


@pytest.mark.parametrize("recipe", [pytest.param(RECIPE, marks=pytest.mark.long), NETWORK])
def test_files_get_the_scores_of_the_run(small_run, phantoms, predict, recipe):
    stored = stored_scores(small_run[0], recipe, "test")
    files = [phantoms / f"{key}.png" for key in stored.keys]
    result = predict(*files, recipe=recipe)
    assert (result.returncode, "Traceback" in result.stderr) == (0, False)
    rows = rows_of(result)
    assert [row["path"] for row in rows] == [str(file) for file in files]
    scores = np.array([float(row["score"]) for row in rows])
    assert np.abs(scores - stored.scores).max() <= 1e-6
    threshold = small_run[0].entries()[recipe]["folds"][0]["heads"][0]["threshold"]
    assert {float(row["threshold"]) for row in rows} == {threshold}
    assert [row["call"] for row in rows] == ["PNEUMONIA" if score >= threshold else "NORMAL" for score in scores]
    assert {row["warning"] for row in rows} == {"is one of this model's test images"}


def test_images_that_the_model_learnt_from_are_marked(small_run, phantoms, predict):
    keys = stored_scores(small_run[0], RECIPE, "validation").keys
    tested = set(stored_scores(small_run[0], RECIPE, "test").keys)
    expected = {str(phantoms / f"{key}.png"): "validation" for key in keys}
    expected |= {str(phantoms / f"{key}.png"): "test" for key in tested}
    found = [json.loads(line) for line in predict(phantoms, "--json").stdout.splitlines()]
    assert len(found) == 420
    assert {one["path"]: one["part"] for one in found if one["part"] != "train"} == expected


def test_each_image_unlike_those_learnt_from_has_a_warning(tmp_path, phantoms, predict, dicom):
    grey = np.asarray(Image.open(next(phantoms.rglob("*.png"))))[::-1]
    Image.fromarray(np.tile(grey, (1, 4))).save(tmp_path / "1-wide.png")
    Image.fromarray(np.stack([grey, grey, 255 - grey], axis=-1)).save(tmp_path / "2-colour.png")
    Image.fromarray(np.full((64, 64), 90, dtype=np.uint8)).save(tmp_path / "3-blank.png")
    Image.fromarray(grey[20:44, 20:44]).save(tmp_path / "4-tiny.png")
    Image.fromarray(grey.astype(np.uint16) * 200).save(tmp_path / "5-deep.png")
    (tmp_path / "6-lateral.dcm").write_bytes(dicom(np.ascontiguousarray(grey), ViewPosition="LL"))
    (tmp_path / "7-frontal.dcm").write_bytes(dicom(np.ascontiguousarray(grey), ViewPosition="AP"))
    result = predict(tmp_path)
    assert result.returncode == 0, result.stderr
    assert [row["warning"] for row in rows_of(result)] == [
        "width / height is 4.00, that of the training images is 1.00 to 1.00",
        "in colour, converted to grey",
        "shows nothing: it is empty, of one grey level or of a few flat areas",
        "tiny: 24 x 24 pixels, enlarged to 64",
        "16 bits per pixel, scaled to 8; the training images have 8",
        "view LL: not frontal",
        "",
    ]


def hostile_files(folder, encode):
    """Write files that cannot be read, each in its own way, and return how many."""
    grey = Image.fromarray(np.add.outer(np.arange(50), np.arange(60)).astype(np.uint8))
    whole = {kind: encode(grey, kind) for kind in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")}
    contents = {f"cut-{kind}": content[: len(content) // 3] for kind, content in whole.items()}
    contents |= {f"start-{kind}": content[:9] for kind, content in whole.items()}
    contents |= {"empty": b"", "zeros": bytes(500), "text": b"path,label\n", "html": b"<html>", "zip": b"PK\3\4" + bytes(40)}
    contents |= {"dicom": bytes(128) + b"DICM", "cut-dicom": bytes(128) + b"DICM" + b"\x02\0\0\0UL\4\0\0\0"}
    contents["animated"] = encode(grey, "GIF", save_all=True, append_images=[grey.transpose(0)])
    contents["bomb"] = whole["PNG"][:16] + b"\0\x0f\xff\xff" * 2 + whole["PNG"][24:]
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)
    for name in ("nowhere", "itself.png", "../x"):
        (folder / f"link-{len(name)}.png").symlink_to(name)
    (folder / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    (folder / "line\nbreak.png").write_bytes(b"")
    (folder / "=1+1.png").write_bytes(b"")
    (folder / "\x1b[31mred\udcff.png").write_bytes(b"")
    (folder / "huge.png").touch()
    os.truncate(folder / "huge.png", 2**31)
    return len(contents) + 9


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_hostile_files_cost_their_own_lines_only(tmp_path, phantoms, predict, encode):
    for number, path in enumerate(sorted(phantoms.rglob("*.png"))[:100]):
        (tmp_path / f"{number:03d}.png").write_bytes(path.read_bytes())
    hostile = hostile_files(tmp_path, encode)
    assert hostile == 30
    result = predict(tmp_path)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "30 files could not be read" in result.stderr
    rows = rows_of(result)
    assert (len(rows), result.stdout.count("\n")) == (130, 131)
    assert sum(row["score"] != "" for row in rows) == 100
    unread = {row["path"].rpartition("/")[2]: row["warning"] for row in rows if not row["score"]}
    assert all(row["warning"].startswith("not scored: ") and row["call"] == "" for row in rows if not row["score"])
    assert unread["empty.png"] == "not scored: is empty"
    assert unread["pipe.png"] == "not scored: is a pipe, not a file"
    assert unread["zero.png"] == "not scored: is a device, not a file"
    assert unread["link-7.png"] == "not scored: does not exist"
    assert unread["animated.png"].startswith("not scored: has 2 images")
    assert {"line\\nbreak.png", "=1+1.png", "\\x1b[31mred\\udcff.png"} <= unread.keys()


def test_predictive_values_need_a_prevalence(small_run, phantoms, predict):
    files = sorted(phantoms.rglob("*.png"))[:40]
    assert "ppv" not in predict(*files).stdout
    counts = small_run[0].entries()[RECIPE]["folds"][0]["heads"][0]["confusion"]
    sensitivity = counts["tp"] / (counts["tp"] + counts["fn"])
    specificity = counts["tn"] / (counts["tn"] + counts["fp"])
    right, wrong = 0.2 * sensitivity, 0.8 * (1 - specificity)
    missed, well = 0.2 * (1 - sensitivity), 0.8 * specificity
    rows = rows_of(predict(*files, "--prevalence", 0.2))
    assert {row["call"] for row in rows} == {"NORMAL", "PNEUMONIA"}
    for row in rows:
        is_positive = row["call"] == "PNEUMONIA"
        assert (row["ppv"] == "", row["npv"] == "") == (not is_positive, is_positive)
        expected = right / (right + wrong) if is_positive else well / (well + missed)
        assert float(row["ppv"] or row["npv"]) == pytest.approx(expected)


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, 10])
def test_a_prevalence_outside_0_to_1_is_refused(phantoms, predict, prevalence):
    result = predict(phantoms, "--prevalence", prevalence)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"--prevalence {prevalence:g}: must be between 0 and 1" in result.stderr


def test_a_model_of_all_folds_has_no_predictive_values(phantoms, predict):
    result = predict(phantoms, "--all-folds", "--prevalence", 0.1)
    assert result.returncode == 2
    assert "a model of all folds has no test images" in result.stderr


def test_a_path_without_images_is_refused_at_once(tmp_path, predict):
    (tmp_path / "notes.txt").write_text("no image")
    result = predict(tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "no image files in" in result.stderr


def test_a_json_line_has_null_for_what_is_not_known(tmp_path, predict):
    missing = tmp_path / 'quo"te \N{LUNGS}.png'
    result = predict(missing, "--json", "--prevalence", 0.1)
    assert result.returncode == 1
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert found.pop("threshold") > 0
    assert found == {
        **{"path": str(missing), "score": None, "call": None, "warnings": [], "part": None},
        **{"reason": "does not exist", "ppv": None, "npv": None},
    }


@pytest.mark.long
def test_a_list_may_be_piped_in_and_the_lines_cut_off(small_run, phantoms):
    """In a process of its own: nothing but lines is printed, and a reader that stops early is no error."""
    files = sorted(phantoms.rglob("*.png"))
    command = small_run[0].command("predict", NETWORK, "-", "--offline")
    with subprocess.Popen(
        **command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1
    ) as process:
        process.stdin.write("".join(f"{file}\n" for file in files))
        process.stdin.close()
        lines = [process.stdout.readline() for _ in range(3)]
        process.stdout.close()
        said = process.stderr.read()
    assert [line.partition(",")[0] for line in lines] == ["path", str(files[0]), str(files[1])]
    assert said == ""
