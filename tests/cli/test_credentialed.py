"""After a run on credentialed images, nothing that it wrote or said names an image or a patient, and no exported model does."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile

import numpy as np
import pytest

from cxrbench.leaderboard.board import read_boards

pytestmark = pytest.mark.slow
ROW = "texture+none+none"
RUN = (
    *("run", "--data", "manifest:source=images.csv,licence=credentialed", "--split", "grouped", "--image-size", 64),
    *("--backbone", "texture", "--augmentation", "none", "--imbalance", "none", "--trials", 2, "--workers", 0, "--offline"),
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory, make_workspace, draw_images):
    """Run and export on images with names and patients to look for, a damaged file and two equal ones."""
    workspace = make_workspace(tmp_path_factory.mktemp("credentialed"))
    folder = workspace.folder
    draw_images(folder / "images", 290, 310, difference=12)
    paths = sorted((folder / "images").rglob("*.jpeg"))
    renamed = [path.rename(path.with_name(f"subject{number:04d}.jpeg")) for number, path in enumerate(paths)]
    renamed[5].write_bytes(b"no image")
    shutil.copyfile(renamed[6], renamed[7])
    with (folder / "images.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "patient"))
        for number, path in enumerate(renamed):
            table.writerow((path.relative_to(folder), path.parent.name, f"person{number // 2:04d}"))
        table.writerow(("images/NORMAL/subject9999.jpeg", "NORMAL", "person9999"))
    run = workspace.call_here(*RUN)
    assert run.returncode == 0, run.stderr
    export = workspace.call_here("export", ROW, "--to", "model")
    assert export.returncode == 0, export.stderr
    return workspace, run, export


def contents(path):
    """Return the bytes of a file, and those of the arrays and files in it."""
    data = path.read_bytes()
    if path.suffix in {".npz", ".keras", ".zip"}:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data += b"".join(archive.read(name) for name in archive.namelist())
    if path.suffix == ".npz":
        data += repr([array.tolist() for array in np.load(path, allow_pickle=False).values()]).encode()
    return data.replace(b"\0", b"")  # text of NumPy has four bytes for each letter


def test_no_file_names_an_image_or_a_patient(ran):
    workspace, _, _ = ran
    files = [path for part in ("leaderboard", "model") for path in (workspace.folder / part).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".npz", ".json", ".csv", ".html", ".md"}
    assert [path for path in files for name in (b"subject", b"person") if name in contents(path)] == []


def test_no_message_names_one(ran):
    for process in ran[1:]:
        assert "subject" not in process.stdout + process.stderr
        assert "person" not in process.stdout + process.stderr


def test_what_could_not_be_read_is_listed_by_pseudonym(ran):
    (board,) = read_boards(ran[0].folder / "leaderboard")
    (listed,) = board.folder.glob("skipped*")
    rows = list(csv.reader(listed.read_text().splitlines()))
    assert any("does not exist" in reason for _, reason in rows)
    (pseudonym,) = (key for key, reason in rows if "is not an image" in reason)
    source = RUN[RUN.index("--data") + 1]
    named = ran[0].call_here("data", "name", source, pseudonym)
    assert named.stdout.startswith(f"{pseudonym}: images/NORMAL/subject0005.jpeg")
    unknown = ran[0].call_here("data", "name", source, "0" * 32)
    assert (unknown.returncode, "neither an image nor a patient" in unknown.stderr) == (2, True)


def test_an_exported_model_holds_no_digests_and_says_so(ran):
    workspace, _, _ = ran
    record = (workspace.folder / "model" / "images.json").read_text()
    assert '"digests": []' in record
    assert '"pixels": []' in record
    card = (workspace.folder / "model" / "README.md").read_text()
    assert "credentialed" in card
    scored = workspace.call_here("predict", "model", "images/NORMAL/subject0001.jpeg")
    assert "nothing tells whether an image is one of them" in scored.stderr


def test_a_second_run_finds_the_same_images(ran):
    workspace, _, _ = ran
    again = workspace.call_here(*RUN)
    assert again.returncode == 0, again.stderr
    assert len(read_boards(workspace.folder / "leaderboard")) == 1
