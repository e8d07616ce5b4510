"""Calls on their way to those workers of a scheduler that can compute them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cxrbench.execution.cluster.payload import value_of
from cxrbench.execution.failures import RemoteError, WorkerLost, failure_kind, failure_reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from threading import RLock

    from distributed import Future as DaskFuture

    from cxrbench.execution.cluster.connection import Connection
    from cxrbench.execution.cluster.remote import Outcome
    from cxrbench.execution.devices import DeviceKind

TRAVEL_SECONDS = 1.0
"""Calls that take less travel together, as many as take so long."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A call that is not finished, with what it calls and the future of the caller."""

    name: str
    bytes: bytes
    future: Future[Any]
    was_repeated: bool = False

    def start(self) -> bool:
        """Return False if the call was cancelled; otherwise it cannot be cancelled any more."""
        return self.future.running() or self.future.set_running_or_notify_cancel()


@dataclass(slots=True, kw_only=True, eq=False)
class Lane:
    """Calls that wait, and calls that are under way: two groups for each slot, so that no worker waits for the next one.

    Attributes:
        connection: to the scheduler.
        kind: of device that the calls need.
        lock: of all lanes of a run.
        on_lost: called when the scheduler has forgotten calls.
        slots: calls that workers compute at once.
        queue: the calls that wait. They can be cancelled.
        under_way: the calls of each group that was sent.
    """

    connection: Connection
    kind: DeviceKind
    lock: RLock
    on_lost: Callable[[], None]
    slots: int = 0
    queue: deque[Call] = field(default_factory=deque)
    under_way: dict[DaskFuture[list[Outcome]], list[Call]] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)

    @property
    def unfinished(self) -> list[Call]:
        """The calls that wait or are under way."""
        return [*self.queue, *(call for calls in self.under_way.values() for call in calls)]

    def send(self) -> None:
        """Send queued calls, in groups where they are quick, until two groups for each slot are under way."""
        with self.lock:
            while self.queue and self.connection.is_alive and len(self.under_way) < 2 * self.slots:
                if group := self._next_group():
                    future = self.connection.submit([call.bytes for call in group], self.kind)
                    self.under_way[future] = group
                    future.add_done_callback(self._on_done)

    def clear(self) -> list[Call]:
        """Forget all calls, tell workers to stop those under way, and return those that were not cancelled before."""
        with self.lock:
            unfinished = [call for call in self.unfinished if call.start()]
            under_way = list(self.under_way)
            self.queue.clear()
            self.under_way.clear()
        self.connection.cancel(under_way)
        return unfinished

    def _next_group(self) -> list[Call]:
        """Take calls of one kind from the queue, which together take about a second and leave some to other slots."""
        name = self.queue[0].name
        share = -(-len(self.queue) // max(1, self.slots))
        quick = int(TRAVEL_SECONDS / self._seconds[name]) if self._seconds.get(name) else 1
        group: list[Call] = []
        while self.queue and self.queue[0].name == name and len(group) < max(1, min(share, quick)):
            call = self.queue.popleft()
            if call.start():
                group.append(call)
        return group

    def _on_done(self, future: DaskFuture[list[Outcome]]) -> None:
        if future.cancelled():
            self.on_lost()
            return
        outcomes, error = _result(future)
        with self.lock:
            for number, call in enumerate(self.under_way.pop(future, [])):
                self._finish(call, outcomes[number] if number < len(outcomes) else None, error)
            self.send()

    def _finish(self, call: Call, outcome: Outcome | None, error: BaseException | None) -> None:
        """Give a call its value or its failure; repeat it, once, if its worker was told to end."""
        if call.future.done():
            return
        failure = outcome.failure if outcome else error
        if outcome and outcome.value is not None:
            self._seconds[call.name] = max(outcome.seconds, 1e-3)
            call.future.set_result(value_of(outcome.value))
        elif failure is not None and not isinstance(failure, KeyboardInterrupt):
            call.future.set_exception(failure)
        elif call.was_repeated:
            call.future.set_exception(WorkerLost("its worker was ended twice"))
        else:
            call.was_repeated = True
            self.queue.appendleft(call)


def _result(future: DaskFuture[list[Outcome]]) -> tuple[list[Outcome], BaseException | None]:
    """Return the outcomes of a group of calls, or why there are none."""
    from distributed import KilledWorker

    if future.status == "finished":
        try:
            return future.result(), None
        except Exception as lost:  # its machine vanished with the result
            return [], WorkerLost(f"the result was lost ({type(lost).__name__})")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return [], WorkerLost("the worker process died, and another one that computed it again, too")
    return [], RemoteError(failure_reason(error), failure_kind(error))
