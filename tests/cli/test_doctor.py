"""`cxrbench doctor` reports every problem of a machine with its remedy, and never crashes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from cxrbench.cli.doctor.folders import cache_size, check_writable_and_lockable
from cxrbench.cli.doctor.machine import WORKER_GIGABYTES, memory
from cxrbench.cli.doctor.packages import keras
from cxrbench.cli.doctor.workers import start_of_workers
from cxrbench.config.settings import Settings

PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"
AREAS = {
    *("cxrbench", "packages", "cores", "memory", "--out", "CXRBENCH_HOME", "cache", "disk of --out", "disk of CXRBENCH_HOME"),
    *("temporary files", "stale files", "plugins", "weights", "factories", "keras", "gpu", "optional", "workers", "speed"),
}


def examined(workspace, *flags, **environment):
    """Return the exit code and the diagnoses by area."""
    return exit_code_and_diagnoses(workspace.call("doctor", "--json", *flags, **environment))


def exit_code_and_diagnoses(done):
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout
    found = {}
    for one in json.loads(done.stdout):
        found.setdefault(one["area"], []).append(one)
    return done.returncode, found


def problems(found):
    return {area for area, ones in found.items() if any(one["verdict"] == "problem" for one in ones)}


@pytest.mark.slow
def test_a_machine_without_problems(workspace):
    code, found = exit_code_and_diagnoses(workspace.call_here("doctor", "--json"))
    assert code == 0, found
    assert set(found) >= AREAS
    assert "numpy" in found["packages"][0]["found"]
    assert found["keras"][0]["found"].endswith("with tensorflow")
    present, _, missing = found["weights"][0]["found"].partition("; missing: ")
    assert "texture" in present
    assert "mobilenet" in missing
    assert found["weights"][0]["remedy"] == "run with --download to fetch them"
    assert "can be imported" in found["factories"][0]["found"]
    assert found["speed"][0]["found"].startswith("features of 5,216 images with ")
    assert {path.name for path in workspace.folder.iterdir()} <= {"keras"}  # created by Keras itself


def test_the_output_is_a_table_and_a_count_of_problems(workspace):
    done = workspace.call_here("doctor", KERAS_BACKEND="nonsense")
    assert done.returncode == 1
    assert "what to do" in done.stdout
    assert "KERAS_BACKEND is nonsense" in done.stdout
    assert done.stderr.startswith("1 problem, ")
    assert done.stdout.endswith("\nspeed: not measured: first follow the advice above\n")


def test_settings_of_keras_that_do_not_count_are_warnings(tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "backend": "jax", "epsilon": 1e-07}')
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    answer = ({"keras": "3", "backend": "tensorflow", "gpus": ["GPU:0"], "without": ""}, "")
    _, settings, legacy, _ = keras(SimpleNamespace(answer=lambda: answer), "auto")
    used = "floatx=float16, backend=jax; cxrbench uses floatx=float32, backend=tensorflow"
    assert (settings.verdict, settings.found) == ("warn", f"{tmp_path / 'keras.json'} sets {used}")
    assert "set KERAS_BACKEND" in settings.remedy
    assert (legacy.verdict, legacy.remedy.partition(",")[0]) == ("warn", "unset TF_USE_LEGACY_KERAS")


def test_workers_that_cannot_start_are_a_problem(monkeypatch):
    assert [one.found for one in start_of_workers(Settings(workers=2))] == ["can start"]
    assert "--workers 0" in next(start_of_workers(Settings(workers=0))).found
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    (found,) = start_of_workers(Settings(workers=2))
    assert found.verdict == "problem"
    assert found.found.startswith("worker processes cannot start: [Errno 2] No such file or directory")
    assert "TMPDIR" in found.remedy


@pytest.mark.long
def test_broken_plugins_are_problems_with_their_names(workspace):
    (workspace.folder / "bell.py").write_text(r"raise RuntimeError('\x1b[2J\x07 gone')")
    names = ("broken_import.py", "missing_factory.py", "raising_register.py")
    broken = [*(PLUGINS / name for name in names), workspace.folder / "bell.py"]
    code, found = examined(workspace, *(flag for file in broken for flag in ("--plugin", file)))
    assert code == 1
    assert problems(found) == {"plugins", "factories"}
    reported = " ".join(one["found"] for one in [*found["plugins"], *found["factories"]])
    assert all(file.name in reported for file in broken)
    assert "\x1b[2J\x07 gone" in reported  # JSON keeps it whole


@pytest.mark.long
def test_a_plugin_that_ends_its_process_does_not_end_the_doctor(workspace):
    (workspace.folder / "ends.py").write_text("import os; os._exit(7)")
    status, found = examined(workspace, "--plugin", "ends.py")
    assert status == 1
    assert problems(found) == {"plugins"}
    assert "the process that loads all plugins failed: exit code 7" in found["plugins"][0]["found"]
    assert "keras" in found


@pytest.mark.long
def test_folders_that_cannot_be_made_are_problems(workspace):
    (workspace.folder / "file").write_text("not a folder")
    code, found = examined(workspace, "--out", "file/below", CXRBENCH_HOME=str(workspace.folder / "file"))
    assert code == 1
    assert problems(found) == {"--out", "CXRBENCH_HOME"}
    for setting in ("--out", "CXRBENCH_HOME"):
        assert "not writable" in found[setting][0]["found"]
        assert setting in found[setting][0]["remedy"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_a_problem(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    (diagnosis,) = check_writable_and_lockable("--out", tmp_path / "locked" / "below")
    assert diagnosis.verdict == "problem"


@pytest.mark.long
def test_invalid_settings_are_a_problem_and_all_other_checks_run(workspace):
    code, found = examined(workspace, CXRBENCH_TRIALS="many")
    assert code == 1
    assert problems(found) == {"settings"}
    assert "--trials many" in found["settings"][0]["found"]
    assert set(found) >= AREAS


def break_package(workspace, name):
    (workspace.folder / "broken" / name).mkdir(parents=True)
    (workspace.folder / "broken" / name / "__init__.py").write_text("raise ImportError('libbroken.so: not found')")
    return str(workspace.folder / "broken")


def test_a_broken_numpy_is_reported_and_breaks_no_other_check(workspace):
    code, found = examined(workspace, PYTHONPATH=break_package(workspace, "numpy"))
    assert code == 1
    assert "keras" in problems(found)
    assert "libbroken.so" in found["keras"][0]["found"]
    assert "pip install" in found["keras"][0]["remedy"]
    assert set(found) >= AREAS - {"gpu"}


def test_without_its_requirements_the_doctor_prints_one_message(workspace):
    done = workspace.call("doctor", PYTHONPATH=break_package(workspace, "pydantic_settings"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "libbroken.so" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_more_workers_than_cores_and_stale_files_are_warnings(workspace):
    home = workspace.folder / "home"
    (home / "features" / "a").mkdir(parents=True)
    half = home / "features" / "a" / ".00000.done.x1.part"
    half.write_bytes(b"half")
    os.utime(half, (0, 0))
    (workspace.folder / "tmp").mkdir()
    temporary = {"TMPDIR": str(workspace.folder / "tmp")}
    code, found = examined(workspace, CXRBENCH_WORKERS="256", CXRBENCH_CACHE_GB="1e9", **temporary)
    assert code == 0
    assert (found["cores"][0]["verdict"], found["stale files"][0]["verdict"]) == ("warn", "warn")
    assert "--workers" in found["cores"][0]["remedy"]
    assert found["stale files"][0]["remedy"] == "to remove them: cxrbench clean"
    assert found["stale files"][0]["found"] == f"1 files and folders of killed runs, 0.000 GB, in {half.parent}"
    assert workspace.call("clean", **temporary).stdout == f"half-written file: {half}\n"
    assert not half.exists()
    assert "--cache-gb" in found["disk of CXRBENCH_HOME"][0]["remedy"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("workers", [0, 256])
def test_workers_need_memory(workers):
    (diagnosis,) = memory(Settings(workers=workers))
    available = float(diagnosis.found.split(", ")[1].split()[0])
    assert diagnosis.verdict == ("ok" if available >= max(1, workers) * WORKER_GIGABYTES else "warn")
    assert bool(diagnosis.remedy) == (diagnosis.verdict != "ok")


def test_the_size_of_the_cache_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / "home"))
    assert cache_size(tmp_path / "home")[1].found == "empty"
    for name in ("images", "features"):
        (tmp_path / "home" / name / "one").mkdir(parents=True)
        (tmp_path / "home" / name / "one" / "0").write_bytes(bytes(10**7))
    size, diagnosis = cache_size(tmp_path / "home")
    assert round(size, 2) == 0.02
    assert diagnosis.found == "0.020 GB in 2 folders, 0 in use"
