"""`cxrbench data audit` finds defects of a dataset and reports no false ones."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cxrbench_datasets.sample import load_sample

CLASSES = ("NORMAL", "PNEUMONIA")
COLUMNS = ("path", "label", "patient", "split")


@pytest.fixture(scope="session")
def real_images(tmp_path_factory):
    """List 833 real images of as many patients, none of them a copy of another."""
    folder, sample = tmp_path_factory.mktemp("sample"), load_sample()
    first = {record.patient: record.key for record in reversed(sample.records)}
    for number, key in enumerate(sorted(first.values())):
        (folder / f"{number:03d}.jpeg").write_bytes(sample.read(key))
    return sorted(folder.iterdir())


@pytest.fixture
def manifest(workspace, real_images):
    """Write a manifest of clean images in three parts, 100 of them for validation, and whatever comes besides."""
    parts = ("train",) * 6 + ("val",) * 10 + ("test",) * 6

    def write(*lines, images=220, patients=()):
        rows = [
            {"path": str(path), "label": number % 2, "patient": f"p{number}", "split": parts[number % 22]}
            for number, path in enumerate(real_images[:images])
        ]
        for number, patient in dict(patients).items():
            rows[number]["patient"] = patient
        with (workspace.folder / "images.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows([*rows, *(dict(zip(COLUMNS, line, strict=True)) for line in lines)])
        return "images.csv"

    return write


@pytest.fixture
def audited(run_here):
    """Audit a dataset and return the exit code, a summary of the findings, and the messages."""

    def call(*arguments):
        result = run_here("data", "audit", *arguments, "--json")
        assert "Traceback" not in result.stderr
        found = json.loads(result.stdout)["findings"]
        return result.returncode, [(one["check"], one["severity"], one["count"]) for one in found], result.stderr

    return call


def test_hundreds_of_real_images_are_clean(audited, manifest):
    assert audited(manifest(images=833))[:2] == (0, [])


def test_a_copied_real_image_in_train_and_test(audited, manifest, workspace, real_images):
    shutil.copy(real_images[0], workspace.folder / "copy.jpeg")
    code, found, said = audited(manifest(("copy.jpeg", 0, "another", "test")))
    assert (code, found) == (3, [("byte-identical", "leak", 2)])
    assert "copy.jpeg" in said
    assert "--allow-leak" in said


def test_a_patient_in_train_and_test(audited, manifest):
    code, found, _ = audited(manifest(patients={16: "p0"}))
    assert (code, found) == (3, [("shared-patients", "leak", 2)])


def test_a_mislabelled_twin_of_a_real_image(audited, manifest, workspace, real_images):
    shutil.copy(real_images[0], workspace.folder / "twin.jpeg")
    code, found, said = audited(manifest(("twin.jpeg", 1, "another", "train")))
    assert (code, found) == (3, [("two-labels", "conflict", 2)])
    assert "2 images have a copy or near-duplicate with the other label" in said


def test_a_16_bit_inverted_real_image(audited, manifest, workspace, real_images):
    grey = np.asarray(Image.open(real_images[832]).convert("L")).astype(np.uint16)
    Image.fromarray(65535 - grey * 257).save(workspace.folder / "odd.png")
    assert audited(manifest(("odd.png", 0, "another", "train")))[:2] == (0, [("odd-file", "warning", 1)] * 2)


def test_a_real_image_saved_again_at_another_size(audited, manifest, workspace, real_images):
    Image.open(real_images[0]).convert("L").resize((500, 480)).save(workspace.folder / "again.jpeg", quality=40)
    code, found, _ = audited(manifest(("again.jpeg", 0, "another", "test")))
    assert (code, found) == (3, [("near-duplicates", "leak", 2)])


def test_an_external_test_set_that_overlaps_the_dataset(audited, manifest, workspace, real_images):
    (workspace.folder / "elsewhere").mkdir()
    for number, name in enumerate(CLASSES):
        (workspace.folder / "elsewhere" / name).mkdir()
        Image.open(real_images[number]).resize((300, 300)).save(workspace.folder / "elsewhere" / name / "image.png")
    code, found, said = audited(manifest(), "--other", "elsewhere")
    assert (code, found) == (3, [("other-dataset", "leak", 2)])
    assert "elsewhere" in said


@pytest.fixture
def drawn(workspace):
    """Write a manifest of 700 drawn images with a site, and a copy of the first one in the test set."""
    generator = np.random.default_rng(0)
    lines = ["path,label,patient,split,site"]
    for number in range(700):
        Image.fromarray(generator.integers(0, 256, (40, 40), dtype=np.uint8)).save(workspace.folder / f"{number}.png")
        part = "test" if number >= 600 else "train"
        lines.append(f"{number}.png,{number % 2},p{number},{part},{'Basel' if number % 2 else 'Bern'}")
    shutil.copy(workspace.folder / "0.png", workspace.folder / "copy.png")
    (workspace.folder / "images.csv").write_text("\n".join([*lines, "copy.png,0,another,test,Bern"]) + "\n")
    return "images.csv"


def test_audit_prints_split_rates_findings_verdict_and_error(run_here, drawn):
    result = run_here("data", "audit", drawn, "--image-size", 32)
    assert result.returncode == 3
    words = " ".join(result.stdout.split())
    assert "official images NORMAL PNEUMONIA patients" in words
    assert "site Basel 350 100%" in words
    assert "leak byte-identical 2" in words
    assert "warning label-rate 2 site predicts the label" in words
    assert "verdict: 2 findings: 2 byte-identical (leak), 2 label-rate (warning)" in words
    assert "error: images: 2 images on both sides of the split are the same file" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_an_allowed_leak_is_reported_with_exit_code_0(run_here, drawn):
    result = run_here("data", "audit", drawn, "--image-size", 32, "--allow-leak")
    assert result.returncode == 0
    assert "2 byte-identical (leak)" in result.stdout
    assert "error" not in result.stderr


def test_each_fold_is_shown_with_its_parts(run_here, drawn):
    result = run_here("data", "audit", drawn, "--image-size", 32, "--split", "grouped", "--folds", 3)
    assert result.returncode == 0, result.stderr
    assert all(f"fold {number} {part}" in result.stdout for number in (1, 2, 3) for part in ("train", "validation", "test"))
    assert "groups: 700" in result.stdout


def test_folds_with_the_official_split_are_an_error(run_here, drawn):
    result = run_here("data", "audit", drawn, "--image-size", 32, "--folds", 3)
    assert result.returncode == 2
    assert "--split grouped" in result.stderr


def test_inspect_warns_of_a_leak_and_still_shows_the_parts(run_here, drawn):
    result = run_here("data", "inspect", drawn, "--sizes", "--image-size", 32)
    assert result.returncode == 0
    assert "images: 701" in result.stdout
    assert "2 images on both sides of the split" in result.stderr


def test_what_the_dataset_leaves_out_is_named_by_every_command(run_here, write_images, workspace):
    folder = write_images("set", 60, 60)
    shutil.copytree(folder / "NORMAL", folder / "test")
    for command in (("inspect",), ("audit",), ("audit", "--json"), ("audit", "--other", "set")):
        said = run_here("data", command[0], "set", *command[1:], "--image-size", 32).stderr
        assert said.count("ignored files in no class folder: 60 image files in test/ (60)") == 1 + ("--other" in command)


def test_too_few_images_are_shown_before_the_error(run_here, workspace, drawn):
    lines = (workspace.folder / drawn).read_text().splitlines()
    (workspace.folder / "few.csv").write_text("\n".join(lines[:60]) + "\n")
    for command in ("inspect", "audit"):
        result = run_here("data", command, "few.csv", "--image-size", 32)
        assert result.returncode == 3
        assert "images: 59" in result.stdout
        assert "at least 50" in result.stderr


RUN = ("run", "--backbone", "control-intensity", "--no-controls", "--augmentation", "none", "--imbalance", "none", "--offline")
QUICK = ("--trials", 1, "--epochs", 1, "--image-size", 32, "--workers", 0)


def test_a_leak_stops_a_run_unless_allowed_and_marks_every_row(run_here, workspace, drawn):
    stopped = run_here(*RUN, *QUICK, "--data", drawn)
    assert stopped.returncode == 3
    assert stopped.stdout == ""
    assert "2 images on both sides of the split are the same file" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    allowed = run_here(*RUN, *QUICK, "--data", drawn, "--allow-leak")
    assert allowed.returncode == 0, allowed.stderr
    assert "2 byte-identical (leak)" in " ".join(allowed.stdout.split())
    for entry in workspace.entries().values():
        assert "byte-identical" in [finding["check"] for finding in entry["audit"]["findings"]]
