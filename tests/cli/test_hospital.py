"""Folders as hospitals have them: DICOM and everything else, the list of what was skipped, and no patient's name anywhere."""

from __future__ import annotations

import csv
import io
import json
import os

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from PIL.ExifTags import Base as Tag
from pydicom import uid

NAME, CODE = "Zebrafink^Quillon", "QX77Z31"
RUN = ("run", "--backbone", "control-intensity", "--no-controls", "--augmentation", "none", "--imbalance", "none", "--offline")
QUICK = ("--trials", 1, "--epochs", 1, "--image-size", 32, "--workers", 0)
PERSONAL = {
    **{name: NAME for name in ("PatientName", "OtherPatientNames", "ReferringPhysicianName", "OperatorsName")},
    **{name: CODE for name in ("PatientID", "AccessionNumber", "StudyID", "InstitutionName", "StationName", "PatientAddress")},
    **{name: f"{NAME} {CODE}" for name in ("StudyDescription", "PatientComments", "ImageComments", "ProtocolName")},
}


@pytest.fixture
def film(dicom):
    """Make a DICOM film of a class and a number, with a patient in its header."""

    def make(label, number, syntax=uid.ExplicitVRLittleEndian, **elements):
        low = 800 + 900 * label
        pixels = np.random.default_rng(number).integers(low, low + 1200, (40, 40), dtype=np.uint16)
        window = {"WindowCenter": 2048, "WindowWidth": 4096}
        return dicom(pixels, syntax, **{"BitsStored": 12} | window | PERSONAL | elements)

    return make


@pytest.fixture
def ward(tmp_path, film):
    """Write a folder of 210 films of each class, every tenth compressed, and return it."""
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        (tmp_path / "ward" / name).mkdir(parents=True)
        for number in range(210):
            syntax = uid.ExplicitVRLittleEndian if number % 10 else uid.JPEGLosslessSV1
            (tmp_path / "ward" / name / f"{number:03d}.dcm").write_bytes(film(label, 2 * number + label, syntax))
    return tmp_path / "ward"


def spoilt(film):
    """Return broken files by name, all with the patient in them."""
    whole = film(0, 999)
    quoting = {  # what readers like to quote
        "slope": {"RescaleSlope": "1", "RescaleIntercept": "0"},
        "window": {"WindowCenter": "2048"},
        "frames": {"NumberOfFrames": "1"},
    }
    files = {"cut.dcm": whole[:-1500], "header.dcm": whole[:900], "photometric.dcm": film(0, 1, PhotometricInterpretation=CODE)}
    for name, elements in quoting.items():
        content = film(0, 999, **elements)
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
        "film.png": {"pnginfo": text},
        "film.jpeg": {"exif": exif, "comment": CODE},
        "film.tiff": {"exif": exif},
    }.items():
        buffer = io.BytesIO()
        grey.save(buffer, name.partition(".")[2], **options)
        files[f"whole-{name}"], files[f"cut-{name}"] = buffer.getvalue(), buffer.getvalue()[:-40]
    files["header.pgm"] = f"P5\n{CODE}\n".encode()
    return files


def told_in(folder):
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


def test_no_patient_is_named_in_an_entry_a_log_or_a_report(place, ward, film):
    for name, content in spoilt(film).items():
        (ward / "NORMAL" / name).write_bytes(content)
    commands = (
        (*RUN, *QUICK, "--data", "ward"),
        ("data", "inspect", "ward", "--image-size", 32),
        ("data", "audit", "ward", "--json"),
    )
    for command in commands:
        result = place.call(*command, PYTHONWARNINGS="always")
        assert result.returncode in ((0, 3) if command[0] == "data" else (0,)), result.stderr
        assert "cut.dcm" in result.stderr
        for text in (result.stdout, result.stderr):
            assert all(word.lower() not in text.lower() for word in ("Zebrafink", "Quillon", CODE))
            assert "Traceback" not in text
            assert all(package not in text for package in ("PIL/", "pydicom/", "gdcm"))
    assert told_in(ward)  # the search itself can find them
    assert told_in(place.folder / "leaderboard") == []
    assert told_in(place.folder / "home") == []


def test_dicom_films_are_read_from_a_folder_and_from_a_manifest_alike(here, place, ward):
    assert here(*RUN, *QUICK, "--data", "ward").returncode == 0
    rows = [
        f"ward/{name}/{number:03d}.dcm,{label}" for label, name in enumerate(("NORMAL", "PNEUMONIA")) for number in range(210)
    ]
    (place.folder / "rsna.csv").write_text("\n".join(["path,label", *rows]))
    assert here(*RUN, *QUICK, "--data", "rsna.csv", "--out", "second").returncode == 0
    (one,), (other,) = place.entries().values(), place.entries("second").values()
    assert (one["dataset"]["normal"], one["dataset"]["pneumonia"], one["dataset"]["skipped"]) == (210, 210, 0)
    assert one["metrics"]["auc"] == other["metrics"]["auc"] > 0.9  # the films with pneumonia are the brighter ones
    assert not (place.protocol_folder() / "skipped.csv").exists()


def test_every_skipped_file_is_listed_beside_the_results_and_named_by_inspect_and_audit(here, place, films):
    folder = films("films", 210, 220)
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
    result = here(*RUN, *QUICK, "--data", "films")
    assert result.returncode == 0, result.stderr
    path = place.protocol_folder() / "skipped.csv"
    with path.open(encoding="utf-8", newline="") as file:
        listed = {row["key"]: row["reason"] for row in csv.DictReader(file)}
    assert len(listed) == len(broken) + 2
    assert listed["NORMAL/pipe.jpeg"] == "is a pipe, not a file"
    assert listed["NORMAL/empty.jpeg"] == "is empty"
    assert listed["NORMAL/line\\nbreak.png"] == "is not an image of a known format"
    assert (
        f"warning: 17 of 447 files could not be read and are left out; each with its reason: {path.relative_to(place.folder)}"
        in (" ".join(result.stderr.split()))
    )
    for command in (("inspect",), ("audit",), ("audit", "--json")):
        told = here("data", command[0], "films", "--image-size", 32, *command[1:])
        for key, reason in listed.items():
            assert f"skipped: {key} {reason}" in told.stderr
        assert told.stdout.isprintable() or "\x1b" not in told.stdout
        assert "\u202e" not in told.stdout + told.stderr


def test_what_is_repaired_is_no_longer_listed(here, place, films, dicom):
    folder = films("films", 210, 220)
    (folder / "NORMAL" / "late.jpeg").write_text("no image")
    assert here(*RUN, *QUICK, "--data", "films", "--external", "ward=films").returncode in (0, 3)
    (path,) = place.folder.glob("leaderboard/*/skipped.csv")
    assert "late.jpeg" in path.read_text()
    (folder / "NORMAL" / "late.jpeg").unlink()
    assert here(*RUN, *QUICK, "--data", "films").returncode == 0
    assert not (place.protocol_folder() / "skipped.csv").exists()


def test_files_of_an_external_test_set_are_listed_with_it(here, place, films):
    films("films", 210, 220)
    other = films("other", 30, 30, seed=5)
    (other / "NORMAL" / "cut.jpeg").write_text("no image")
    flags = (*RUN, *QUICK, "--data", "films", "--external", "ward-2=other")
    strict = here(*flags, "--strict-data")
    assert strict.returncode == 3
    assert "--strict-data: 1 of 61 files of ward-2 could not be read" in " ".join(strict.stderr.split())
    result = here(*flags)
    assert result.returncode == 0, result.stderr
    path = place.protocol_folder() / "external" / "ward-2" / "skipped.csv"
    assert path.read_text() == "key,reason\nNORMAL/cut.jpeg,is not an image of a known format\n"
    assert "1 of 61 files of ward-2 could not be read" in " ".join(result.stderr.split())
    assert not (place.protocol_folder() / "skipped.csv").exists()


def test_files_of_which_none_can_be_read_are_named_all_the_same(here, place, films):
    folder = films("films", 3, 3)
    for path in folder.rglob("*.jpeg"):
        path.write_bytes(b"")
    result = here(*RUN, *QUICK, "--data", "films")
    assert result.returncode == 3
    (path,) = place.folder.glob("leaderboard/*/skipped.csv")
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
    if seen.count("films/PNEUMONIA/007.jpeg") == 2 and key == "films/PNEUMONIA/007.jpeg":
        with open(key, "ab") as file:
            file.write(b"one more byte")
    return Path(key)

def load(source):
    keys = sorted(str(path) for path in Path("films").rglob("*.jpeg"))
    return Images(name="films", records=[Record(key=key, label=int("PNEU" in key), patient=key) for key in keys], read=read)
"""


def test_a_file_that_changes_during_the_run_stops_it_with_a_message_and_the_next_run_reads_it(place, here, films):
    films("films", 210, 220)
    (place.folder / "restless.py").write_text(REWRITES)
    stopped = place.call(*RUN, *QUICK, "--data", "restless", "--plugin", "restless.py")
    assert stopped.returncode == 3
    assert "error: films/PNEUMONIA/007.jpeg changed while the run was reading it" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    (place.folder / "restless.py").write_text(REWRITES.replace("== 2", "== 0"))
    result = here(*RUN, *QUICK, "--data", "restless", "--plugin", "restless.py")
    assert result.returncode == 0, result.stderr
    (entry,) = place.entries().values()
    assert entry["dataset"]["skipped"] == 0


def test_an_entry_and_its_tables_can_be_read_whatever_files_are_called(here, place, films):
    folder = films("films", 210, 220)
    names = ["line\nbreak.jpeg", "\x1b[31mred.jpeg", "\u202egnp.jpeg", "lungs \N{LUNGS}.jpeg", "é.jpeg", "e\u0301.jpeg"]
    for number, name in enumerate(names):
        (folder / "NORMAL" / f"{number:03d}.jpeg").rename(folder / "NORMAL" / name)
    (folder / "NORMAL" / "100.jpeg").rename(os.fsdecode(os.fsencode(folder / "NORMAL") + b"/caf\xe9.jpeg"))
    assert here(*RUN, *QUICK, "--data", "films").returncode == 0
    (table,) = [path for path in place.protocol_folder().glob("predictions/*.csv") if "majority" not in path.name]
    with table.open(encoding="utf-8", newline="") as file:
        keys = {row["key"] for row in csv.DictReader(file)}
    assert keys & {*(f"NORMAL/{name}" for name in names), "NORMAL/caf\\xe9.jpeg"}
    assert here("leaderboard", "--format", "json").returncode == 0
    again = here(*RUN, *QUICK, "--data", "films")
    assert again.returncode == 0
    assert json.loads(here("leaderboard", "--format", "json").stdout)
