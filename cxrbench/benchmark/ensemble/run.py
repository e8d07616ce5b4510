"""Add an ensemble to a board from the stored scores of its candidates: choose, freeze, score the test images once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.benchmark.ensemble.members import choose_members, mean_of, policy_of, stack_scores
from cxrbench.benchmark.entries import EntryFacts, EntrySubject, Result, build_entry, head_result
from cxrbench.benchmark.external import summarise_external
from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.prediction_table import read_predictions, write_predictions
from cxrbench.evaluation.versions import mean_metrics
from cxrbench.leaderboard.store.entry import FoldResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.benchmark.ensemble.members import Ensemble, MemberSelection, ScoreStack
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.store.entry import Entry, HeadResult
    from cxrbench.leaderboard.store.external_result import ExternalResult
    from cxrbench.leaderboard.store.folder import ProtocolFolder

    Key = tuple[int, int]
    Externals = Mapping[str, Mapping[str, ExternalResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenEnsemble:
    """An ensemble with its members, by fold and seed, chosen on validation."""

    ensemble: Ensemble
    selections: Mapping[Key, MemberSelection]

    def predictions(self, stacks: Mapping[Key, ScoreStack]) -> dict[Key, Predictions]:
        """Return the mean scores of the members with the chosen thresholds, by fold and seed."""
        return {
            key: replace(stacks[key].images, scores=mean_of(stacks[key].scores, chosen.counts), threshold=chosen.threshold)
            for key, chosen in self.selections.items()
        }


def add_ensemble(store: ProtocolFolder, ensemble: Ensemble, externals: Externals) -> Entry:
    """Choose members on the stored validation scores, score the test images once with them, and write the entry.

    Args:
        store: folder of the candidates, where the entry goes.
        ensemble: candidates and method.
        externals: results on external test sets, as the board has them; those of all candidates are averaged, too.

    Raises:
        CxrbenchError: the stored scores of the candidates are of different images.
        TestSetLocked: another selection of an ensemble of this name has scored the test images.
    """
    tables = {entry.name: read_predictions(store.path / entry.predictions, within=store.path) for entry in ensemble.candidates}
    validation, test = stack_scores(tables, "validation"), stack_scores(tables, "test")
    shifted = [stack_scores(table, "validation") for table in _development_tables(store, ensemble)]
    _require_all_heads(ensemble, validation, test, *shifted)
    selections = {
        key: choose_members(ensemble, stack, *(one[key] for one in shifted)) for key, stack in sorted(validation.items())
    }
    for (fold, seed), selection in selections.items():
        store.test_lock.record(ensemble.name, fold, seed, selection.identity)
    frozen = FrozenEnsemble(ensemble=ensemble, selections=selections)
    validated, tested = frozen.predictions(validation), frozen.predictions(test)
    entry = _ensemble_entry(frozen, [validated, *map(frozen.predictions, shifted)], tested)
    write_predictions(store.predictions(ensemble.name), [*validated.values(), *tested.values()])
    store.add(ensemble.name, entry)
    for results in externals.values():
        of_members = [results[one.name] for one in ensemble.candidates if one.name in results]
        if len(of_members) == len(ensemble.candidates) and len({one.fingerprint for one in of_members}) == 1:
            _add_external(store, frozen, of_members[0])
    return entry


def _development_tables(store: ProtocolFolder, ensemble: Ensemble) -> list[dict[str, Sequence[Predictions]]]:
    """Return the validation scores of all candidates under each development shift that they were selected under."""
    first, *others = ensemble.candidates
    for other in others:
        if other.development != first.development:
            raise CxrbenchError(
                f"{first.name} and {other.name} were selected under different shifts: "
                f"{', '.join(first.development) or 'none'}; {', '.join(other.development) or 'none'}"
            )
    return [
        {
            entry.name: read_predictions(store.development(Path(entry.predictions).stem, shift), within=store.path)
            for entry in ensemble.candidates
        }
        for shift in first.development
    ]


def _require_all_heads(ensemble: Ensemble, *stacks: Mapping[Key, ScoreStack]) -> None:
    """Raise CxrbenchError if the stored scores are not those of every fold and seed of the protocol."""
    protocol = ensemble.protocol
    heads = {(fold, seed) for fold in range(protocol.folds) for seed in range(protocol.seeds)}
    if any(stack.keys() != heads for stack in stacks):
        names = ", ".join(entry.name for entry in ensemble.candidates)
        raise CxrbenchError(f"the stored validation or test scores of {names} are not those of every fold and seed")


def _add_external(store: ProtocolFolder, frozen: FrozenEnsemble, like: ExternalResult) -> None:
    """Write the result of the ensemble on an external test set that all candidates were scored on."""
    ensemble = frozen.ensemble
    stems = {entry.name: Path(entry.predictions).stem for entry in ensemble.candidates}
    tables = {
        recipe: read_predictions(store.stored_external_predictions(like.name, stem), within=store.path)
        for recipe, stem in stems.items()
    }
    scored = list(frozen.predictions(stack_scores(tables, "external")).values())
    write_predictions(store.external_predictions(like.name, ensemble.name), scored)
    summary = summarise_external(ensemble.protocol, scored)
    own = {
        "recipe": ensemble.name,
        "selections": tuple(selection.identity for selection in frozen.selections.values()),
        "metrics": summary.metrics,
        "intervals": summary.intervals,
    }
    store.add_external(ensemble.name, like.model_copy(update=own))


def _ensemble_entry(
    frozen: FrozenEnsemble, validated: Sequence[Mapping[Key, Predictions]], tested: Mapping[Key, Predictions]
) -> Entry:
    ensemble, first = frozen.ensemble, frozen.ensemble.candidates[0]
    facts = EntryFacts(
        protocol=ensemble.protocol,
        data=first.data,
        dataset=first.dataset,
        audit=first.audit,
        warnings=tuple(_warnings(ensemble)),
    )
    subject = EntrySubject(
        kind="ensemble",
        recipe=ensemble.name,
        backbone=ensemble.name,
        augmentation=_common([entry.augmentation for entry in ensemble.candidates]),
        imbalance=_common([entry.imbalance for entry in ensemble.candidates]),
        control=False,
    )
    result = Result(
        identity=ensemble.identity,
        tested=list(tested.values()),
        folds=tuple(_fold_result(frozen, fold, validated, tested) for fold in range(ensemble.protocol.folds)),
        selected_by=ensemble.protocol.metric,
    )
    return build_entry(facts, subject, result)


def _fold_result(
    frozen: FrozenEnsemble, fold: int, validated: Sequence[Mapping[Key, Predictions]], tested: Mapping[Key, Predictions]
) -> FoldResult:
    ensemble, protocol = frozen.ensemble, frozen.ensemble.protocol
    return FoldResult(
        fold=fold,
        params={"method": ensemble.method, **({"size": ensemble.size} if ensemble.size else {})},
        validation=mean_metrics([version[fold, 0] for version in validated], protocol.prevalence),
        heads=tuple(_head_result(frozen, tested[fold, seed]) for seed in range(protocol.seeds)),
    )


def _head_result(frozen: FrozenEnsemble, tested: Predictions) -> HeadResult:
    selection = frozen.selections[tested.fold, tested.seed]
    shares = selection.counts / selection.counts.sum()
    candidates = frozen.ensemble.candidates
    members = {entry.name: float(share) for entry, share in zip(candidates, shares, strict=True) if share}
    return head_result(frozen.ensemble.protocol, tested, selection.identity, members)


def _common(components: Sequence[str]) -> str:
    """Return the component that all candidates share, or ``mixed``."""
    return components[0] if len(set(components)) == 1 else "mixed"


def _warnings(ensemble: Ensemble) -> Sequence[str]:
    """Return the warnings that all candidates share, and one if the threshold was not searched as the protocol says."""
    first, *others = ensemble.candidates
    shared = [warning for warning in first.warnings if all(warning in other.warnings for other in others)]
    policy = policy_of(ensemble.protocol)
    if policy != ensemble.protocol.threshold:
        shared.append(f"its threshold was not searched but set by {policy}")
    return shared
