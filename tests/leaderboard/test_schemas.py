"""Records that earlier versions wrote are read, and shown as they were. tests/samples/records keeps them as written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cxrbench.benchmark.ensemble.members import Ensemble, candidates
from cxrbench.benchmark.ensemble.run import add_ensemble
from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.prediction_table import read_predictions, write_predictions
from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.store.entry_files import read_entry, read_external, write_entry
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.leaderboard.store.schemas import ENTRY, EXTERNAL_RESULT, PROTOCOL
from cxrbench.leaderboard.store.test_lock import LOCK, TestSetLocked

RECORDS = Path(__file__).parents[1] / "samples" / "records"
VERSIONS = [int(folder.name.removeprefix("entry-")) for folder in sorted(RECORDS.glob("entry-*"))]
BEST = "random-convnet+none+none"


def folder_of(version):
    (folder,) = (RECORDS / f"entry-{version}").iterdir()
    return folder


def without_versions(record):
    return {name: value for name, value in record.items() if name not in {"seconds", "warnings", "reason"}}


def close_to(record):
    """Return a row to compare with: the files come from machines that differ by rounding."""
    return {name: pytest.approx(value, abs=1e-7) if isinstance(value, float) else value for name, value in record.items()}


def test_files_of_every_version_are_kept():
    assert range(2, ENTRY.version + 1) == range(VERSIONS[0], VERSIONS[-1] + 1)
    assert len(VERSIONS) == ENTRY.version - 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_board_of_every_version_shows_the_same_rows(version):
    old, new = read_board(folder_of(version)), read_board(folder_of(VERSIONS[-1]))
    assert {entry.kind for entry in old.entries} == {"recipe", "baseline", "ensemble"}
    assert {entry.status for entry in old.entries} == {"complete", "failed"}
    assert [without_versions(row) for row in old.records()] == [close_to(without_versions(row)) for row in new.records()]
    assert all(entry.dataset.class_names.positive == "PNEUMONIA" for entry in old.entries)
    assert old.external.keys() == {"ward"}


def test_an_entry_without_a_licence_class_has_images_of_none(tmp_path):
    path = folder_of(VERSIONS[-1]) / "entries" / f"{BEST}.json"
    entry = read_entry(path)
    assert "licence_class" not in path.read_text()
    assert entry.dataset.licence_class == "undeclared"
    assert "licence_class" not in entry.dataset.model_dump_json()  # the digests of exported models cover these facts
    declared = entry.model_copy(update={"dataset": entry.dataset.model_copy(update={"licence_class": "agreement"})})
    write_entry(tmp_path / f"{BEST}.json", declared)
    assert json.loads((tmp_path / f"{BEST}.json").read_text())["dataset"]["licence_class"] == "agreement"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_migrated_record_is_written_in_the_present_version(version, tmp_path):
    entry = read_entry(folder_of(version) / "entries" / f"{BEST}.json")
    write_entry(tmp_path / f"{BEST}.json", entry)
    assert json.loads((tmp_path / f"{BEST}.json").read_text())["schema_version"] == ENTRY.version
    assert read_external(folder_of(version) / "external" / "ward" / f"{BEST}.json").schema_version == EXTERNAL_RESULT.version


@pytest.fixture
def copy_of(tmp_path):
    """Return a function that copies the folder of a version, to be continued."""

    def copy(version):
        shutil.copytree(folder_of(version), tmp_path / folder_of(version).name)
        return ProtocolFolder(out=tmp_path, protocol=read_board(folder_of(version)).protocol)

    return copy


@pytest.mark.parametrize("version", VERSIONS)
def test_the_folder_of_every_version_is_continued(version, copy_of):
    store = copy_of(version)
    assert store.path.name == folder_of(version).name  # no renamed field made another protocol of it
    entry = store.complete_entry(BEST)
    store.check(running=())
    assert store.is_finished(BEST, entry.study, {"ward": read_external(store.external("ward", BEST)).fingerprint})
    with pytest.raises(TestSetLocked):
        store.test_lock.record(BEST, 0, 0, "another selection")
    before = [row["recipe"] for row in read_board(store.path).records()]
    assert [row["recipe"] for row in publish(store).records()] == before


@pytest.mark.parametrize("version", [2, 3])
def test_a_table_of_an_earlier_version_stays_until_the_next(version, copy_of):
    store = copy_of(version)
    entry, result = store.complete_entry(BEST), read_external(store.external("ward", BEST))
    csv, external_csv = store.predictions(BEST).with_suffix(".csv"), store.external("ward", BEST).with_suffix(".csv")
    assert store.path / entry.predictions == csv
    assert store.stored_external_predictions("ward", BEST) == external_csv
    store.add(BEST, entry)  # still names it
    tested, external = read_predictions(csv), read_predictions(external_csv)
    write_predictions(store.predictions(BEST), tested)
    assert store.is_finished(BEST, entry.study, {})  # as when a run is killed before it writes the entry
    store.add(BEST, entry.model_copy(update={"predictions": f"predictions/{BEST}.npz"}))
    write_predictions(store.external_predictions("ward", BEST), external)
    store.add_external(BEST, result)
    assert not csv.exists()
    assert not external_csv.exists()
    assert store.is_finished(BEST, entry.study, {"ward": result.fingerprint})
    assert len(read_predictions(store.stored_external_predictions("ward", BEST))) == len(external)


@pytest.mark.parametrize("version", [2, 3])
def test_an_ensemble_takes_tables_of_an_earlier_version(version, copy_of):
    store = copy_of(version)
    board = read_board(store.path)
    plan = Ensemble(protocol=board.protocol, method="soft-vote", size=None, candidates=candidates(board.entries, ()))
    entry = add_ensemble(store, plan, board.external)
    assert entry.predictions == f"predictions/{entry.recipe}.npz"
    assert entry.recipe in read_board(store.path).external["ward"]


def test_entries_of_earlier_versions_hold_no_trials_but_count_them():
    for version in VERSIONS:
        entry = read_entry(folder_of(version) / "entries" / f"{BEST}.json")
        (fold,) = entry.folds
        assert fold.trials == {"complete": 2}
        assert len(fold.history.trials()) == (2 if version > 3 else 0)


@pytest.mark.parametrize("schema", [ENTRY, EXTERNAL_RESULT, PROTOCOL, LOCK], ids=lambda schema: schema.what)
def test_every_migration_leads_to_the_present_version(schema):
    assert sorted(schema.migrations) == list(range(schema.version - len(schema.migrations), schema.version))
    assert schema.model.model_fields["schema_version"].default == schema.version


@pytest.mark.parametrize(
    "content", ["[]", '"text"', '{"schema_version": 2, "dataset": [], "folds": 1}', '{"schema_version": 2}']
)
def test_an_invalid_record_of_an_earlier_version_is_refused(tmp_path, content):
    path = tmp_path / "entries" / "x.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(CxrbenchError, match=r"x\.json is not a valid entry"):
        read_entry(path)
