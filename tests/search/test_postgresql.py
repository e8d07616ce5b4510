"""Studies in a real PostgreSQL server, which is also stopped and restarted."""

from __future__ import annotations

import threading
import time

import optuna
import pytest

from cxrbench.errors import ConfigError, StorageLost
from cxrbench.plugin import Choice, Float, Int, Trial
from cxrbench.search import database
from cxrbench.search.database import open_database
from cxrbench.search.record import INTERMEDIATE, StudyRecord

SPACE = {
    "learning_rate": Float(low=1e-5, high=1e-2, log=True),
    "neighbours": Int(low=1, high=64, log=True),
    "kind": Choice(options=("a", "b", 3, True)),
}


def trial(number, **given):
    params = {"learning_rate": 1e-3 / 3, "neighbours": 5, "kind": 3, "threshold": 5e-324}
    return Trial(number=number, **{"params": params, "state": "complete", "value": 2 / 3, "losses": (0.7, 0.1 + 0.2), **given})


@pytest.fixture
def url(postgresql, request):
    return postgresql.create(request.node.name[:60])


def test_trials_are_read_back_exactly(url):
    failed = trial(
        1, state="failed", value=None, losses=(), params={"learning_rate": 1e-3}, reason='no "room" \0 ☃', log=("a", "b")
    )
    with open_database(url, pytest.fail) as opened:
        written = StudyRecord(opened, "texture 0123", SPACE, {"fold": 0, "recipe": "texture+none+none"})
        for one in (failed, trial(0, seconds=0.123456789), trial(0)):
            written.add(one)
    with open_database(url, pytest.fail) as again:
        assert StudyRecord(again, "texture 0123", SPACE).finished() == [trial(0, seconds=0.123456789), failed]
    study = optuna.load_study(study_name="texture 0123", storage=url)
    assert (study.user_attrs, len(study.trials)) == ({"fold": 0, "recipe": "texture+none+none", **INTERMEDIATE}, 3)
    study._storage._backend.engine.dispose()


def test_a_restart_between_two_trials_loses_nothing(postgresql, url):
    with open_database(url, pytest.fail) as opened:
        written = StudyRecord(opened, "texture 0123", SPACE)
        for number in range(3):
            written.add(trial(number))
            postgresql.control("restart", "-m", "immediate")
        assert [one.number for one in written.finished()] == [0, 1, 2]


def test_calls_are_retried_until_the_server_is_back(postgresql, url):
    warnings = []
    with open_database(url, warnings.append) as opened:
        written = StudyRecord(opened, "texture 0123", SPACE)
        written.add(trial(0))
        postgresql.control("stop", "-m", "immediate")
        adding = threading.Thread(target=written.add, args=(trial(1),))
        adding.start()
        try:
            until = time.monotonic() + 60
            while not warnings and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            postgresql.control("start")
        adding.join(timeout=60)
        assert [one.number for one in written.finished()] == [0, 1]
    (line,) = warnings
    assert "does not answer; retrying" in line
    assert postgresql.password not in line


def test_an_unavailable_server_ends_the_run_and_keeps_trials(postgresql, url, monkeypatch):
    monkeypatch.setattr(database, "RETRY_SECONDS", 1)
    with open_database(url, lambda line: None) as opened:
        written = StudyRecord(opened, "texture 0123", SPACE)
        written.add(trial(0))
        postgresql.control("stop", "-m", "immediate")
        try:
            with pytest.raises(StorageLost, match=r"postgresql://cxrbench:\*\*\*@127\.0\.0\.1:\d+/.* is unavailable"):
                written.add(trial(1))
            start = time.monotonic()
            with pytest.raises(ConfigError, match=r"cannot open the database: .*refused"), open_database(url, pytest.fail):
                pass
            assert time.monotonic() - start < 5
        finally:
            postgresql.control("start")
    with open_database(url, pytest.fail) as again:
        assert [one.number for one in StudyRecord(again, "texture 0123", SPACE).finished()] == [0]


@pytest.mark.parametrize(
    ("name", "password", "said"), [("postgres", "wr0ng", "password authentication failed"), ("nowhere", None, "does not exist")]
)
def test_a_refused_login_hides_the_password(postgresql, name, password, said):
    given = {"password": password} if password else {}
    with pytest.raises(ConfigError, match=said) as caught, open_database(postgresql.url(name, **given), pytest.fail):
        pass
    assert not any(secret in str(caught.value) for secret in ("wr0ng", postgresql.password, "p4ss%2F"))
