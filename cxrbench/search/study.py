"""The study loop over any engine: the parent proposes and records, workers train."""

from __future__ import annotations

from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError, DiskFull, PluginError
from cxrbench.evaluation.metrics import search_metric
from cxrbench.failures import is_lost, log_of, reason_of, with_log
from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Float, is_inside, is_searched
from cxrbench.search.pruning import cut_offs
from cxrbench.search.record import THRESHOLD
from cxrbench.search.threshold import choose_threshold
from cxrbench.training.worker import HeadJob, TrialResult, train_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cxrbench.config import Pruning
    from cxrbench.execution import Executor
    from cxrbench.plugin.contracts import Proposer
    from cxrbench.plugin.specs import Parameter, Space, Value
from cxrbench.search.record import StudyRecord

SEARCHED_THRESHOLD = "search"


LOST_IN_A_ROW = 5
"""Trials that may cost a worker or a limit, one after the other, before their study ends: each can take all of a time-out."""


class NoTrialCompleted(CxrbenchError):
    """A study whose every trial failed."""


class StudyGivenUp(CxrbenchError):
    """A study whose trials cost one worker or limit after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One recipe's search: what is asked, who proposes, how a trial is judged.

    Attributes:
        job: what all trials share.
        job_of: the job of a trial's parameters, on features of their own where the backbone's are searched.
        generation: trials proposed together, each seeing exactly the finished earlier generations.
        policy: how the threshold is chosen.
        metric: what the search maximises on the validation fold.
        pruning: how trials are given up early.
    """

    job: HeadJob
    job_of: Callable[[Mapping[str, Value]], HeadJob]
    space: Space
    engine: Proposer
    generation: int
    policy: str
    metric: str
    pruning: Pruning


def search_space(policy: str, *further: Space) -> Space:
    """Return what a study searches: learning rate and dropout, the threshold if asked for, a plugin's own parameters.

    Raises:
        PluginError: if two of them have one name.
    """
    space: dict[str, Parameter] = {
        "learning_rate": Float(low=1e-5, high=1e-2, log=True),
        "dropout": Float(low=0.0, high=0.7),
    }
    if policy == SEARCHED_THRESHOLD:
        space[THRESHOLD] = Float(low=0.01, high=0.99)
    for own in further:
        if clash := (space.keys() | {THRESHOLD}) & own.keys():
            raise PluginError(f"a plugin cannot search {', '.join(sorted(clash))}: the harness does, or another plugin")
        space |= own
    return space


def run_study(
    study: Study, record: StudyRecord, trials: int, executor: Executor, on_trial: Callable[[Trial], None]
) -> list[Trial]:
    """Finish a study's first `trials` trials and return them, sorted by number; those on record are not repeated.

    Raises:
        StudyGivenUp: after `LOST_IN_A_ROW` trials in a row whose worker died or that broke a limit. They are on record.
    """
    asked, was_lost = list[int](), dict[int, bool]()
    finished = {trial.number: trial for trial in record.finished()}
    for first in range(0, trials, study.generation):
        earlier = [finished[number] for number in range(first)]
        wanted = [number for number in range(first, min(first + study.generation, trials)) if number not in finished]
        limits = cut_offs(study.pruning, earlier, study.job.regimen.epochs)
        proposals, calls = {}, {}
        asked += wanted
        try:
            for number in wanted:  # one is trained while the next one is proposed
                proposals[number] = _proposal(study, number, earlier)
                calls[_submit(study, number, proposals[number], limits, executor)] = number
        finally:
            for call in as_completed(calls):
                number = calls[call]
                trial = _judge(study, number, proposals[number], call)
                record.add(trial)
                finished[number] = trial
                on_trial(trial)
                was_lost[number] = is_lost(call.exception())
                if (last := _last_of_too_many(asked, was_lost)) is not None:
                    raise _given_up(finished[last], calls)
    return [finished[number] for number in range(trials)]


def select_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best validation metric; among equals the lower validation loss, then the earlier one."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        reasons = "; ".join(sorted({trial.reason for trial in trials}))
        raise with_log(NoTrialCompleted(f"none of {len(trials)} trials completed: {reasons}"), trials[-1].log)
    return max(complete, key=lambda trial: (trial.value or 0.0, -min(trial.losses), -trial.number))


def _last_of_too_many(asked: Iterable[int], was_lost: Mapping[int, bool]) -> int | None:
    """Return the trial that ends a study, if there is one: the last of `LOST_IN_A_ROW` by number.

    Only trials whose predecessors have ended are counted, because the order in which they end is a matter of chance.
    """
    lost = 0
    for number in asked:
        if number not in was_lost:
            return None
        lost = lost + 1 if was_lost[number] else 0
        if lost == LOST_IN_A_ROW:
            return number
    return None


def _given_up(last: Trial, calls: Iterable[Future[TrialResult]]) -> StudyGivenUp:
    """Cancel the calls that have not begun, and return the error that ends the study."""
    for call in calls:
        call.cancel()
    return with_log(StudyGivenUp(f"{LOST_IN_A_ROW} trials in a row were lost, the last one: {last.reason}"), last.log)


def _submit(
    study: Study, number: int, params: Mapping[str, Value], limits: Sequence[float], executor: Executor
) -> Future[TrialResult]:
    """Have a trial trained; one whose features cannot be had fails like any other."""
    try:
        job = study.job_of(params)
    except Exception as error:
        failed: Future[TrialResult] = Future()
        failed.set_exception(error)
        return failed
    return executor.submit(train_trial, job, number, params, limits)


def _proposal(study: Study, number: int, earlier: Sequence[Trial]) -> dict[str, Value]:
    params = dict(study.engine.propose(number, earlier))
    searched = {name: parameter for name, parameter in study.space.items() if is_searched(parameter, params)}
    inside = all(name in params and is_inside(parameter, params[name]) for name, parameter in searched.items())
    if not inside or params.keys() != searched.keys():
        raise PluginError(f"the engine proposed {params} for trial {number}, which is not inside the space {dict(study.space)}")
    return params


def _judge(study: Study, number: int, params: Mapping[str, Value], call: Future[TrialResult]) -> Trial:
    """Turn what a worker sent back, or why it did not, into a trial with its threshold and its value."""
    try:
        result = call.result()
    except DiskFull:
        raise
    except Exception as error:
        return Trial(number=number, params=params, state="failed", reason=reason_of(error), log=log_of(error))
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
