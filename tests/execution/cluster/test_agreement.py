"""Machines that would compute something else are refused, by name and with what to do."""

from __future__ import annotations

import pytest

from cxrbench.errors import ConfigError
from cxrbench.execution.cluster.agreement import agreed

KERAS = "Metadata-Version: 2.1\nName: keras\nVersion: 3.0.1\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def own_plugin(tmp_path, monkeypatch):
    """Install the package of a plugin in this process alone."""
    package = tmp_path / "installed" / "their_backbone"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(package.parent)
    return package.name


def test_the_same_machine_agrees(home, own_plugin, tmp_path):
    with agreed({"--out": tmp_path / "out"}, ["pillow"], ["cxrbench_shifts", own_plugin], []) as agreement:
        assert agreement.problems() == []
        assert agreement.versions.keys() >= {"python", "keras", "numpy", "pillow"}
        assert agreement.surroundings.environment["CXRBENCH_HOME"] == str(home)
    assert list(home.iterdir()) == [] == list((tmp_path / "out").iterdir())


def test_another_cache_folder_is_named_with_both(home, tmp_path, monkeypatch):
    with agreed({}, [], [], []) as agreement:
        monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / "other"))
        (problem,) = agreement.problems()
    assert problem.startswith(f"CXRBENCH_HOME is {tmp_path / 'other'}, but {home} where the run is: start the worker with")


def test_a_folder_at_the_same_path_that_is_another_is_named(home, tmp_path, monkeypatch):
    monkeypatch.delenv("CXRBENCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with agreed({"--out": tmp_path / "out"}, [], [], []) as agreement:
        for folder in agreement.folders.values():  # as on a disk of the other machine
            (folder / agreement.mark).unlink()
        problems = agreement.problems()
    assert [problem.partition(" is not")[0] for problem in problems] == [
        f"{name} {folder}" for name, folder in agreement.folders.items()
    ]
    assert all("must be a shared folder at the same path" in problem for problem in problems)


def test_refused_workers_are_named_and_a_run_without_another_ends(new_cluster, open_on, own_plugin, tmp_path, wait_until):
    keras = tmp_path / "older" / "keras-3.0.1.dist-info"
    keras.mkdir(parents=True)
    (keras / "METADATA").write_text(KERAS)
    new_cluster.start_worker(PYTHONPATH=str(keras.parent), CXRBENCH_HOME=str(tmp_path / "own"))
    with open_on(new_cluster, packages=[own_plugin]) as executor:
        wait_until(executor.refused)
        assert not executor.has_workers
        (line,) = executor.refused()
    assert "worker tcp://127.0.0.1:" in line
    assert "keras is 3.0.1, but 3." in line
    assert "the package their_backbone is not installed: install the plugin that it belongs to" in line
    assert f"CXRBENCH_HOME is {tmp_path / 'own'}, but" in line
    with pytest.raises(ConfigError, match=r"no worker can compute for this run\. worker tcp://.* is refused: keras is"):
        open_on(new_cluster, packages=[own_plugin]).__enter__()
