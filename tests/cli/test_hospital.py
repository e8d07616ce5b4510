"""Folders as hospitals have them: DICOM and other files, the list of skipped files, and no patient's name in any output."""

from __future__ import annotations

import csv
import io
import json
import os
import warnings

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from PIL.ExifTags import Base as Tag
from pydicom import uid

from cxrbench.evaluation.prediction_table import read_predictions

NAME, CODE = "Zebrafink^Quillon", "QX77Z31"
RUN = ("run", "--backbone", "control-intensity", "--no-controls", "--augmentation", "none", "--imbalance", "none", "--offline")
QUICK = ("--trials", 1, "--epochs", 1, "--image-size", 32, "--workers", 0)
PERSONAL = {
    **{name: NAME for name in ("PatientName", "OtherPatientNames", "ReferringPhysicianName", "OperatorsName")},
    **{name: CODE for name in ("PatientID", "AccessionNumber", "StudyID", "InstitutionName", "StationName", "PatientAddress")},
    **{name: f"{NAME} {CODE}" for name in ("StudyDescription", "PatientComments", "ImageComments", "ProtocolName")},
}


@pytest.fixture
def dicom_image(dicom):
    """Return a function that makes a DICOM image of a class and number, with a patient in its header."""

    def make(label, number, syntax=uid.ExplicitVRLittleEndian, **elements):
        low = 800 + 900 * label
        pixels = np.random.default_rng(number).integers(low, low + 1200, (40, 40), dtype=np.uint16)
        window = {"WindowCenter": 2048, "WindowWidth": 4096}
        return dicom(pixels, syntax, **{"BitsStored": 12} | window | PERSONAL | elements)

    return make


@pytest.fixture
def ward(tmp_path, dicom_image):
    """Write a folder of 210 images of each class, every tenth compressed, and return it."""
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        (tmp_path / "ward" / name).mkdir(parents=True)
        for number in range(210):
            syntax = uid.ExplicitVRLittleEndian if number % 10 else uid.JPEGLosslessSV1
            (tmp_path / "ward" / name / f"{number:03d}.dcm").write_bytes(dicom_image(label, 2 * number + label, syntax))
    return tmp_path / "ward"


def broken_files(dicom_image):
    """Return broken files by name, all with the patient's name in them."""
    whole = dicom_image(0, 999)
    quoting = {  # metadata that image readers quote in errors
        "slope": {"RescaleSlope": "1", "RescaleIntercept": "0"},
        "window": {"WindowCenter": "2048"},
        "frames": {"NumberOfFrames": "1"},
    }
    files = {
        "cut.dcm": whole[:-1500],
        "header.dcm": whole[:900],
        "photometric.dcm": dicom_image(0, 1, PhotometricInterpretation=CODE),
    }
    for name, elements in quoting.items():
        content = dicom_image(0, 999, **elements)
        tag = {"slope": b"\x28\x00\x53\x10", "window": b"\x28\x00\x50\x10", "frames": b"\x28\x00\x08\x00"}[name]
        at = content.index(tag)
        length = int.from_bytes(content[at + 6 : at + 8], "little")
        value = CODE.encode() + b" "
        files[f"{name}.dcm"] = content[: at + 6] + len(value).to_bytes(2, "little") + value + content[at + 8 + length :]
    syntax = whole.index(b"1.2.840.10008.1.2.1\0")
    files["syntax.dcm"] = whole[:syntax] + CODE.encode().ljust(20, b"\0") + whole[syntax + 20 :]
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", NAME, zip=True)
    text.add_itxt("Comment", f"{NAME} {CODE}")
    exif = Image.Exif()
    exif[Tag.ImageDescription], exif[Tag.Artist] = NAME, CODE
    grey = Image.new("L", (40, 40), 99)
    for name, options in {
        "image.png": {"pnginfo": text},
        "image.jpeg": {"exif": exif, "comment": CODE},
        "image.tiff": {"exif": exif},
    }.items():
        buffer = io.BytesIO()
        grey.save(buffer, name.partition(".")[2], **options)
        files[f"whole-{name}"], files[f"cut-{name}"] = buffer.getvalue(), buffer.getvalue()[:-40]
    files["header.pgm"] = f"P5\n{CODE}\n".encode()
    return files


def files_naming_the_patient(folder):
    """Return the files that hold the name or the code in any usual encoding."""
    words = [word.encode(code) for word in (NAME, "Zebrafink", "Quillon", CODE) for code in ("utf-8", "utf-16-le")]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [
        path
        for path in files
        for word in words
        if word.lower() in path.read_bytes().lower() or word.decode("latin-1") in path.name
    ]


@pytest.mark.slow
def test_no_patient_is_named_in_an_entry_a_log_or_a_report(run_here, workspace, ward, dicom_image, capfd):
    for name, content in broken_files(dicom_image).items():
        (ward / "NORMAL" / name).write_bytes(content)
    commands = (
        (*RUN, *QUICK, "--data", "ward"),
        ("data", "inspect", "ward", "--sizes", "--image-size", 32),
        ("data", "audit", "ward", "--json"),
    )
    for command in commands:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = run_here(*command)
        assert result.returncode in ((0, 3) if command[0] == "data" else (0,)), result.stderr
        assert "cut.dcm" in result.stderr
        for text in (result.stdout, result.stderr, *capfd.readouterr(), *(str(warning.message) for warning in warned)):
            assert all(word.lower() not in text.lower() for word in ("Zebrafink", "Quillon", CODE))
            assert "Traceback" not in text
            assert all(package not in text for package in ("PIL/", "pydicom/", "gdcm"))
    assert files_naming_the_patient(ward)  # the search itself can find them
    assert files_naming_the_patient(workspace.folder / "leaderboard") == []
    assert files_naming_the_patient(workspace.folder / "home") == []


def test_dicom_images_give_one_result_from_folder_and_manifest(run_here, workspace, ward):
    assert run_here(*RUN, *QUICK, "--data", "ward").returncode == 0
    rows = [
        f"ward/{name}/{number:03d}.dcm,{label}" for label, name in enumerate(("NORMAL", "PNEUMONIA")) for number in range(210)
    ]
    (workspace.folder / "rsna.csv").write_text("\n".join(["path,label", *rows]))
    assert run_here(*RUN, *QUICK, "--data", "rsna.csv", "--out", "second").returncode == 0
    (one,), (other,) = workspace.entries().values(), workspace.entries("second").values()
    assert (one["dataset"]["negative"], one["dataset"]["positive"], one["dataset"]["skipped"]) == (210, 210, 0)
    assert one["metrics"]["auc"] == other["metrics"]["auc"] > 0.9  # images of the positive class are brighter
    assert not (workspace.protocol_folder() / "skipped.csv").exists()


def test_every_skipped_file_is_listed_by_run_inspect_and_audit(run_here, workspace, write_images):
    folder = write_images("images", 210, 220)
    odd = {
        "NORMAL/line\nbreak.png": "line\\nbreak.png",
        "NORMAL/\u202egnp.exe": "\\u202egnp.exe",
        "NORMAL/lungs \N{LUNGS}.jpeg": "",
    }
    broken = {**odd, **{f"PNEUMONIA/broken {number}.jpeg": "" for number in range(12)}}
    for name in broken:
        (folder / name).write_text("no image")
    os.mkfifo(folder / "NORMAL" / "pipe.jpeg")
    (folder / "NORMAL" / "empty.jpeg").touch()
    result = run_here(*RUN, *QUICK, "--data", "images")
    assert result.returncode == 0, result.stderr
    path = workspace.protocol_folder() / "skipped.csv"
    with path.open(encoding="utf-8", newline="") as file:
        listed = {row["key"]: row["reason"] for row in csv.DictReader(file)}
    assert len(listed) == len(broken) + 2
    assert listed["NORMAL/pipe.jpeg"] == "is a pipe, not a file"
    assert listed["NORMAL/empty.jpeg"] == "is empty"
    assert listed["NORMAL/line\\nbreak.png"] == "is not an image of a known format"
    warning = f"17 of 447 files could not be read and were skipped. The reasons are in {path.relative_to(workspace.folder)}"
    assert f"warning: {warning}" in " ".join(result.stderr.split())
    for command in (("inspect", "--sizes"), ("audit",), ("audit", "--json")):
        told = run_here("data", command[0], "images", "--image-size", 32, *command[1:])
        for key, reason in listed.items():
            assert f"skipped: {key} {reason}" in told.stderr
        assert told.stdout.isprintable() or "\x1b" not in told.stdout
        assert "\u202e" not in told.stdout + told.stderr


def test_a_repaired_file_is_no_longer_listed(run_here, workspace, write_images, dicom):
    folder = write_images("images", 210, 220)
    (folder / "NORMAL" / "late.jpeg").write_text("no image")
    assert run_here(*RUN, *QUICK, "--data", "images", "--external", "ward=images").returncode in (0, 3)
    (path,) = workspace.folder.glob("leaderboard/*/skipped.csv")
    assert "late.jpeg" in path.read_text()
    (folder / "NORMAL" / "late.jpeg").unlink()
    assert run_here(*RUN, *QUICK, "--data", "images").returncode == 0
    assert not (workspace.protocol_folder() / "skipped.csv").exists()


def test_files_of_an_external_test_set_are_listed_with_it(run_here, workspace, write_images):
    write_images("images", 210, 220)
    other = write_images("other", 30, 30, seed=5)
    (other / "NORMAL" / "cut.jpeg").write_text("no image")
    flags = (*RUN, *QUICK, "--data", "images", "--external", "ward-2=other")
    strict = run_here(*flags, "--strict-data")
    assert strict.returncode == 3
    assert "--strict-data: 1 of 61 files of ward-2 could not be read" in " ".join(strict.stderr.split())
    result = run_here(*flags)
    assert result.returncode == 0, result.stderr
    path = workspace.protocol_folder() / "external" / "ward-2" / "skipped.csv"
    assert path.read_text() == "key,reason\nNORMAL/cut.jpeg,is not an image of a known format\n"
    assert "1 of 61 files of ward-2 could not be read" in " ".join(result.stderr.split())
    assert not (workspace.protocol_folder() / "skipped.csv").exists()


def test_files_are_listed_even_if_none_can_be_read(run_here, workspace, write_images):
    folder = write_images("images", 3, 3)
    for path in folder.rglob("*.jpeg"):
        path.write_bytes(b"")
    result = run_here(*RUN, *QUICK, "--data", "images")
    assert result.returncode == 3
    (path,) = workspace.folder.glob("leaderboard/*/skipped.csv")
    assert len(path.read_text().splitlines()) == 7


REWRITES = """
from pathlib import Path
from cxrbench.plugin import Dataset, Images, Record, hookimpl
seen = []

@hookimpl
def register_datasets():
    return [Dataset(name="restless", factory=f"{__name__}:load")]

def read(key):
    seen.append(key)
    if seen.count("images/PNEUMONIA/007.jpeg") == 2 and key == "images/PNEUMONIA/007.jpeg":
        with open(key, "ab") as file:
            file.write(b"one more byte")
    return Path(key)

def load(source):
    keys = sorted(str(path) for path in Path("images").rglob("*.jpeg"))
    return Images(name="images", records=[Record(key=key, label=int("PNEU" in key), patient=key) for key in keys], read=read)
"""


def test_a_file_that_changes_during_the_run_stops_it(run_here, workspace, write_images):
    write_images("images", 210, 220)
    (workspace.folder / "restless.py").write_text(REWRITES)
    stopped = run_here(*RUN, *QUICK, "--data", "restless", "--plugin", "restless.py")
    assert stopped.returncode == 3
    assert "error: images/PNEUMONIA/007.jpeg changed while the run was reading it" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    (workspace.folder / "quiet.py").write_text(REWRITES.replace("== 2", "== 0"))
    result = run_here(*RUN, *QUICK, "--data", "restless", "--plugin", "quiet.py")
    assert result.returncode == 0, result.stderr
    (entry,) = workspace.entries().values()
    assert entry["dataset"]["skipped"] == 0


def test_entry_and_tables_can_be_read_whatever_the_file_names(run_here, workspace, write_images):
    folder = write_images("images", 210, 220)
    names = ["line\nbreak.jpeg", "\x1b[31mred.jpeg", "\u202egnp.jpeg", "lungs \N{LUNGS}.jpeg", "é.jpeg", "e\u0301.jpeg"]
    for number, name in enumerate(names):
        (folder / "NORMAL" / f"{number:03d}.jpeg").rename(folder / "NORMAL" / name)
    (folder / "NORMAL" / "100.jpeg").rename(os.fsdecode(os.fsencode(folder / "NORMAL") + b"/caf\xe9.jpeg"))
    assert run_here(*RUN, *QUICK, "--data", "images").returncode == 0
    (table,) = [path for path in workspace.protocol_folder().glob("predictions/*.npz") if "majority" not in path.name]
    keys = {key for head in read_predictions(table) for key in head.keys.tolist()}
    assert keys & {*(f"NORMAL/{name}" for name in names), "NORMAL/caf\\xe9.jpeg"}
    assert run_here("leaderboard", "--format", "json").returncode == 0
    again = run_here(*RUN, *QUICK, "--data", "images")
    assert again.returncode == 0
    assert json.loads(run_here("leaderboard", "--format", "json").stdout)
