"""The study loop over any engine: the parent proposes and records, workers train."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.errors import DiskFull, PluginError
from cxrbench.evaluation.metrics import search_metric
from cxrbench.evaluation.threshold import choose_threshold
from cxrbench.execution.failures import TrialsFailed, failure_kind, failure_log, failure_reason
from cxrbench.execution.retry import BatchResult, submit_with_retry
from cxrbench.models.training.jobs import HeadJob, TrialResult, train_trial
from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Float, is_inside, is_searched
from cxrbench.search.pruning import cut_offs
from cxrbench.search.record import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cxrbench.config.values import Pruning
    from cxrbench.execution.executor import Executor
    from cxrbench.plugin.contracts import Proposer
    from cxrbench.plugin.specs import Parameter, Space, Value
    from cxrbench.search.record import StudyRecord

SEARCHED_THRESHOLD = "search"


class NoTrialCompleted(TrialsFailed):
    """A study whose every trial failed."""


class StudyGivenUp(TrialsFailed):
    """A study with too many failed trials in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One recipe's search: what is asked, who proposes, how a trial is judged.

    Attributes:
        job: what all trials share.
        job_of: the job of a trial's parameters, on features of their own where the backbone's are searched.
        trials: how many trials finish in total.
        generation: trials proposed together, each seeing exactly the finished earlier generations.
        policy: how the threshold is chosen.
        metric: what the search maximises on the validation fold.
        pruning: how trials are given up early.
        max_failures: failed trials in a row that end the study.
    """

    job: HeadJob
    job_of: Callable[[Mapping[str, Value]], HeadJob]
    space: Space
    engine: Proposer
    trials: int
    generation: int
    policy: str
    metric: str
    pruning: Pruning
    max_failures: int


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


def run_study(study: Study, record: StudyRecord, executor: Executor, on_trial: Callable[[Trial], None]) -> list[Trial]:
    """Finish a study's trials and return them, sorted by number; those on record are not repeated.

    Raises:
        StudyGivenUp: when `max_failures` trials in a row have failed. Their whole generation is on record then, so that neither
            the record nor the end depends on who was ready first, and a study that goes on ends where it would have anyway.
    """
    finished = {trial.number: trial for trial in record.finished()}
    for first in range(0, study.trials, study.generation):
        earlier = [finished[number] for number in range(first)]
        numbers = range(first, min(first + study.generation, study.trials))
        limits = cut_offs(study.pruning, earlier, study.job.configuration.epochs)
        proposals, calls = {}, {}
        try:
            for number in (one for one in numbers if one not in finished):  # one is trained while the next one is proposed
                proposals[number] = _proposal(study, number, earlier)
                calls[_submit(study, number, proposals[number], limits, executor)] = number
        finally:
            for call in as_completed(calls):
                trial = _judge(study, calls[call], proposals[calls[call]], call)
                record.add(trial)
                finished[trial.number] = trial
                on_trial(trial)
        _check_failures([finished[number] for number in range(numbers.stop)], study.max_failures)
    return [finished[number] for number in range(study.trials)]


def select_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best validation metric; among equals the lower validation loss, then the earlier one."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        reasons = "; ".join(sorted({trial.reason for trial in trials}))
        raise NoTrialCompleted(f"none of {len(trials)} trials completed: {reasons}", _typical(trials))
    return max(complete, key=lambda trial: (trial.value or 0.0, -min(trial.losses), -trial.number))


def _typical(trials: Sequence[Trial]) -> Trial:
    """Return the last trial of the commonest kind of failure; among equally common ones, the kind that came first."""
    failed = [trial for trial in trials if trial.state == "failed"] or trials
    ((commonest, _),) = Counter(trial.failure for trial in failed).most_common(1)
    return [trial for trial in failed if trial.failure == commonest][-1]


def _check_failures(trials: Iterable[Trial], most: int) -> None:
    """Raise StudyGivenUp if so many trials, which are sorted by number, failed in a row, whoever trained them and when."""
    failed = 0
    for trial in trials:
        failed = failed + 1 if trial.state == "failed" else 0
        if failed == most:
            raise StudyGivenUp(
                f"{most} trials in a row failed (--max-failures), the last one: {trial.reason}; raise --max-failures to go on "
                "where it stopped",
                trial,
            )


def _submit(
    study: Study, number: int, params: Mapping[str, Value], limits: Sequence[float], executor: Executor
) -> Future[BatchResult[TrialResult]]:
    """Have a trial trained, in smaller batches if memory is short; one whose features cannot be had fails like any other."""
    try:
        job = study.job_of(params)
    except Exception as error:
        failed: Future[BatchResult[TrialResult]] = Future()
        failed.set_exception(error)
        return failed
    return submit_with_retry(
        lambda batch: executor.submit(train_trial, job.in_batches(batch), number, params, limits), job.configuration.batch_size
    )


def _proposal(study: Study, number: int, earlier: Sequence[Trial]) -> dict[str, Value]:
    params = dict(study.engine.propose(number, earlier))
    searched = {name: parameter for name, parameter in study.space.items() if is_searched(parameter, params)}
    inside = all(name in params and is_inside(parameter, params[name]) for name, parameter in searched.items())
    if not inside or params.keys() != searched.keys():
        raise PluginError(f"the engine proposed {params} for trial {number}, which is not inside the space {dict(study.space)}")
    return params


def _judge(study: Study, number: int, params: Mapping[str, Value], call: Future[BatchResult[TrialResult]]) -> Trial:
    """Turn what a worker sent back, or why it did not, into a trial with its threshold and its value."""
    try:
        fitted = call.result()
    except DiskFull:
        raise
    except Exception as error:
        return Trial(
            number=number,
            params=params,
            state="failed",
            failure=failure_kind(error),
            reason=failure_reason(error),
            log=failure_log(error),
        )
    result = fitted.value
    trained = Trial(
        number=number,
        params=params,
        state="pruned",
        losses=result.losses,
        seconds=result.seconds,
        batch_size=None if fitted.batch == study.job.configuration.batch_size else fitted.batch,
    )
    if result.pruned:
        return trained
    labels = study.job.validation[1]
    threshold = params.get(THRESHOLD)
    if threshold is None:
        threshold = choose_threshold(study.policy, labels, result.scores)
    value = search_metric(study.metric, labels, result.scores, float(threshold))
    return replace(trained, state="complete", params={**params, THRESHOLD: threshold}, value=value)
