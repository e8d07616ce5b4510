"""Studies in databases without a server, and the errors for URLs that cannot be opened."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager

import optuna
import pytest
import sqlalchemy

from cxrbench.errors import ConfigError, StorageLost
from cxrbench.plugin import Float, Trial
from cxrbench.search import database
from cxrbench.search.database import open_database
from cxrbench.search.record import INTERMEDIATE, StudyRecord

SPACE = {"learning_rate": Float(low=1e-5, high=1e-2, log=True)}


def trial(number, **given):
    params = {"learning_rate": 1e-3 / 3, "threshold": 1 / 3}
    return Trial(number=number, **{"params": params, "state": "complete", "value": 2 / 3, "losses": (0.7, 0.1), **given})


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'studies.db'}"


@pytest.fixture
def opened(url):
    with open_database(url, pytest.fail) as database_of_url:
        yield database_of_url


@contextmanager
def optunas_study(url, name):
    """Load a study with Optuna alone, and close its connections."""
    storage = optuna.storages.RDBStorage(url)
    try:
        yield optuna.load_study(study_name=name, storage=storage)
    finally:
        storage.engine.dispose()


def in_threads(call, arguments):
    threads = [threading.Thread(target=call, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def open_connections():
    """Return the set of connections that SQLAlchemy opened since and has not closed."""
    connections = set()

    def opened(connection, record):
        connections.add(connection)

    def closed(connection, record):
        connections.discard(connection)

    for name, listener in (("connect", opened), ("close", closed)):
        sqlalchemy.event.listen(sqlalchemy.Pool, name, listener)
    yield connections
    for name, listener in (("connect", opened), ("close", closed)):
        sqlalchemy.event.remove(sqlalchemy.Pool, name, listener)


def test_trials_come_back_exactly_from_a_database(opened, url):
    failed = trial(
        1, state="failed", value=None, losses=(), params={"learning_rate": 1e-3}, reason='no "room" \0 ☃', log=("a", "b")
    )
    written = StudyRecord(opened, "texture 0123", SPACE)
    for one in (failed, trial(0)):
        written.add(one)
    assert written.finished() == [trial(0), failed]
    with open_database(url, pytest.fail) as again:
        assert StudyRecord(again, "texture 0123", SPACE).finished() == [trial(0), failed]


def test_studies_share_a_database_and_optunas_tools_read_them(opened, url):
    about = {"recipe": "texture+none+none", "protocol": "p", "identity": "0123", "fold": 2}
    first, second = StudyRecord(opened, "texture 0123", SPACE, about), StudyRecord(opened, "texture 0123-2", SPACE)
    first.add(trial(0))
    assert second.finished() == []
    assert opened.names() == {"texture 0123", "texture 0123-2"}
    with optunas_study(url, "texture 0123") as study:
        assert study.direction == optuna.study.StudyDirection.MAXIMIZE
        assert study.user_attrs == {**about, **INTERMEDIATE}
        assert [(one.value, one.user_attrs["number"]) for one in study.trials] == [(2 / 3, 0)]


def test_the_first_of_two_trials_with_one_number_counts(opened, url):
    written = StudyRecord(opened, "texture 0123", SPACE)
    written.add(trial(0, value=0.5))
    written.add(trial(0, value=0.9))
    with optunas_study(url, "texture 0123") as study:
        study.ask()
    assert [one.value for one in StudyRecord(opened, "texture 0123", SPACE).finished()] == [0.5]


def test_threads_can_write_at_the_same_time(opened):
    def write(name):
        written = StudyRecord(opened, name, SPACE)
        for number in range(5):
            written.add(trial(number))

    in_threads(write, [f"study {one}" for one in range(4)])
    assert [len(StudyRecord(opened, name, SPACE).finished()) for name in sorted(opened.names())] == [5] * 4


def test_all_connections_are_closed_after_an_error(url, open_connections):
    def fail():
        written = StudyRecord(opened, "texture 0123", SPACE)
        in_threads(written.add, map(trial, range(3)))
        assert open_connections
        raise KeyError("mine")

    with pytest.raises(KeyError), open_database(url, pytest.fail) as opened:
        opened.retry(fail)
    assert not open_connections


def test_a_connection_in_use_is_closed_when_its_call_ends(url, open_connections):
    started, database_closed = threading.Event(), threading.Event()

    def slow_query():
        with opened.storage.engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
            started.set()
            assert database_closed.wait(60)

    with open_database(url, pytest.fail) as opened:
        thread = threading.Thread(target=opened.retry, args=(slow_query,))
        thread.start()
        assert started.wait(60)
    assert len(open_connections) == 1
    database_closed.set()
    thread.join()
    assert not open_connections


def test_processes_can_create_the_tables_at_the_same_time(url):
    program = "import sys; from cxrbench.search.database import open_database\nwith open_database(sys.argv[1], print): pass"
    processes = [subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0], ended


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense:s3cret", r"^--storage: invalid database URL; expected postgresql://"),
        ("", "invalid database URL"),
        ("postgresql://ann:s3cret@host:port/x", "invalid database URL"),
        ("redis://ann:s3cret@localhost/0", r"^--storage redis://ann:\*\*\*@localhost/0: SQLAlchemy does not support this"),
        (
            "mysql://ann:s3cret@localhost/x",
            r"mysql://ann:\*\*\*@localhost/x: the driver of mysql is not installed: pip install",
        ),
        ("postgresql+pg8000://ann:s3cret@localhost/x", r"pip install 'cxrbench\[postgresql\]', instead of postgresql\+pg8000"),
        ("sqlite://", "an in-memory database is lost"),
        ("sqlite:///:memory:", "an in-memory database is lost"),
        ("sqlite:////no/such/folder/x.db", "cannot open the database: unable to open database file. Check that"),
    ],
)
def test_an_open_error_hides_the_password(url, said):
    with pytest.raises(ConfigError, match=said) as caught, open_database(url, pytest.fail):
        pass
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("query", ["?password=s3cret&x=1", "?sslpassword=s3cret", "?user=ann&password=s3cret"])
def test_passwords_in_the_query_are_hidden_too(query):
    pytest.importorskip("psycopg")
    with (
        pytest.raises(ConfigError, match=r"\*\*\*") as caught,
        open_database(f"postgresql+psycopg://127.0.0.1:1/x{query}", pytest.fail),
    ):
        pass
    assert "s3cret" not in str(caught.value)


def test_tables_of_another_optuna_version_show_its_remedy(url, open_connections):
    with open_database(url, pytest.fail):
        pass
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = 'v2.6.0.a'"))
    engine.dispose()
    with pytest.raises(ConfigError, match=r"no longer compatible .*optuna storage upgrade"), open_database(url, pytest.fail):
        pass
    assert not open_connections


def test_an_unavailable_database_ends_the_run_with_one_warning(url, monkeypatch):
    monkeypatch.setattr(database, "RETRY_SECONDS", 0.5)
    warnings = []
    with open_database(url, warnings.append) as opened:
        written = StudyRecord(opened, "texture 0123", SPACE)
        written.add(trial(0))
        with opened.storage.engine.begin() as connection:
            connection.execute(sqlalchemy.text("DROP TABLE trials"))
        with pytest.raises(
            StorageLost, match=r"sqlite:///.* is unavailable: no such table: trials.*run the same command again"
        ) as caught:
            written.finished()
        with pytest.raises(StorageLost):
            written.finished()
    assert caught.value.exit_code == 130
    (line,) = warnings
    assert "does not answer; retrying for" in line


def test_an_error_outside_the_database_is_not_retried(opened):
    calls = []

    def call():
        calls.append(1)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        opened.retry(call)
    assert calls == [1]
