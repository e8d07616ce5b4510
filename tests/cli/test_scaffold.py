"""`cxrbench plugins new`: what it writes installs, is listed, passes the checks and takes part in a run."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cxrbench.cli.scaffold.draft import Draft, write_distribution, write_one_file
from cxrbench.errors import ConfigError
from cxrbench.plugin.host import load_host
from cxrbench.testing import run_checks

SCRIPT = Path(sys.executable).parent / "cxrbench"
KINDS = ("backbone", "augmentation", "imbalance", "dataset", "engine")
RUN = shlex.split("""
run --data phantom:images=420,size=64 --image-size 64 --augmentation none --imbalance none --no-controls --trials 5 --epochs 2
--offline --workers 1 --json --backbone squeezenet
""")


def command(folder, *arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CXRBENCH_")}
    surroundings = {**clean, "CXRBENCH_HOME": str(folder / "home"), **environment}
    called = [SCRIPT, *map(str, arguments)]
    return subprocess.run(called, cwd=folder, env=surroundings, capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Write a distribution of every kind, install all with pip into a separate folder; return it and the environment."""
    folder = tmp_path_factory.mktemp("new")
    names = {"backbone": "squeezenet", **{kind: f"my-{kind}" for kind in KINDS[1:]}}
    for kind, name in names.items():
        done = command(folder, "plugins", "new", name, "--kind", kind)
        assert done.returncode == 0, done.stderr
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    sources = [folder / f"cxrbench-{name}" for name in names.values()]
    target = ["--disable-pip-version-check", "--target", folder / "site", *sources]
    subprocess.run([*install, *target], check=True, capture_output=True, timeout=120)
    return folder, {"PYTHONPATH": str(folder / "site")}


def test_every_distribution_is_listed_at_once(installed):
    folder, environment = installed
    done = command(folder, "plugins", "list", "--json", **environment)
    found = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    for kind in KINDS:
        name = "squeezenet" if kind == "backbone" else f"my-{kind}"
        plugin = found[f"cxrbench-{name}"]
        assert (plugin["distribution"], plugin["version"], plugin["status"]) == (f"cxrbench-{name}", "0.1.0", "ok")
        assert [(spec["kind"], spec["name"]) for spec in plugin["declares"]] == [(kind, name)]


def test_the_written_tests_pass_for_every_kind(installed):
    folder, environment = installed
    tests = sorted(folder.glob("cxrbench-*/test_*.py"))
    assert len(tests) == len(KINDS)
    called = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", *tests]
    surroundings = {**os.environ, **environment, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(called, cwd=folder, env=surroundings, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout
    assert " failed" not in done.stdout.splitlines()[-1]


def test_a_new_backbone_gives_a_complete_row(installed):
    folder, environment = installed
    done = command(folder, *RUN, **environment)
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout) if row["backbone"] == "squeezenet"]
    assert (row["status"], row["reason"], row["trials"], row["trials_failed"]) == ("complete", "", 5, 0)
    assert all(0 <= row[metric] <= 1 for metric in ("auc", "f1", "accuracy", "recall", "precision", "validation"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_passes_the_checks(kind, tmp_path, tensorflow_ready):
    (file,) = write_one_file(Draft(name="in-one-file", kind=kind), tmp_path, load_host())
    assert file == tmp_path / "cxrbench_in_one_file.py"
    states = {result.check.name: result.state for result in run_checks(file)}
    assert states["builds"] == ("skipped" if kind == "dataset" else "passed")
    assert "failed" not in states.values()


@pytest.mark.parametrize("license_name", ["Apache-2.0", "MIT", "BSD-3-Clause"])
def test_the_licence_is_declared_and_its_text_is_there(license_name, tmp_path):
    draft = Draft(name="licensed", kind="imbalance", license=license_name)
    write_distribution(draft, tmp_path, load_host())
    folder = tmp_path / "cxrbench-licensed"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["license"] == license_name
    assert project["entry-points"]["cxrbench"] == {"cxrbench-licensed": "cxrbench_licensed"}
    assert license_name.partition("-")[0] in (folder / "LICENSE").read_text()
    assert "$" not in "".join(path.read_text() for path in folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_has_no_long_lines_and_compiles(kind, tmp_path):
    write_distribution(Draft(name="tidy", kind=kind), tmp_path, load_host())
    for path in tmp_path.rglob("*.py"):
        assert max(map(len, path.read_text().splitlines())) <= 128
        compile(path.read_text(), path, "exec")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("My_Net", "backbone", "'My_Net' is not kebab-case"),
        ("", "backbone", "is not kebab-case"),
        ("all", "engine", "means every engine"),
        ("texture", "backbone", "backbone 'texture' is taken: cxrbench declares it"),
        ("smote", "imbalance", "imbalance 'smote' is taken"),
        ("backbones", "dataset", "the module cxrbench_backbones is installed already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name, kind, message, tmp_path):
    for write in (write_distribution, write_one_file):
        with pytest.raises(ConfigError, match=message):
            write(Draft(name=name, kind=kind), tmp_path, load_host())
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_another_kind_has_is_free(tmp_path):
    assert write_one_file(Draft(name="texture", kind="imbalance"), tmp_path, load_host())


def test_nothing_is_overwritten(tmp_path):
    assert command(tmp_path, "plugins", "new", "mine", "--kind", "engine").returncode == 0
    before = (tmp_path / "cxrbench-mine" / "README.md").read_text()
    again = command(tmp_path, "plugins", "new", "mine", "--kind", "dataset")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("error: cxrbench-mine exists: ")
    assert (tmp_path / "cxrbench-mine" / "README.md").read_text() == before


def test_files_go_to_stdout_and_what_to_do_next_to_stderr(tmp_path):
    done = command(tmp_path, "plugins", "new", "mine", "--kind", "backbone", "--one-file", "--out", "drafts")
    assert done.stdout == "drafts/cxrbench_mine.py\n"
    assert "next: cxrbench plugins check drafts/cxrbench_mine.py" in done.stderr
    assert (tmp_path / "drafts" / "cxrbench_mine.py").is_file()


def test_a_folder_that_is_not_writable_is_a_one_line_error(tmp_path):
    (tmp_path / "file").write_text("")
    done = command(tmp_path, "plugins", "new", "mine", "--kind", "backbone", "--out", "file")
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write file/cxrbench-mine/")
