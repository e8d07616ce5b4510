"""The study loop over any engine: the parent proposes and records, workers train."""

from __future__ import annotations

from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError, PluginError
from cxrbench.evaluation.metrics import search_metric
from cxrbench.execution import reason_of
from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Choice, Float, Int
from cxrbench.search.pruning import cut_offs
from cxrbench.search.record import THRESHOLD
from cxrbench.search.threshold import choose_threshold
from cxrbench.training.worker import HeadJob, TrialResult, train_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from cxrbench.config import Pruning
    from cxrbench.execution import Executor
    from cxrbench.plugin.contracts import Proposer
    from cxrbench.plugin.specs import Space, Value
from cxrbench.search.record import StudyRecord

SEARCHED_THRESHOLD = "search"


class NoTrialCompleted(CxrbenchError):
    """A study whose every trial failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One recipe's search: what is asked, who proposes, how a trial is judged.

    Attributes:
        generation: trials proposed together, each seeing exactly the finished earlier generations.
        policy: how the threshold is chosen.
        metric: what the search maximises on the validation fold.
        pruning: how trials are given up early.
    """

    job: HeadJob
    space: Space
    engine: Proposer
    generation: int
    policy: str
    metric: str
    pruning: Pruning


def search_space(policy: str, strategy: Space) -> Space:
    """Return what a study searches: learning rate and dropout, the threshold if asked for, a strategy's own parameters."""
    threshold: Space = {THRESHOLD: Float(low=0.01, high=0.99)} if policy == SEARCHED_THRESHOLD else {}
    own: Space = {"learning_rate": Float(low=1e-5, high=1e-2, log=True), "dropout": Float(low=0.0, high=0.7), **threshold}
    if clash := (own.keys() | {THRESHOLD}) & strategy.keys():
        raise PluginError(f"an imbalance strategy cannot search {', '.join(sorted(clash))}: the harness does")
    return {**own, **strategy}


def run_study(
    study: Study, record: StudyRecord, trials: int, executor: Executor, on_trial: Callable[[Trial], None]
) -> list[Trial]:
    """Finish a study's first `trials` trials and return them, sorted by number; those on record are not repeated."""
    finished = {trial.number: trial for trial in record.finished()}
    for first in range(0, trials, study.generation):
        earlier = [finished[number] for number in range(first)]
        wanted = [number for number in range(first, min(first + study.generation, trials)) if number not in finished]
        limits = cut_offs(study.pruning, earlier, study.job.regimen.epochs)
        proposals, calls = {}, {}
        try:
            for number in wanted:  # one is trained while the next one is proposed
                proposals[number] = _proposal(study, number, earlier)
                calls[executor.submit(train_trial, study.job, number, proposals[number], limits)] = number
        finally:
            for call in as_completed(calls):
                number = calls[call]
                trial = _judge(study, number, proposals[number], call)
                record.add(trial)
                finished[number] = trial
                on_trial(trial)
    return [finished[number] for number in range(trials)]


def select_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best validation metric; among equals the lower validation loss, then the earlier one."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        reasons = "; ".join(sorted({trial.reason for trial in trials}))
        raise NoTrialCompleted(f"none of {len(trials)} trials completed: {reasons}")
    return max(complete, key=lambda trial: (trial.value or 0.0, -min(trial.losses), -trial.number))


def _proposal(study: Study, number: int, earlier: Sequence[Trial]) -> dict[str, Value]:
    params = dict(study.engine.propose(number, earlier))
    outside = [name for name, parameter in study.space.items() if name not in params or not _inside(parameter, params[name])]
    if outside or params.keys() != study.space.keys():
        raise PluginError(f"the engine proposed {params} for trial {number}, which is not inside the space {dict(study.space)}")
    return params


def _inside(parameter: Float | Int | Choice, value: Value) -> bool:
    if isinstance(parameter, Choice):
        return value in parameter.options
    kind = int if isinstance(parameter, Int) else (int, float)
    return isinstance(value, kind) and parameter.low <= value <= parameter.high


def _judge(study: Study, number: int, params: Mapping[str, Value], call: Future[TrialResult]) -> Trial:
    """Turn what a worker sent back, or why it did not, into a trial with its threshold and its value."""
    try:
        result = call.result()
    except Exception as error:
        return Trial(number=number, params=params, state="failed", reason=reason_of(error))
    if result.pruned:
        return Trial(number=number, params=params, state="pruned", losses=result.losses, seconds=result.seconds)
    labels = study.job.validation[1]
    threshold = params.get(THRESHOLD)
    if threshold is None:
        threshold = choose_threshold(study.policy, labels, result.scores)
    return Trial(
        number=number,
        params={**params, THRESHOLD: threshold},
        state="complete",
        value=search_metric(study.metric, labels, result.scores, float(threshold)),
        losses=result.losses,
        seconds=result.seconds,
    )
