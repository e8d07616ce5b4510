"""`cxrbench export`: a folder that scores as the row did, says only what is true, and notices what was changed."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cxrbench.benchmark.model.backbone import Surroundings
from cxrbench.benchmark.model.exported import load_exported
from cxrbench.data.decoding.decode import decode
from cxrbench.data.download import Downloader
from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import means_of_seeds
from cxrbench.evaluation.summary import summarise
from cxrbench.plugin.host import load_host
from cxrbench.storage.files import digest, digest_file

KERAS, TEXTURE = "mobilenet:alpha=0.25+none+none", "texture+none+none"
RUN = (
    *("run", "--data", "images.csv", "--image-size", 64, "--epochs", 2, "--trials", 2, "--workers", 0, "--offline"),
    *("--backbone", "mobilenet:alpha=0.25", "--backbone", "texture", "--augmentation", "none", "--imbalance", "none"),
    *("--folds", 2, "--seeds", 2, "--external", "ward=ward"),
)
SCORED = 64
"""Images that a process of its own scores, one by one."""
ALONE = """
import runpy, sys
class Absent:
    def find_spec(self, name, *rest):
        if name.startswith("cxrbench"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_workspace, draw_images, tensorflow_ready):
    """Run two recipes on images with patients, views, ages and sexes; return the workspace."""
    workspace = make_workspace(tmp_path_factory.mktemp("export"))
    draw_images(workspace.folder / "images", 290, 310, difference=12)
    draw_images(workspace.folder / "ward", 30, 40, seed=1, difference=12)
    with (workspace.folder / "images.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "patient", "view", "age", "sex"))
        for number, path in enumerate(sorted((workspace.folder / "images").rglob("*.jpeg"))):
            described = (("PA", "AP")[number % 2], 4 + number % 60, ("F", "M")[number % 3 % 2])
            table.writerow((path.relative_to(workspace.folder), path.parent.name, f"p{number}", *described))
    done = workspace.call_here(*RUN)
    assert done.returncode == 0, done.stderr
    return workspace


@pytest.fixture(scope="module")
def export(run):
    """Return a function that exports a row once, and returns the folder and what was printed."""
    made = {}

    def once(name, recipe, *options):
        if name not in made:
            made[name] = run.call_here("export", recipe, "--to", name, *options)
            assert made[name].returncode == 0, made[name].stderr
        return run.folder / name, made[name]

    return once


@pytest.fixture
def copy(export, tmp_path):
    """Return a function that copies an exported folder, to be changed."""

    def copied(*which):
        return shutil.copytree(export(*which)[0], tmp_path / "copy")

    return copied


@pytest.fixture
def load(host):
    surroundings = Surroundings(host=host, downloader=Downloader(offline=True, say=print))
    return lambda folder: load_exported(folder, surroundings)


def mean_predictions(run, recipe, subset="test"):
    (path,) = run.protocol_folder().glob(f"predictions/{recipe.partition('+')[0].replace(':', '-')}*.npz")
    return means_of_seeds(read_predictions(path), subset)[0]


def record_of(folder):
    return json.loads((folder / "model.json").read_text())


def write_record(folder, record):
    """Write a record with the digests of an attacker, who recomputes them all."""
    record["files"] = {name: digest_file(folder / name) for name in record["files"]}
    record["digest"] = digest({name: value for name, value in record.items() if name != "digest"})
    (folder / "model.json").write_text(json.dumps(record))


def columns(card, first):
    """Return the rows of the table of a card whose first heading is this, by their first cell."""
    lines = card.split(f"| {first} |")[1].split("\n\n")[0].splitlines()[2:]
    return {cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)}


def shown(value, interval):
    return f"{value:.4f} ({interval[0]:.4f} to {interval[1]:.4f})"


@pytest.mark.slow
def test_the_card_alone_gives_the_stored_scores(run, export):
    folder, _ = export("keras", KERAS, "--format", "onnx")
    stored = mean_predictions(run, KERAS)
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (run.folder / "score.py").write_text(snippet)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, run.folder / "score.py", *(run.folder / key for key in stored.keys[:SCORED])],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    scores, calls = zip(*(line.split("\t")[1:] for line in done.stdout.splitlines()), strict=True)
    np.testing.assert_allclose([float(score) for score in scores], stored.scores[:SCORED], atol=1e-5)
    threshold = record_of(folder)["threshold"]
    assert [call == "PNEUMONIA" for call in calls] == (stored.scores[:SCORED] >= threshold).tolist()
    assert len(set(calls)) == 2


@pytest.mark.slow
def test_onnx_gives_the_stored_scores_threshold_and_map(run, export):
    import onnxruntime

    folder, _ = export("keras", KERAS, "--format", "onnx")
    session, stored = onnxruntime.InferenceSession(folder / "model.onnx"), mean_predictions(run, KERAS)
    facts = session.get_modelmeta().custom_metadata_map
    size = int(facts["image_size"])
    images = np.stack([decode(run.folder / key, size=size, resize=facts["resize"]) for key in stored.keys])
    scores, maps = session.run(["score", "map"], {"image": images[..., None].astype(np.float32)})
    np.testing.assert_allclose(scores[:, 0], stored.scores, atol=1e-5)
    assert maps.shape == (len(images), 2, 2)
    mean = run.entries()[KERAS]["folds"][0]["mean"]
    assert float(facts["threshold"]) == mean["threshold"]
    assert (facts["negative"], facts["positive"], size) == ("NORMAL", "PNEUMONIA", 64)
    assert facts["model_keras_sha256"] == digest_file(folder / "model.keras")


@pytest.mark.slow
def test_a_loaded_folder_scores_as_the_row(run, export, load):
    for name, recipe in (("keras", KERAS), ("texture", TEXTURE)):
        model, stored = (
            load(export(name, recipe, *(["--format", "onnx"] if recipe == KERAS else []))[0]),
            mean_predictions(run, recipe),
        )
        images = np.stack([model.classifier.read(run.folder / key)[0] for key in stored.keys])
        np.testing.assert_allclose(model.classifier.scores(images), stored.scores, atol=1e-6)
        assert model.classifier.threshold == run.entries()[recipe]["folds"][0]["mean"]["threshold"]
        parts = {model.learnt[digest_file(run.folder / key)] for key in stored.keys}
        assert parts == {"test"}


@pytest.mark.slow
def test_every_number_of_a_card_is_the_rows_or_the_means(run, export):
    folder, _ = export("keras", KERAS, "--format", "onnx")
    card, entries = (folder / "README.md").read_text(), run.entries()
    entry, protocol = entries[KERAS], entries[KERAS]["protocol"]
    threshold = entry["folds"][0]["mean"]["threshold"]
    tested, validated = (
        summarise(
            [mean_predictions(run, KERAS, subset).at(threshold)], seed=protocol["seed"], prevalence=protocol["prevalence"]
        )
        for subset in ("test", "validation")
    )
    assert columns(card, "metric | this model | the row") == {
        name: [
            shown(tested.metrics[name], tested.intervals[name]),
            shown(entry["metrics"][name], entry["intervals"][name]),
        ]
        for name in entry["metrics"]
    }
    assert columns(card, "metric | validation") == {name: [f"{value:.4f}"] for name, value in validated.metrics.items()}
    (external,) = run.protocol_folder().glob("external/ward/mobilenet*.json")
    baseline = json.loads(next(run.protocol_folder().glob("entries/majority*.json")).read_text())
    sources = [tested.metrics, validated.metrics, json.loads(external.read_text())["metrics"], baseline["metrics"]]
    sources += [one["metrics"] for one in entries.values() if one["control"] or one is entry]
    intervals = [tested.intervals, json.loads(external.read_text())["intervals"], baseline["intervals"]]
    intervals += [one["intervals"] for one in entries.values() if one["control"] or one is entry]
    sources += [one["metrics"] for one in entry["groups"]]
    intervals += [one["intervals"] for one in entry["groups"]]
    allowed = {f"{value:.4f}" for source in sources for value in source.values()}
    allowed |= {f"{end:.4f}" for source in intervals for ends in source.values() for end in ends}
    assert set(re.findall(r"(?<![\d.])\d\.\d{4}(?!\d)", card)) <= allowed
    assert columns(card, "control | auc | accuracy | recall | specificity | precision | f1").keys() == {
        recipe for recipe, one in entries.items() if one["control"]
    } | {"majority-class"}
    confusion = entry["folds"][0]["mean"]["confusion"]
    assert columns(card, " | call positive | call negative") == {
        "label positive": [str(confusion["tp"]), str(confusion["fn"])],
        "label negative": [str(confusion["fp"]), str(confusion["tn"])],
    }
    assert card.count(repr(threshold)) == 3  # model facts, snippet, threshold


@pytest.mark.slow
def test_a_card_counts_the_images_of_each_part_and_level(run, export):
    card = (export("keras", KERAS, "--format", "onnx")[0] / "README.md").read_text()
    counts = run.entries()[KERAS]["dataset"]["folds"][0]
    rows = columns(card, "part | NORMAL (negative) | PNEUMONIA (positive) | patients")
    assert rows["test (scored once, after the choice)"][:2] == [str(counts["test_negative"]), str(counts["test_positive"])]
    listed = [line.split(" | ") for line in card.splitlines() if line.startswith("| test | ")]
    for attribute, levels in (("view", {"AP", "PA"}), ("sex", {"F", "M"}), ("age", None)):
        mine = [cells for cells in listed if cells[1] == attribute]
        assert sum(int(cells[3]) for cells in mine) == counts["test_negative"]
        assert levels is None or {cells[2] for cells in mine} == levels


def test_heads_of_all_folds_say_that_no_image_is_left(run, export, load):
    folder, _ = export("all", TEXTURE, "--all-folds")
    card, record = (folder / "README.md").read_text(), record_of(folder)
    assert "No image is left to test this model with" in card
    assert "model-index" not in card
    assert columns(card, "metric | the row")["auc"] == [
        shown(record["entry_metrics"]["auc"], record["entry_intervals"]["auc"]),
    ]
    assert (record["metrics"], record["heads"]["folds"], record["heads"]["seeds"]) == ({}, [0, 1], [0, 1])
    assert set(load(folder).learnt.values()) == {"train"}
    assert len(load(folder).classifier.head[1]) == 4 * 512


def test_one_seed_is_one_head(run, export):
    folder, done = export("one", TEXTURE, "--seed", 1, "--fold", 1)
    head = run.entries()[TEXTURE]["folds"][1]["heads"][1]
    record = record_of(folder)
    assert (record["threshold"], record["metrics"]) == (head["threshold"], head["metrics"])
    assert record["heads"]["models"] == [head["model"]]
    assert done.stdout.split()[0] == "one"


def test_what_is_not_keras_needs_its_plugin(run, export, copy, host):
    _, done = export("texture", TEXTURE)
    assert "its backbone is a function of the plugin, not a Keras model" in done.stderr
    refused = run.call_here("export", TEXTURE, "--to", "other", "--format", "keras")
    assert refused.returncode == 2
    assert "--format keras: texture+none+none has no such file: its backbone is a function" in refused.stderr
    assert not (run.folder / "other").exists()
    without = Surroundings(
        host=load_host((), frozenset({"cxrbench-backbones"})), downloader=Downloader(offline=True, say=print)
    )
    with pytest.raises(CxrbenchError, match=r"needs backbone 'texture': package cxrbench .* declares it"):
        load_exported(copy("texture", TEXTURE), without)


@pytest.mark.parametrize("change", ["class name", "threshold", "one digit of a metric"])
def test_an_accidental_change_of_the_record_is_found(change, copy, load):
    folder = copy("texture", TEXTURE)
    record = record_of(folder)
    if change == "class name":
        record["class_names"]["positive"] = "COVID"
    elif change == "threshold":
        record["threshold"] += 1e-9
    else:
        record["metrics"]["auc"] = round(record["metrics"]["auc"], 3)
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(CxrbenchError, match=r"model\.json was changed after the export"):
        load(folder)


def test_a_record_in_another_layout_is_the_same_record(copy, load):
    folder = copy("texture", TEXTURE)
    (folder / "model.json").write_text(json.dumps(record_of(folder), indent=7, sort_keys=True))
    (folder / "README.md").write_text("people edit this")
    assert load(folder).record.recipe == TEXTURE


@pytest.mark.parametrize("name", ["head.safetensors", "images.json", "self_test.npz"])
def test_a_changed_or_missing_file_is_named(name, copy, load):
    folder = copy("texture", TEXTURE)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(CxrbenchError, match=f"{re.escape(name)} was changed after the export"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(CxrbenchError, match=f"{re.escape(name)} cannot be read"):
        load(folder)


def test_a_model_that_scores_otherwise_fails_its_self_test(copy, load):
    folder = copy("texture", TEXTURE)
    with np.load(folder / "self_test.npz", allow_pickle=False) as arrays:
        np.savez(folder / "self_test.npz", **dict(arrays) | {"logits": arrays["logits"] + 0.1})
    write_record(folder, record_of(folder))
    with pytest.raises(CxrbenchError, match=r"the self-test failed.*It was exported with python"):
        load(folder)


@pytest.mark.slow
def test_a_network_with_code_is_refused_by_any_digest(copy, load, tensorflow_ready, tmp_path):
    folder = copy("keras", KERAS, "--format", "onnx")
    network = tensorflow_ready.saving.load_model(folder / "model.keras", compile=False)
    output = tensorflow_ready.layers.Lambda(lambda values: values)(network.output)
    tensorflow_ready.Model(network.inputs, output).save(folder / "model.keras")
    with pytest.raises(CxrbenchError, match=r"model\.keras was changed after the export"):
        load(folder)
    write_record(folder, record_of(folder))
    with pytest.raises(CxrbenchError, match=r"model\.keras is refused: it needs a Lambda layer"):
        load(folder)


def test_the_choice_of_heads_belongs_to_the_export(run, export):
    export("texture", TEXTURE)
    done = run.call_here("explain", "texture", "images/NORMAL/000.jpeg", "--to", "maps", "--fold", 1)
    assert done.returncode == 2
    assert "texture is an exported model, which is of chosen folds and seeds already: leave --fold out" in done.stderr


def test_a_folder_that_is_not_empty_is_refused_at_once(run):
    done = run.call_here("export", TEXTURE, "--to", "images")
    assert done.returncode == 2
    assert "--to" in done.stderr
    assert "the folder is not empty" in done.stderr
    assert sorted(path.name for path in (run.folder / "images").iterdir()) == ["NORMAL", "PNEUMONIA"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed")
@pytest.mark.long
def test_a_killed_export_leaves_nothing_half_and_can_be_repeated(run):
    def parts():
        return list(run.folder.glob(".killed.*.part"))

    process = subprocess.Popen(
        **run.command("export", TEXTURE, "--to", "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while not any(list(part.iterdir()) for part in parts()) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (run.folder / "killed").exists()
    assert parts()
    done = run.call_here("export", TEXTURE, "--to", "killed")
    assert done.returncode == 0, done.stderr
    assert parts() == []
    assert sorted(path.name for path in (run.folder / "killed").iterdir()) == sorted(
        [*record_of(run.folder / "killed")["files"], "README.md", "model.json"]
    )
