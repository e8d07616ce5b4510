"""Store studies in a database that Optuna supports, named by its URL."""

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

RETRY_SECONDS = 120.0
"""Seconds for which calls to an unavailable database are retried; a restart takes a few."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
CREATION_ATTEMPTS = 4
"""Attempts to create the tables; one fails if another process creates them at the same moment."""
URL_FORMS = "postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE"
HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database of all studies of a run; several threads use it.

    Attributes:
        masked_url: its URL, with every password hidden.
        secrets: texts that no message may contain.
        warn: called once when the database stops answering.
    """

    storage: RDBStorage
    masked_url: str
    secrets: tuple[str, ...] = field(repr=False)
    warn: Callable[[str], None] = field(repr=False)
    _retrying: Event = field(default_factory=Event, init=False, repr=False)
    _closed: Event = field(default_factory=Event, init=False, repr=False)
    _warn_lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def retry(self, call: Callable[[], T]) -> T:
        """Return the result of a call; repeat the call for up to `RETRY_SECONDS` while the database is unavailable.

        Raises:
            StorageLost: the database is still unavailable.
        """
        first_failure, pause = 0.0, FIRST_PAUSE
        while True:
            try:
                result = call()
            except Exception as error:
                if not _is_database_failure(error):
                    raise
                reason = _without_secrets(error, self.secrets)
            else:
                self._retrying.clear()
                return result
            finally:
                if self._closed.is_set():  # this thread's connection was in use when the others were closed
                    self._close_connections()
            first_failure = first_failure or time.monotonic()
            if self._closed.is_set() or time.monotonic() - first_failure > RETRY_SECONDS:
                raise self._lost(reason)
            self._warn_once(reason)
            self._closed.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def names(self) -> set[str]:
        """Return the names of all studies."""
        from optuna import get_all_study_names

        return set(self.retry(lambda: get_all_study_names(self.storage)))

    def close(self) -> None:
        """Close all connections and stop all retries."""
        self._closed.set()
        self.storage.remove_session()
        self._close_connections()

    def _close_connections(self) -> None:
        """Close the connections that no thread uses; each thread returns its own at the end of a call."""
        self.storage.engine.pool.dispose()

    def _lost(self, reason: str) -> StorageLost:
        self._closed.set()  # stop the retries of other threads
        return StorageLost(
            f"the database {self.masked_url} is unavailable: {reason}. "
            "Finished trials are saved: run the same command again to resume"
        )

    def _warn_once(self, reason: str) -> None:
        with self._warn_lock:
            already_warned = self._retrying.is_set()
            self._retrying.set()
        if not already_warned:
            self.warn(f"the database {self.masked_url} does not answer; retrying for {RETRY_SECONDS:.0f} s: {reason}")


@contextmanager
def open_database(url: str, warn: Callable[[str], None]) -> Iterator[Database]:
    """Open a database for the duration of the block; create its tables if they are missing.

    Raises:
        ConfigError: the URL is invalid, the driver is missing or the database cannot be opened. The message has no password.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the message leaves out the text: its password cannot be located
        raise ConfigError(f"--storage: invalid database URL; expected {URL_FORMS}") from None
    database = Database(storage=_connect(parsed), masked_url=_masked(parsed), secrets=_secrets(parsed), warn=warn)
    try:
        yield database
    finally:
        database.close()


def _connect(url: URL) -> RDBStorage:
    from sqlalchemy.exc import ArgumentError

    setting = f"--storage {_masked(url)}"
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ConfigError(f"{setting}: an in-memory database is lost when the run ends; use sqlite:///FILE")
    for attempts_left in reversed(range(CREATION_ATTEMPTS)):
        try:
            return _open_storage(url)
        except ImportError:
            raise ConfigError(f"{setting}: the driver of {url.drivername} is not installed: {_install_hint(url)}") from None
        except ArgumentError:
            raise ConfigError(f"{setting}: SQLAlchemy does not support this kind of database; expected {URL_FORMS}") from None
        except Exception as error:
            if not attempts_left or not _may_be_creation_race(error):
                reason = _without_secrets(error, _secrets(url))
                hint = "Check that the database is running and that you may write to it"
                raise ConfigError(f"{setting}: cannot open the database: {reason}. {hint}") from None
            time.sleep(0.1)
    raise AssertionError


def _open_storage(url: URL) -> RDBStorage:
    from optuna.storages import RDBStorage

    engine = {"pool_pre_ping": True, "connect_args": _connect_arguments(url)}
    storage = RDBStorage.__new__(RDBStorage)
    try:
        RDBStorage.__init__(storage, url.render_as_string(hide_password=False), engine_kwargs=engine)
    except BaseException:
        if hasattr(storage, "engine"):  # Optuna does not close the connections of a storage that it fails to open
            storage.engine.dispose()
        raise
    return storage


def _connect_arguments(url: URL) -> dict[str, Any]:
    """Return time limits for connections, except those that the URL sets itself."""
    backend, driver = url.get_backend_name(), url.get_driver_name()
    if backend == "sqlite":
        return {"timeout": 60}  # for the lock of other threads and processes
    if driver not in {"psycopg", "psycopg2"}:
        return {}
    limits = {"connect_timeout": 10, "tcp_user_timeout": 60_000}
    return {name: value for name, value in limits.items() if name not in url.query}


def _install_hint(url: URL) -> str:
    if url.get_driver_name() == "psycopg":
        return "pip install 'cxrbench[postgresql]'"
    if url.get_backend_name() == "postgresql":
        return f"install it, or write postgresql+psycopg:// and pip install 'cxrbench[postgresql]', instead of {url.drivername}"
    return "pip install the driver that SQLAlchemy documents for this database"


def _is_database_failure(error: BaseException) -> bool:
    """Return whether the database caused an error, and not the data that it was given."""
    from sqlalchemy.exc import DataError, SQLAlchemyError

    cause = _underlying_error(error)
    return isinstance(cause, SQLAlchemyError) and not isinstance(cause, DataError)


def _may_be_creation_race(error: BaseException) -> bool:
    """Return whether another process may have created the tables at the same moment."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    cause = _underlying_error(error)
    return isinstance(cause, IntegrityError) or (
        isinstance(cause, (OperationalError, ProgrammingError)) and "exists" in str(cause)  # the table, or its index
    )


def _underlying_error(error: BaseException) -> BaseException:
    """Return the error that Optuna wrapped, or the error itself."""
    from optuna.exceptions import StorageInternalError

    return error.__cause__ or error if isinstance(error, StorageInternalError) else error


def _without_secrets(error: BaseException, secrets: tuple[str, ...]) -> str:
    """Return an error's first line, with every secret hidden."""
    cause = _underlying_error(error)
    original = getattr(cause, "orig", None) or cause
    line = next(iter(str(original).strip().splitlines()), "") or type(original).__name__
    for secret in secrets:
        line = line.replace(secret, HIDDEN)
    return line.rstrip(".")


def _secret_parameters(url: URL) -> set[str]:
    return {name for name in url.query if "pass" in name.lower() or "secret" in name.lower()}


def _secrets(url: URL) -> tuple[str, ...]:
    parameters = [url.query[name] for name in _secret_parameters(url)]
    values = [text for value in parameters for text in ([value] if isinstance(value, str) else value)]
    return tuple(filter(None, [str(url.password or ""), *values]))


def _masked(url: URL) -> str:
    hidden = url.update_query_dict(dict.fromkeys(_secret_parameters(url), HIDDEN))
    return hidden.render_as_string(hide_password=True).replace("%2A%2A%2A", HIDDEN)
