"""Who is notified of a run: the observers among the plugins, and the display of progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.config.recipe import Recipe
    from cxrbench.config.values import Stage
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.host import Host

TRIALS = "trials"
"""The stage that counts trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Notified of what happens in a run, from several threads; observers are called one at a time."""

    host: Host
    progress: Progress
    _one_at_a_time: Lock = field(default_factory=Lock, init=False, repr=False)

    def on_run_start(self, protocol: Protocol, recipes: Sequence[Recipe]) -> None:
        """Notify observers that the recipes are about to run."""
        self.host.notify("on_run_start", self.progress.warn, protocol=protocol, recipes=recipes)

    def on_resume(self, study: str, done: int, wanted: int) -> None:
        """Show that a study continues with some finished trials."""
        self.progress.say(f"{study}: resuming: {done} of {wanted} trials are done")
        self.progress.skip(TRIALS, done)

    def on_trial_end(self, recipe: Recipe, stage: Stage, trial: Trial) -> None:
        """Count a finished trial and notify observers."""
        self.progress.advance(TRIALS)
        with self._one_at_a_time:
            self.host.notify("on_trial_end", self.progress.warn, recipe=recipe, stage=stage, trial=trial)

    def on_entry(self, entry: Entry, *, written: bool) -> None:
        """Show the result of a recipe; notify observers if its entry was written."""
        self.progress.skip(TRIALS, _trials(entry) - sum(entry.trials.values()))  # the trials that will never run
        metric = entry.selected_by
        result = f"{metric} {entry.validation(metric):.3f} on validation" if metric else entry.reason
        self.progress.say(f"{entry.name}: {entry.status}, {result}")
        if written:
            with self._one_at_a_time:
                self.host.notify("on_entry", self.progress.warn, entry=entry)

    def on_entry_of_another_process(self, entry: Entry) -> None:
        """Show that another process has finished a recipe."""
        self.progress.skip(TRIALS, _trials(entry))
        self.progress.say(f"{entry.name}: finished by another process")

    def on_run_end(self, board: Board) -> None:
        """Notify observers that the run is over."""
        self.host.notify("on_run_end", self.progress.warn, board=board)


def _trials(entry: Entry) -> int:
    return entry.budget.get("trials", entry.protocol.trials) * entry.protocol.folds
