"""A run that is recorded in a real PostgreSQL: killed and resumed, and the database restarted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import optuna
import pytest
import sqlalchemy

from cxrbench.search import database

TRIALS = 8
TINY = (
    *("run", "--data", "images", "--image-size", 32, "--backbone", "control-thumbnail", "--no-controls"),
    *("--augmentation", "none", "--imbalance", "none", "--imbalance", "class-weights", "--epochs", 2, "--trials", TRIALS),
    *("--workers", 0, "--offline"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_workspace, draw_images, postgresql, tensorflow_ready):
    """Run without interruption in a separate database; return its workspace."""
    workspace = make_workspace(tmp_path_factory.mktemp("storage"))
    draw_images(workspace.folder / "images", 170, 190, difference=1)
    result = workspace.call_here(*TINY, "--storage", postgresql.create("uninterrupted"))
    assert result.returncode == 0, result.stderr
    assert "resuming" not in result.stderr
    return workspace


@pytest.fixture(scope="module")
def uninterrupted(finished):
    return outcome(finished)


def outcome(workspace):
    """Return the results of a run without times: entries, and the bytes of predictions and test-set locks."""
    entries = json.dumps(workspace.entries())
    without_seconds = json.loads(entries, object_hook=lambda one: {name: one[name] for name in one if name != "seconds"})
    return without_seconds, {**workspace.files("*/predictions/*.npz"), **workspace.files("*/test_lock/*.json")}


@contextmanager
def counting(url):
    """Yield a function that counts the trials of a database, finished or not; 0 before there are tables."""
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:

        def count():
            try:
                return connection.execute(sqlalchemy.text("SELECT count(*) FROM trials")).scalar()
            except sqlalchemy.exc.ProgrammingError:
                return 0

        yield count


def count_of(url):
    with counting(url) as count:
        return count()


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


@pytest.fixture
def images(write_images):
    write_images("images", 170, 190, difference=1)


def start(workspace, url):
    """Start the run in its own process group, with the database in its environment."""
    command = workspace.command(*TINY, CXRBENCH_STORAGE=url)
    return subprocess.Popen(**command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def wait_for(process, url, trials):
    until = time.monotonic() + 120
    with counting(url) as count:
        while count() < trials:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.mark.usefixtures("images")
def test_a_killed_run_resumes_after_its_database_restarted(workspace, run_here, uninterrupted, postgresql):
    url = postgresql.create("killed")
    process = start(workspace, url)
    with process:
        try:
            wait_for(process, url, 3)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    before = count_of(url)
    assert 3 <= before < 2 * TRIALS
    postgresql.control("restart", "-m", "immediate")
    assert count_of(url) == before
    resumed = run_here(*TINY, "--storage", url)
    assert resumed.returncode == 0, resumed.stderr
    assert f"of {TRIALS} trials are done" in resumed.stderr
    assert f"trials: {2 * TRIALS - before} in" in resumed.stderr
    assert outcome(workspace) == uninterrupted
    assert list(numbers(url).values()) == [list(range(TRIALS))] * 2
    assert not list(workspace.folder.glob("leaderboard/studies/*"))
    assert not files_with_secrets(workspace, postgresql)


@pytest.mark.long
@pytest.mark.usefixtures("images")
def test_a_run_continues_while_its_database_restarts(workspace, uninterrupted, postgresql):
    url = postgresql.create("restarted")
    process = start(workspace, url)
    with process:
        try:
            wait_for(process, url, 3)
            postgresql.control("restart", "-m", "immediate")
            _, talk = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, talk
    assert outcome(workspace) == uninterrupted
    assert list(numbers(url).values()) == [list(range(TRIALS))] * 2


@pytest.mark.long
@pytest.mark.usefixtures("images")
def test_a_lost_database_ends_the_run_without_failed_rows(run_here, workspace, postgresql, monkeypatch):
    monkeypatch.setattr(database, "RETRY_SECONDS", 1)
    url = postgresql.create("away")
    command = (*TINY, "--trials", 100, "--storage", url)

    def stop():
        with counting(url) as count:
            while count() < 3:
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
    assert count_of(url) >= 3
    again = run_here(*TINY, "--storage", url)
    assert again.returncode == 0, again.stderr
    assert f"of {TRIALS} trials are done" in again.stderr


def test_studies_have_names_and_attributes_for_a_dashboard(finished, uninterrupted, postgresql):
    url, (entries, _) = postgresql.url("uninterrupted"), uninterrupted
    studies = {recipe: entry["folds"][0]["study"] for recipe, entry in entries.items()}
    assert numbers(url).keys() == {f"{recipe} {study[:16]}" for recipe, study in studies.items()}
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT key, value_json FROM study_user_attributes")).all()
    found = {(key, json.loads(value)) for key, value in rows}
    assert found >= {("recipe", recipe) for recipe in studies} | {("identity", study) for study in studies.values()}
    assert ("protocol", finished.protocol_folder().name) in found


def files_with_secrets(workspace, postgresql):
    """Return the files of a run, outside of its cache, that hold the password or the address of the database."""
    written = [path for path in workspace.folder.rglob("*") if path.is_file() and not {"home", "images"} & set(path.parts)]
    assert len(written) > 6
    secrets = [secret.encode() for secret in (postgresql.password, "p4ss%2Fword", f":{postgresql.port}")]
    return [path for path in written if any(secret in path.read_bytes() for secret in secrets)]


def test_no_file_holds_the_password(finished, postgresql):
    assert not files_with_secrets(finished, postgresql)


@pytest.mark.usefixtures("images")
def test_an_unreachable_database_is_an_invalid_setting(run_here, workspace):
    result = run_here(*TINY, "--storage", "postgresql://cxrbench:s3cret@127.0.0.1:1/x")
    assert result.returncode == 2
    assert "--storage postgresql://cxrbench:***@127.0.0.1:1/x: cannot open the database" in " ".join(result.stderr.split())
    assert "s3cret" not in result.stderr
    assert not list(workspace.folder.glob("leaderboard/*"))
