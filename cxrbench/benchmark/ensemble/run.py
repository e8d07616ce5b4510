"""One ensemble from the stored scores of its candidates to its entry: choose, freeze, open the seal, score, write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.benchmark.ensemble.members import Choice, Ensemble, Stack, choose, mean_of, policy_of, stack
from cxrbench.benchmark.external import summarise_external
from cxrbench.benchmark.one_fold import head_result
from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.predictions import Predictions, read_predictions, write_predictions
from cxrbench.leaderboard.store.entry import Entry, FoldResult
from cxrbench.leaderboard.summaries import summarise_under
from cxrbench.storage.versions import all_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.store.entry import DatasetFacts, ExternalResult, HeadResult
    from cxrbench.leaderboard.store.folder import ProtocolFolder

    Key = tuple[int, int]
    Externals = Mapping[str, Mapping[str, ExternalResult]]


def enter_ensemble(folder: ProtocolFolder, ensemble: Ensemble, externals: Externals | None = None) -> Entry:
    """Choose on the stored validation scores, score the test images once with what is frozen, and write the entry.

    Args:
        folder: where candidates lie and the entry goes to.
        ensemble: what is to be put together.
        externals: results on external test sets, as the board has them; those of all candidates are averaged, too.

    Raises:
        CxrbenchError: candidates whose stored scores are of other images.
        SealBroken: the test images were scored by another ensemble of this name before.
    """
    tables = {
        entry.recipe: read_predictions(folder.path / entry.predictions, within=folder.path) for entry in ensemble.candidates
    }
    validation, test = stack(tables, "validation"), stack(tables, "test")
    _require_all_heads(ensemble, validation, test)
    choices = {key: choose(ensemble, found) for key, found in sorted(validation.items())}
    _open(folder, ensemble, choices)
    tested = _means(test, choices)
    validated = _means(validation, choices)
    entry = _entry(folder, ensemble, choices, validated, tested)
    write_predictions(folder.predictions(ensemble.name), [*validated.values(), *tested.values()])
    folder.add(ensemble.name, entry)
    for results in (externals or {}).values():
        found = [results[one.recipe] for one in ensemble.candidates if one.recipe in results]
        if len(found) == len(ensemble.candidates) and len({one.fingerprint for one in found}) == 1:
            _add_external(folder, ensemble, choices, found[0])
    return entry


def _require_all_heads(ensemble: Ensemble, *stacks: Mapping[Key, Stack]) -> None:
    """Raise CxrbenchError if the stored scores are not those of every fold and seed of the protocol."""
    protocol = ensemble.protocol
    heads = {(fold, seed) for fold in range(protocol.folds) for seed in range(protocol.seeds)}
    if any(found.keys() != heads for found in stacks):
        names = ", ".join(entry.recipe for entry in ensemble.candidates)
        raise CxrbenchError(f"the stored validation or test scores of {names} are not those of every fold and seed")


def _add_external(folder: ProtocolFolder, ensemble: Ensemble, choices: Mapping[Key, Choice], like: ExternalResult) -> None:
    """Write down what the ensemble comes to on an external test set that its candidates were scored on."""
    stems = {entry.recipe: Path(entry.predictions).stem for entry in ensemble.candidates}
    tables = {
        recipe: read_predictions(folder.external_predictions(like.name, stem), within=folder.path)
        for recipe, stem in stems.items()
    }
    scored = list(_means(stack(tables, "external"), choices).values())
    write_predictions(folder.external_predictions(like.name, ensemble.name), scored)
    summary = summarise_external(ensemble.protocol, scored, [choice.threshold for choice in choices.values()])
    selections = tuple(choice.identity for choice in choices.values())
    own = {"recipe": ensemble.name, "selections": selections, "metrics": summary.metrics, "intervals": summary.intervals}
    folder.add_external(ensemble.name, like.model_copy(update=own))


def _open(folder: ProtocolFolder, ensemble: Ensemble, choices: Mapping[Key, Choice]) -> None:
    """Write down the hash of every frozen choice; the test scores themselves are the candidates', and stored."""
    for (fold, seed), choice in choices.items():
        folder.seals.break_open(ensemble.name, fold, seed, choice.identity)


def _means(stacks: Mapping[Key, Stack], choices: Mapping[Key, Choice]) -> dict[Key, Predictions]:
    """Return the scores of the ensemble, by fold and seed."""
    return {
        key: replace(stacks[key].images, scores=mean_of(stacks[key].scores, choice.counts)) for key, choice in choices.items()
    }


def _entry(
    folder: ProtocolFolder,
    ensemble: Ensemble,
    choices: Mapping[Key, Choice],
    validated: Mapping[Key, Predictions],
    tested: Mapping[Key, Predictions],
) -> Entry:
    protocol, first = ensemble.protocol, ensemble.candidates[0]
    facts: DatasetFacts | None = first.dataset
    units = {key: tested[key].at(choice.threshold) for key, choice in choices.items()}
    summary = summarise_under(protocol, list(units.values()))
    return Entry(
        kind="ensemble",
        protocol=protocol,
        data=first.data,
        recipe=ensemble.name,
        backbone=ensemble.name,
        augmentation=_common([entry.augmentation for entry in ensemble.candidates]),
        imbalance=_common([entry.imbalance for entry in ensemble.candidates]),
        control=False,
        study=ensemble.study,
        status="complete",
        metrics=summary.metrics,
        intervals=summary.intervals,
        seed_spread=summary.seed_spread,
        selected_by=protocol.metric,
        folds=tuple(_fold(ensemble, fold, choices, validated, units) for fold in range(protocol.folds)),
        versions=all_versions(),
        dataset=facts,
        audit=first.audit,
        predictions=folder.relative(folder.predictions(ensemble.name)),
        warnings=tuple(_warnings(ensemble)),
    )


def _fold(
    ensemble: Ensemble,
    fold: int,
    choices: Mapping[Key, Choice],
    validated: Mapping[Key, Predictions],
    units: Mapping[Key, Predictions],
) -> FoldResult:
    protocol, here = ensemble.protocol, validated[fold, 0]
    return FoldResult(
        fold=fold,
        params={"method": ensemble.method, **({"size": ensemble.size} if ensemble.size else {})},
        validation=metrics(here.labels, here.scores, choices[fold, 0].threshold, prevalence=protocol.prevalence),
        heads=tuple(_head(ensemble, choices[fold, seed], units[fold, seed]) for seed in range(protocol.seeds)),
    )


def _head(ensemble: Ensemble, choice: Choice, unit: Predictions) -> HeadResult:
    result = head_result(ensemble.protocol, unit, choice.identity)
    shares = choice.counts / choice.counts.sum()
    members = {entry.recipe: float(share) for entry, share in zip(ensemble.candidates, shares, strict=True) if share}
    return result.model_copy(update={"members": members})


def _common(components: Sequence[str]) -> str:
    """Return the component that all candidates have."""
    return components[0] if len(set(components)) == 1 else "mixed"


def _warnings(ensemble: Ensemble) -> Sequence[str]:
    """Return what all candidates warn of, and what became of a threshold that was searched."""
    first, *others = ensemble.candidates
    shared = [warning for warning in first.warnings if all(warning in other.warnings for other in others)]
    policy = policy_of(ensemble.protocol)
    if policy != ensemble.protocol.threshold:
        shared.append(f"its threshold was not searched but set by {policy}")
    return shared
