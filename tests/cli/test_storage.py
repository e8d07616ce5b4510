"""A run that is recorded in a real PostgreSQL: killed and resumed, and the database restarted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time

import optuna
import pytest
import sqlalchemy

from cxrbench.search import database

TRIALS = 8
TINY = (
    *("run", "--data", "phantom:images=360,size=64", "--image-size", 64, "--backbone", "texture", "--no-controls"),
    *("--augmentation", "none", "--imbalance", "none", "--imbalance", "class-weights", "--epochs", 2, "--trials", TRIALS),
    *("--workers", 1, "--offline"),
)


@pytest.fixture(scope="module")
def uninterrupted(small_workspace, postgresql):
    """Run without interruption in a separate database."""
    url = postgresql.create("uninterrupted")
    result = small_workspace.call(*TINY, "--out", "uninterrupted", "--storage", url)
    assert result.returncode == 0, result.stderr
    assert "resuming" not in result.stderr
    return outcome(small_workspace, "uninterrupted")


@pytest.fixture(scope="module")
def small_workspace(tmp_path_factory, make_workspace):
    return make_workspace(tmp_path_factory.mktemp("storage"))


def outcome(workspace, out):
    """Return the results of a run without times: entries, and the bytes of predictions and test-set locks."""
    entries = {name: {**entry, "seconds": None} for name, entry in workspace.entries(out).items()}
    files = {**workspace.files("*/predictions/*.csv", out), **workspace.files("*/test_lock/*.json", out)}
    return entries, {path.relative_to(out): content for path, content in files.items()}


def count(url):
    """Return how many trials a database holds, finished or not; 0 before there are tables."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            return connection.execute(sqlalchemy.text("SELECT count(*) FROM trials")).scalar()
    except sqlalchemy.exc.ProgrammingError:
        return 0


def numbers(url):
    """Return the numbers of the trials of each study."""
    storage = optuna.storages.RDBStorage(url)
    try:
        names = optuna.get_all_study_names(storage)
        studies = {name: optuna.load_study(study_name=name, storage=storage).trials for name in names}
        return {name: sorted(trial.user_attrs["number"] for trial in trials) for name, trials in studies.items()}
    finally:
        storage.remove_session()
        storage.engine.dispose()


def start(workspace, url, out):
    """Start the run in its own process group, with the database in its environment."""
    command = workspace.command(*TINY, "--out", out, CXRBENCH_STORAGE=url)
    return subprocess.Popen(**command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def wait_for(process, url, trials):
    until = time.monotonic() + 120
    while count(url) < trials:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_killed_run_resumes_after_its_database_restarted(small_workspace, uninterrupted, postgresql):
    url = postgresql.create("killed")
    process = start(small_workspace, url, "killed")
    with process:
        try:
            wait_for(process, url, 3)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    before = count(url)
    assert 3 <= before < 2 * TRIALS
    postgresql.control("restart", "-m", "immediate")
    assert count(url) == before
    resumed = small_workspace.call(*TINY, "--out", "killed", CXRBENCH_STORAGE=url)
    assert resumed.returncode == 0, resumed.stderr
    assert f"of {TRIALS} trials are done" in resumed.stderr
    assert f"trials: {2 * TRIALS - before} in" in resumed.stderr
    assert outcome(small_workspace, "killed") == uninterrupted
    assert list(numbers(url).values()) == [list(range(TRIALS))] * 2
    assert not list(small_workspace.folder.glob("killed/studies/*"))


@pytest.mark.long
def test_a_run_continues_while_its_database_restarts(small_workspace, uninterrupted, postgresql):
    url = postgresql.create("restarted")
    process = start(small_workspace, url, "restarted")
    with process:
        try:
            wait_for(process, url, 3)
            postgresql.control("restart", "-m", "immediate")
            _, talk = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, talk
    assert outcome(small_workspace, "restarted") == uninterrupted
    assert list(numbers(url).values()) == [list(range(TRIALS))] * 2


@pytest.mark.long
def test_an_unavailable_database_ends_the_run_without_failed_rows(run_here, workspace, postgresql, monkeypatch):
    monkeypatch.setattr(database, "RETRY_SECONDS", 1)
    url = postgresql.create("away")
    command = (*TINY, "--trials", 100, "--workers", 0, "--storage", url)

    def stop():
        while count(url) < 3:
            time.sleep(0.02)
        postgresql.control("stop", "-m", "immediate")

    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        ended = run_here(*command)
    finally:
        stopping.join()
        postgresql.control("start")
    assert ended.returncode == 130
    assert ended.stderr.count("does not answer; retrying for 1 s") == 1
    assert re.search(
        r"error: the database \S+ is unavailable: .* run the same command again to resume", " ".join(ended.stderr.split())
    )
    assert workspace.entries() == {}
    assert count(url) >= 3
    again = run_here(*TINY, "--workers", 0, "--storage", url)
    assert again.returncode == 0, again.stderr
    assert f"of {TRIALS} trials are done" in again.stderr


def test_studies_have_names_and_attributes_for_a_dashboard(small_workspace, uninterrupted, postgresql):
    url, (entries, _) = postgresql.url("uninterrupted"), uninterrupted
    studies = {recipe: entry["folds"][0]["study"] for recipe, entry in entries.items()}
    assert numbers(url).keys() == {f"{recipe} {study[:16]}" for recipe, study in studies.items()}
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT key, value_json FROM study_user_attributes")).all()
    found = {(key, json.loads(value)) for key, value in rows}
    assert found >= {("recipe", recipe) for recipe in studies} | {("identity", study) for study in studies.values()}
    assert ("protocol", small_workspace.protocol_folder("uninterrupted").name) in found


def test_no_file_holds_the_password(small_workspace, uninterrupted, postgresql):
    written = [path for path in small_workspace.folder.rglob("*") if path.is_file() and "home" not in path.parts]
    assert len(written) > 6
    for secret in (postgresql.password, "p4ss%2Fword", str(postgresql.port)):
        assert not [path for path in written if secret.encode() in path.read_bytes()]


def test_an_unreachable_database_is_an_invalid_setting(run_here, workspace):
    result = run_here(*TINY, "--storage", "postgresql://cxrbench:s3cret@127.0.0.1:1/x")
    assert result.returncode == 2
    assert "--storage postgresql://cxrbench:***@127.0.0.1:1/x: cannot open the database" in " ".join(result.stderr.split())
    assert "s3cret" not in result.stderr
    assert not list(workspace.folder.glob("leaderboard/*"))
