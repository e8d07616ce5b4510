"""The connection of a run to a Dask scheduler: which workers agree with it, and how calls are sent."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError, missing_requirement
from cxrbench.execution.cluster.places import resources_of
from cxrbench.execution.keras_process import gpus_of_keras
from cxrbench.storage.safe_text import as_line
from cxrbench.storage.versions import versions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client
    from distributed import Future as DaskFuture

    from cxrbench.execution.cluster.agreement import Agreement
    from cxrbench.execution.cluster.remote import Outcome, StartPool
    from cxrbench.execution.devices import Device, DeviceKind

ANSWER_SECONDS = 30.0
"""A scheduler that does not answer for so long is not there."""
CLOSE_SECONDS = 5.0
DEATHS = 1
"""Deaths of its worker that a call survives: it is computed once more."""
RUNS = "cxrbench-run-"
"""With this and the name of its client a run is registered on a scheduler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """A Dask scheduler.

    Attributes:
        address: such as ``tcp://host:8786``, or the path of a scheduler file.
        patience: seconds to wait while it has no worker that can compute for the run.
        device: where whole networks are computed.
        seen: a module-level function that returns the GPUs on which its process computes.
    """

    address: str
    patience: float = 600.0
    device: Device = "auto"
    seen: Callable[[], Sequence[str]] = gpus_of_keras


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A scheduler on which a run is registered.

    Attributes:
        client: of the scheduler.
        run: unique name of the run.
        address: of the scheduler, as the user gave it.
    """

    client: Client
    run: str
    address: str

    @property
    def resources(self) -> dict[DeviceKind, str]:
        """What workers that agree with the run have: one for each thread, and one for each GPU."""
        return resources_of(self.run)

    @property
    def is_alive(self) -> bool:
        """Whether the scheduler answers."""
        return str(self.client.status) == "running"

    def slots(self, kind: DeviceKind) -> int:
        """Return how many calls the workers that agree with the run compute at once, without or with a GPU."""
        workers = self.client.scheduler_info()["workers"].values()
        return int(sum(worker["resources"].get(self.resources[kind], 0) for worker in workers))

    def reconsider(self) -> None:
        """Have the scheduler give calls that waited for any worker to those that have joined since.

        It looks for such calls when a worker registers, which is before the worker has the resource of the run.
        """
        self.client.run_on_scheduler(_give_waiting_calls)

    def machines(self) -> list[dict[str, Any]]:
        """Return what workers said about their machines when they met the run, refused ones with their problems."""
        return [dict(event) for _, event in self.client.get_events(self.run) or ()]

    def wait_for_answers(self) -> None:
        """Wait, not for long, until all workers that are there have said whether they agree."""
        there, end = set(self.client.scheduler_info()["workers"]), time.monotonic() + ANSWER_SECONDS
        while there - {machine["worker"] for machine in self.machines()} and time.monotonic() < end:
            time.sleep(0.05)

    def submit(self, calls: Sequence[bytes], kind: DeviceKind) -> DaskFuture[list[Outcome]]:
        """Send calls that one worker computes one after the other, without or with a GPU."""
        from cxrbench.execution.cluster.remote import compute_calls

        resource = {self.resources[kind]: 1}
        return self.client.submit(compute_calls, self.run, kind, list(calls), pure=False, retries=0, resources=resource)

    def cancel(self, calls: Sequence[DaskFuture[list[Outcome]]]) -> None:
        """Tell workers that calls are not wanted any more; they stop them."""
        with suppress(Exception):  # the scheduler may be gone
            if self.is_alive:
                self.client.cancel(list(calls), force=True)


@contextmanager
def connected(scheduler: Scheduler, agreement: Agreement, start_pool: StartPool) -> Iterator[Connection]:
    """Connect to a scheduler and register a run on its present and later workers; take it back at the end.

    Args:
        scheduler: where it is.
        agreement: what workers must have in common with this process.
        start_pool: returns a pool of one process in given `surroundings`, on the machine of a worker.

    Raises:
        ConfigError: no scheduler answers there.
        MissingRequirement: distributed is not installed.
    """
    if not versions_of("distributed"):
        raise missing_requirement("--scheduler", ["distributed"])
    from cxrbench.execution.cluster.remote import CallWorker

    with _quiet():
        client = _client(scheduler.address)
        run = f"{RUNS}{client.id}"
        try:
            for killed in client.run_on_scheduler(_killed_runs):
                with suppress(Exception):  # another run may have been faster
                    client.unregister_worker_plugin(killed)
            client.register_plugin(CallWorker(run, agreement, start_pool, scheduler))
            client.run_on_scheduler(_allow_deaths)
            yield Connection(client=client, run=run, address=scheduler.address)
        finally:
            for leave in (partial(client.unregister_worker_plugin, run), partial(client.run_on_scheduler, _allow_deaths)):
                with suppress(Exception):  # the scheduler may be gone
                    if client.status == "running":
                        leave()
            with suppress(Exception):
                client.close(timeout=CLOSE_SECONDS)


def _client(address: str) -> Client:
    from distributed import Client

    place = {"address": address} if "://" in address else {"scheduler_file": address}
    try:
        return Client(**place, timeout=ANSWER_SECONDS, set_as_default=False, name="cxrbench")
    except (OSError, ValueError, TimeoutError) as error:
        reason = as_line(f"{type(error).__name__}: {error}")
        raise ConfigError(
            f"--scheduler {address}: no Dask scheduler answers there ({reason}). Start one with: dask scheduler"
        ) from None


def _registered(dask_scheduler: Any) -> list[str]:
    return [name for name in dask_scheduler.worker_plugins if name.startswith(RUNS)]


def _killed_runs(dask_scheduler: Any = None) -> list[str]:
    """Return the runs that are registered although they have gone: new workers would start processes for them."""
    return [run for run in _registered(dask_scheduler) if run.removeprefix(RUNS) not in dask_scheduler.clients]


def _allow_deaths(dask_scheduler: Any = None) -> None:
    """Let tasks survive so many deaths of their worker while a run is registered, and as many as configured otherwise."""
    from dask import config

    usual = config.get("distributed.scheduler.allowed-failures")
    is_used = set(_registered(dask_scheduler)).difference(_killed_runs(dask_scheduler))
    dask_scheduler.allowed_failures = DEATHS if is_used else usual


def _give_waiting_calls(dask_scheduler: Any = None) -> None:
    """Move tasks without a worker to workers that can compute them now."""
    for worker in list(dask_scheduler.running):
        waiting = dask_scheduler.bulk_schedule_unrunnable_after_adding_worker(worker)
        dask_scheduler.transitions(waiting, "cxrbench-worker-agreed")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs about lost connections from the terminal: the run says it in its own words."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]  # both have a handler
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
