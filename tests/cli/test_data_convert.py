"""`cxrbench data convert` writes any dataset as a CSV file that says how it is read."""

from __future__ import annotations

import re
import shlex

import pytest


def next_command(said):
    """Return the arguments of the command that the output proposes."""
    return shlex.split(re.search(r"Next: cxrbench run --data (.*)", said)[1])


def test_the_command_that_is_named_reads_the_same_images(run_here, workspace, write_images):
    folder = write_images("set", 60, 60)
    (folder / "NORMAL").rename(folder / "all well")
    flags = ("--positive", "PNEUMONIA", "--negative", "all well")
    made = run_here("data", "convert", "folder:source=set,licence=open", "--to", "tables/set.csv", *flags)
    assert made.returncode == 0, made.stderr
    assert "wrote 120 images (60 all well, 60 PNEUMONIA) to tables/set.csv" in made.stderr
    shown = [
        run_here("data", "inspect", *arguments).stdout.partition("\n")[2]
        for arguments in (next_command(made.stderr), ("folder:source=set,licence=open", *flags))
    ]
    assert shown[0] == shown[1]
    assert "licence class: open" in shown[0]


def test_drawn_images_are_written_and_read_again(run_here, workspace):
    phantoms = "phantom:images=420,size=32"
    refused = run_here("data", "convert", phantoms, "--to", "p.csv")
    assert (refused.returncode, "add --images FOLDER" in refused.stderr) == (2, True)
    made = run_here("data", "convert", phantoms, "--to", "p.csv", "--images", "drawn")
    assert made.returncode == 0, made.stderr
    assert len(list((workspace.folder / "drawn").rglob("*.png"))) == 420
    first, second = (
        run_here("data", "inspect", source, "--sizes", "--image-size", 32)
        for source in (phantoms, next_command(made.stderr)[0])
    )
    keep = re.compile(r"(?m)^(dataset|fingerprint|notice): .*\n")
    assert keep.sub("", first.stdout) == keep.sub("", second.stdout)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--to", "taken.csv"), "taken.csv: exists already. Name a new file"),
        (("--to", "new.xlsx"), "name a file that ends in .csv"),
        (("--to", "new.csv", "--images", "full"), "the folder is not empty"),
        (("--to", "new.csv", "--images", "empty"), "are files already: leave --images out"),
    ],
)
def test_nothing_is_overwritten(run_here, workspace, write_images, flags, words):
    write_images("set", 2, 2)
    (workspace.folder / "taken.csv").write_text("mine")
    (workspace.folder / "full").mkdir()
    (workspace.folder / "full" / "mine").touch()
    result = run_here("data", "convert", "set", *flags)
    assert (result.returncode, words in result.stderr) == (2, True), result.stderr
    assert (workspace.folder / "taken.csv").read_text() == "mine"
    assert sorted(path.name for path in workspace.folder.iterdir()) == ["full", "set", "taken.csv"] or flags[-1] == "empty"
    assert not (workspace.folder / "new.csv").exists()


def test_restricted_images_are_named_with_a_warning(run_here, workspace, write_images):
    write_images("set", 2, 2)
    made = run_here("data", "convert", "folder:source=set,licence=credentialed", "--to", "set.csv")
    assert made.returncode == 0, made.stderr
    assert "licence class of these images is credentialed: the file names them and their patients. Keep it" in made.stderr
    assert "set/NORMAL/000.jpeg,0," in (workspace.folder / "set.csv").read_text()
