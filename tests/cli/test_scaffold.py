"""`cxrbench plugins new`: a new plugin installs, is listed, passes the checks and works in a run."""

import json
import shlex
import subprocess
import sys
import tomllib

import pytest

from cxrbench.cli.scaffold.draft import Draft, write_distribution, write_one_file
from cxrbench.errors import ConfigError
from cxrbench.plugin.host import load_host
from cxrbench.testing import run_checks

KINDS = ("backbone", "augmentation", "imbalance", "dataset", "engine", "shift", "observer")
NAMES = {kind: "squeezenet" if kind == "backbone" else f"my-{kind}" for kind in KINDS}
# the hook that pip calls to build a package, without the two processes that it starts before
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
RUN = shlex.split("""
run --data images --image-size 32 --augmentation none --imbalance none --no-controls --trials 5 --epochs 2
--offline --workers 0 --json --backbone squeezenet
""")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Create a package of every kind and install them with pip in a new folder; return their folder and the new one."""
    folder = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        write_distribution(Draft(name=NAMES[kind], kind=kind), folder, load_host())
        source = folder / f"cxrbench-{NAMES[kind]}"
        subprocess.run([sys.executable, "-c", BUILD, folder], cwd=source, check=True, capture_output=True, timeout=120)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*install, "--target", folder / "site", *folder.glob("*.whl")], check=True, capture_output=True, timeout=120)
    return folder, folder / "site"


@pytest.fixture
def site(installed, monkeypatch):
    """Make the installed packages importable in this process."""
    monkeypatch.syspath_prepend(installed[1])


def test_every_new_package_is_listed(installed, workspace):
    done = workspace.call("plugins", "list", "--json", PYTHONPATH=str(installed[1]))
    listed = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    for kind, name in NAMES.items():
        plugin = listed[f"cxrbench-{name}"]
        assert (plugin["distribution"], plugin["version"], plugin["status"]) == (f"cxrbench-{name}", "0.1.0", "ok")
        declared = [] if kind == "observer" else [(kind, name)]
        assert [(spec["kind"], spec["name"]) for spec in plugin["declares"]] == declared


@pytest.mark.slow
def test_the_written_tests_pass_for_every_kind(installed, site, run_pytest):
    tests = sorted(installed[0].glob("cxrbench-*/test_*.py"))
    assert len(tests) == len(KINDS)
    done = run_pytest(*tests)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout.splitlines()[-1]
    assert " failed" not in done.stdout.splitlines()[-1]


def test_a_new_backbone_gives_a_complete_row(site, run_here, write_images):
    write_images("images", 200, 220)
    done = run_here(*RUN)
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout) if row["backbone"] == "squeezenet"]
    assert (row["status"], row["reason"], row["trials"], row["trials_failed"]) == ("complete", "", 5, 0)
    assert all(0 <= row[metric] <= 1 for metric in ("auc", "f1", "accuracy", "recall", "precision", "validation"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_passes_the_checks(kind, tmp_path, tensorflow_ready):
    (file,) = write_one_file(Draft(name="in-one-file", kind=kind), tmp_path, load_host())
    assert file == tmp_path / "cxrbench_in_one_file.py"
    states = {result.check.name: result.state for result in run_checks(file)}
    expected = {"dataset": "skipped", "observer": None}.get(kind, "passed")
    assert states.get("builds") == expected
    assert "failed" not in states.values()


def test_a_new_observer_is_told_of_a_run(site, run_here, write_images):
    write_images("images", 200, 220)
    done = run_here(*RUN[:-2], "--backbone", "control-intensity")
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout) if row["rank"] == 1]
    assert f"my-observer: {row['recipe']}: auc {row['auc']:.3f}" in done.stderr
    assert f"my-observer: first: {row['recipe']}" in done.stderr


def test_an_observer_that_is_installed_is_not_drawn_up_again(tmp_path):
    with pytest.raises(ConfigError, match="the plugin cxrbench-mlflow is already installed: choose another name than 'mlflow'"):
        write_distribution(Draft(name="mlflow", kind="observer"), tmp_path, load_host())


@pytest.mark.parametrize("license_name", ["Apache-2.0", "MIT", "BSD-3-Clause"])
def test_the_licence_is_declared_and_included(license_name, tmp_path):
    draft = Draft(name="licensed", kind="imbalance", license=license_name)
    write_distribution(draft, tmp_path, load_host())
    folder = tmp_path / "cxrbench-licensed"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["license"] == license_name
    assert project["entry-points"]["cxrbench"] == {"cxrbench-licensed": "cxrbench_licensed"}
    assert license_name.partition("-")[0] in (folder / "LICENSE").read_text()
    assert "$" not in "".join(path.read_text() for path in folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_new_files_compile_and_have_no_long_lines(kind, tmp_path):
    write_distribution(Draft(name="tidy", kind=kind), tmp_path, load_host())
    for path in tmp_path.rglob("*.py"):
        assert max(map(len, path.read_text().splitlines())) <= 128
        compile(path.read_text(), path, "exec")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("My_Net", "backbone", "'My_Net' is not kebab-case"),
        ("", "backbone", "is not kebab-case"),
        ("all", "engine", "is reserved: on the command line it means every engine"),
        ("texture", "backbone", "backbone 'texture' is taken: cxrbench declares it"),
        ("smote", "imbalance", "imbalance 'smote' is taken"),
        ("backbones", "dataset", "the module cxrbench_backbones is already installed"),
    ],
)
def test_an_invalid_or_taken_name_is_an_error(name, kind, message, tmp_path):
    for write in (write_distribution, write_one_file):
        with pytest.raises(ConfigError, match=message):
            write(Draft(name=name, kind=kind), tmp_path, load_host())
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_another_kind_is_free(tmp_path):
    assert write_one_file(Draft(name="texture", kind="imbalance"), tmp_path, load_host())


def test_nothing_is_overwritten(run_here, tmp_path):
    assert run_here("plugins", "new", "mine", "--kind", "engine").returncode == 0
    before = (tmp_path / "cxrbench-mine" / "README.md").read_text()
    again = run_here("plugins", "new", "mine", "--kind", "dataset")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("error: cxrbench-mine exists: ")
    assert (tmp_path / "cxrbench-mine" / "README.md").read_text() == before


def test_files_go_to_stdout_and_next_steps_to_stderr(workspace, tmp_path):
    done = workspace.call("plugins", "new", "mine", "--kind", "backbone", "--one-file", "--out", "drafts")
    assert done.stdout == "drafts/cxrbench_mine.py\n"
    assert "next: cxrbench plugins check drafts/cxrbench_mine.py" in done.stderr
    assert (tmp_path / "drafts" / "cxrbench_mine.py").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_created(kind, run_here, tmp_path):
    assert run_here("plugins", "new", "mine", "--kind", kind).returncode == 0
    written = (tmp_path / "cxrbench-mine" / "cxrbench_mine.py").read_text()
    assert ("def on_entry(entry)" if kind == "observer" else 'name="mine"') in written


def test_an_unwritable_folder_is_a_one_line_error(run_here, tmp_path):
    (tmp_path / "file").write_text("")
    done = run_here("plugins", "new", "mine", "--kind", "backbone", "--out", "file")
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write file/cxrbench-mine/")
