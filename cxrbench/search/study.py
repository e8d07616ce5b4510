"""Run a study with any engine: the parent process proposes and records trials, workers train them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.errors import DiskFull, PluginError, WorkersUnavailable
from cxrbench.evaluation.versions import choose_pooled_threshold, mean_search_metric
from cxrbench.execution.failures import TrialsFailed, failure_kind, failure_log, failure_reason
from cxrbench.execution.retry import BatchResult, submit_with_retry
from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Float, is_inside, is_searched
from cxrbench.search.pruning import cut_offs
from cxrbench.search.record import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cxrbench.config.values import Pruning
    from cxrbench.execution.executor import Executor
    from cxrbench.models.training.frozen import TrainingJob, TrialResult
    from cxrbench.plugin.contracts import Proposer
    from cxrbench.plugin.specs import Parameter, Space, Value
    from cxrbench.search.record import StudyRecord

SEARCHED_THRESHOLD = "search"


class NoTrialCompleted(TrialsFailed):
    """A study without a complete trial."""


class StudyStopped(TrialsFailed):
    """A study that was stopped after too many failed trials in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One recipe's search: the training job, the search space, the engine and how trials are scored.

    Attributes:
        job: the training job that all trials share.
        job_of: returns the job for a trial's parameters; if the backbone's parameters are searched, it has its own features.
        space: the searched parameters.
        engine: proposes the trials.
        trials: how many trials finish in total.
        generation: trials proposed together, each from exactly the finished earlier generations.
        policy: how the threshold is chosen.
        metric: the metric that the search maximises, its mean over the versions of the validation images.
        pruning: how trials are stopped early.
        max_failures: failed trials in a row after which the study stops.
    """

    job: TrainingJob
    job_of: Callable[[Mapping[str, Value]], TrainingJob]
    space: Space
    engine: Proposer
    trials: int
    generation: int
    policy: str
    metric: str
    pruning: Pruning
    max_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A trial that the engine proposed.

    Attributes:
        number: of the trial, from 0.
        params: from the engine.
        cut_offs: for each epoch the validation loss above which the trial is pruned; empty without pruning.
    """

    number: int
    params: Mapping[str, Value]
    cut_offs: Sequence[float]


def search_space(policy: str, *further: Space) -> Space:
    """Return the search space: learning rate, dropout, the threshold if `policy` searches it, and plugins' parameters.

    Raises:
        PluginError: two parameters have the same name.
    """
    space: dict[str, Parameter] = {
        "learning_rate": Float(low=1e-5, high=1e-2, log=True),
        "dropout": Float(low=0.0, high=0.7),
    }
    space |= threshold_space(policy)
    for parameters in further:
        if clash := (space.keys() | {THRESHOLD}) & parameters.keys():
            raise PluginError(f"a plugin cannot search {', '.join(sorted(clash))}: the harness or another plugin already does")
        space |= parameters
    return space


def threshold_space(policy: str) -> Space:
    """Return the threshold as a searched parameter, if `policy` searches it."""
    return {THRESHOLD: Float(low=0.01, high=0.99)} if policy == SEARCHED_THRESHOLD else {}


def run_study(study: Study, record: StudyRecord, executor: Executor, on_trial: Callable[[Trial], None]) -> list[Trial]:
    """Finish the trials of a study and return them, sorted by number; recorded trials are not repeated.

    Raises:
        StudyStopped: `max_failures` trials in a row failed. Their whole generation is recorded first, so neither the record nor
            the outcome depends on which worker finished first or on where a study was interrupted.
    """
    finished = {trial.number: trial for trial in record.finished()}
    for first in range(0, study.trials, study.generation):
        earlier = [finished[number] for number in range(first)]
        numbers = range(first, min(first + study.generation, study.trials))
        limits = cut_offs(study.pruning, earlier, study.job.configuration.epochs)
        calls: dict[Future[BatchResult[TrialResult]], Proposal] = {}
        ended: dict[int, datetime] = {}
        try:
            missing = [number for number in numbers if number not in finished]
            for number in missing:  # workers train a trial while the next one is proposed
                proposal = Proposal(number=number, params=_propose(study, number, earlier), cut_offs=limits)
                call = _submit(study, proposal, executor)
                calls[call] = proposal
                call.add_done_callback(partial(_note_end, ended, number))
        finally:
            for call in as_completed(calls):
                trial = _finished_trial(study, calls[call], call)
                record.add(trial, ended.get(trial.number))
                finished[trial.number] = trial
                on_trial(trial)
        _check_failures([finished[number] for number in range(numbers.stop)], study.max_failures)
    return [finished[number] for number in range(study.trials)]


def _note_end(ended: dict[int, datetime], number: int, _: object) -> None:
    """Note that a trial ended now; it may be recorded later, when all trials of its generation are proposed."""
    ended[number] = datetime.now()


def select_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best validation metric; ties go to the lower validation loss, then to the earlier trial."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        reasons = "; ".join(sorted({trial.reason for trial in trials}))
        raise NoTrialCompleted(f"none of {len(trials)} trials completed: {reasons}", _representative_failure(trials))
    return max(complete, key=lambda trial: (trial.value or 0.0, -min(trial.losses), -trial.number))


def _representative_failure(trials: Sequence[Trial]) -> Trial:
    """Return the last trial with the most common kind of failure; ties go to the kind that occurred first."""
    failed = [trial for trial in trials if trial.state == "failed"] or trials
    ((most_common, _),) = Counter(trial.failure for trial in failed).most_common(1)
    return [trial for trial in failed if trial.failure == most_common][-1]


def _check_failures(trials: Iterable[Trial], limit: int) -> None:
    """Raise StudyStopped if `limit` trials, sorted by number, failed in a row."""
    failed = 0
    for trial in trials:
        failed = failed + 1 if trial.state == "failed" else 0
        if failed == limit:
            raise StudyStopped(
                f"{limit} trials in a row failed; raise --max-failures to resume. Last failure: {trial.reason}",
                trial,
            )


def _submit(study: Study, proposal: Proposal, executor: Executor) -> Future[BatchResult[TrialResult]]:
    """Submit a trial, to be retried in smaller batches on out-of-memory; if its features are not available, the trial fails."""
    try:
        job = study.job_of(proposal.params)
    except Exception as error:
        failed: Future[BatchResult[TrialResult]] = Future()
        failed.set_exception(error)
        return failed

    def train(batch: int) -> Future[TrialResult]:
        return executor.submit(job.in_batches(batch).train_trial, proposal.number, proposal.params, proposal.cut_offs)

    return submit_with_retry(train, job.configuration.batch_size)


def _propose(study: Study, number: int, earlier: Sequence[Trial]) -> dict[str, Value]:
    params = dict(study.engine.propose(number, earlier))
    searched = {name: parameter for name, parameter in study.space.items() if is_searched(parameter, params)}
    in_space = all(name in params and is_inside(parameter, params[name]) for name, parameter in searched.items())
    if not in_space or params.keys() != searched.keys():
        raise PluginError(f"the engine proposed {params} for trial {number}, which is outside the space {dict(study.space)}")
    return params


def _finished_trial(study: Study, proposal: Proposal, call: Future[BatchResult[TrialResult]]) -> Trial:
    """Return a trial with its threshold and its value from a worker's result, or with its failure reason."""
    number, params = proposal.number, proposal.params
    try:
        batch_result = call.result()
    except (DiskFull, WorkersUnavailable):  # no fault of the trial
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
    result = batch_result.value
    trained = Trial(
        number=number,
        params=params,
        state="pruned",
        losses=result.losses,
        seconds=result.seconds,
        batch_size=None if batch_result.batch == study.job.configuration.batch_size else batch_result.batch,
    )
    if result.pruned:
        return trained
    labels = study.job.validation[1]
    threshold = params.get(THRESHOLD)
    if threshold is None:
        threshold = choose_pooled_threshold(study.policy, labels, result.scores, study.job.patients)
    value = mean_search_metric(study.metric, labels, result.scores, float(threshold))
    return replace(trained, state="complete", params={**params, THRESHOLD: threshold}, value=value)
