"""Studies in a database: any that Optuna records in, named by its URL."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

from cxrbench.errors import ConfigError, StorageLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optuna.storages import RDBStorage
    from sqlalchemy import URL

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds for which a database that does not answer is asked again; a restart takes a few."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
OPENINGS = 4
"""Tries to make the tables, which fail where another process makes them at the same moment."""
FORM = "postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE"
HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database of all studies of a run; several threads use it.

    Attributes:
        shown: its URL, without the password.
        secrets: what no message may hold.
        warn: told when the database stops answering.
    """

    storage: RDBStorage
    shown: str
    secrets: tuple[str, ...] = field(repr=False)
    warn: Callable[[str], None] = field(repr=False)
    _asking_again: Event = field(default_factory=Event, init=False, repr=False)
    _given_up: Event = field(default_factory=Event, init=False, repr=False)
    _one_at_a_time: Lock = field(default_factory=Lock, init=False, repr=False)

    def insist(self, call: Callable[[], T]) -> T:
        """Return what a call comes to; where the database does not answer, ask again for a while.

        Raises:
            StorageLost: it stays away.
        """
        first_failure, pause = 0.0, FIRST_PAUSE
        while True:
            try:
                found = call()
            except Exception as error:
                if not _is_the_databases(error):
                    raise
                why = _cleaned(error, self.secrets)
            else:
                self._asking_again.clear()
                return found
            first_failure = first_failure or time.monotonic()
            if self._given_up.is_set() or time.monotonic() - first_failure > PATIENCE:
                raise self._lost(why)
            self._tell_once(why)
            self._given_up.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def names(self) -> set[str]:
        """Return the names of all studies."""
        from optuna import get_all_study_names

        return set(self.insist(lambda: get_all_study_names(self.storage)))

    def close(self) -> None:
        """Close all connections; whoever still waits for the database gives up."""
        self._given_up.set()
        self.storage.remove_session()
        self.storage.engine.dispose()

    def _lost(self, why: str) -> StorageLost:
        self._given_up.set()  # so that nobody else goes on asking
        return StorageLost(
            f"the database {self.shown} stays away: {why}. What was finished is kept: the same command goes on from there"
        )

    def _tell_once(self, why: str) -> None:
        with self._one_at_a_time:
            told_before = self._asking_again.is_set()
            self._asking_again.set()
        if not told_before:
            self.warn(f"the database {self.shown} does not answer and is asked again for {PATIENCE:.0f} s: {why}")


@contextmanager
def open_database(url: str, warn: Callable[[str], None]) -> Iterator[Database]:
    """Open a database for as long as the block lasts; its tables are made if need be.

    Raises:
        ConfigError: what is wrong with the URL, the driver or the database, and what to do; never with a password in it.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # no echo: nobody knows where the password is in it
        raise ConfigError(f"--storage: not the URL of a database, like {FORM}") from None
    database = Database(storage=_connected(parsed), shown=_masked(parsed), secrets=_secrets(parsed), warn=warn)
    try:
        yield database
    finally:
        database.close()


def _connected(url: URL) -> RDBStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError

    setting = f"--storage {_masked(url)}"
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ConfigError(f"{setting}: a database in memory keeps nothing; write it like sqlite:///FILE")
    for again in reversed(range(OPENINGS)):
        try:
            engine = {"pool_pre_ping": True, "connect_args": _connect_arguments(url)}
            return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=engine)
        except ImportError:
            raise ConfigError(f"{setting}: the driver of {url.drivername} is not installed: {_remedy(url)}") from None
        except ArgumentError:
            raise ConfigError(f"{setting}: no kind of database that SQLAlchemy knows; write it like {FORM}") from None
        except Exception as error:
            if not again or not _may_be_a_race(error):
                why = _cleaned(error, _secrets(url))
                raise ConfigError(f"{setting}: cannot be used: {why}; is it running, and may you write there?") from None
            time.sleep(0.1)
    raise AssertionError


def _connect_arguments(url: URL) -> dict[str, Any]:
    """Return what keeps a connection from waiting without end, as far as the URL does not say so itself."""
    backend, driver = url.get_backend_name(), url.get_driver_name()
    if backend == "sqlite":
        return {"timeout": 60}  # for the lock of other threads and processes
    if driver not in {"psycopg", "psycopg2"}:
        return {}
    wanted = {"connect_timeout": 10, "tcp_user_timeout": 60_000}
    return {name: value for name, value in wanted.items() if name not in url.query}


def _remedy(url: URL) -> str:
    if url.get_driver_name() == "psycopg":
        return "pip install 'cxrbench[postgresql]'"
    if url.get_backend_name() == "postgresql":
        return f"install it, or write postgresql+psycopg:// and pip install 'cxrbench[postgresql]', instead of {url.drivername}"
    return "pip install the one that SQLAlchemy's page on it names"


def _is_the_databases(error: BaseException) -> bool:
    """Return whether the database is to blame, not what it was asked to keep."""
    from sqlalchemy.exc import DataError, SQLAlchemyError

    found = _cause(error)
    return isinstance(found, SQLAlchemyError) and not isinstance(found, DataError)


def _may_be_a_race(error: BaseException) -> bool:
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    found = _cause(error)
    return isinstance(found, IntegrityError) or (
        isinstance(found, (OperationalError, ProgrammingError)) and "exists" in str(found)  # the table, or its index
    )


def _cause(error: BaseException) -> BaseException:
    """Return what Optuna's wrapping of an error hides."""
    from optuna.exceptions import StorageInternalError

    return error.__cause__ or error if isinstance(error, StorageInternalError) else error


def _cleaned(error: BaseException, secrets: tuple[str, ...]) -> str:
    """Return an error's first line without any secret."""
    found = _cause(error)
    original = getattr(found, "orig", None) or found
    line = next(iter(str(original).strip().splitlines()), "") or type(original).__name__
    for secret in secrets:
        line = line.replace(secret, HIDDEN)
    return line.rstrip(".")


def _secret_parameters(url: URL) -> set[str]:
    return {name for name in url.query if "pass" in name.lower() or "secret" in name.lower()}


def _secrets(url: URL) -> tuple[str, ...]:
    parameters = [url.query[name] for name in _secret_parameters(url)]
    found = [str(url.password or ""), *(value for one in parameters for value in ([one] if isinstance(one, str) else one))]
    return tuple(filter(None, found))


def _masked(url: URL) -> str:
    hidden = url.update_query_dict(dict.fromkeys(_secret_parameters(url), HIDDEN))
    return hidden.render_as_string(hide_password=True).replace("%2A%2A%2A", HIDDEN)
