"""Records that earlier versions wrote are read, and shown as they were. tests/samples/records keeps them as written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cxrbench.errors import CxrbenchError
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


def test_files_of_every_version_are_kept():
    assert range(2, ENTRY.version + 1) == range(VERSIONS[0], VERSIONS[-1] + 1)
    assert len(VERSIONS) == ENTRY.version - 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_board_of_every_version_shows_the_same_rows(version):
    old, new = read_board(folder_of(version)), read_board(folder_of(VERSIONS[-1]))
    assert {entry.kind for entry in old.entries} == {"recipe", "baseline", "ensemble"}
    assert {entry.status for entry in old.entries} == {"complete", "failed"}
    assert [without_versions(row) for row in old.records()] == [without_versions(row) for row in new.records()]
    assert all(entry.dataset.class_names.positive == "PNEUMONIA" for entry in old.entries)
    assert old.external.keys() == {"ward"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_migrated_record_is_written_in_the_present_version(version, tmp_path):
    entry = read_entry(folder_of(version) / "entries" / f"{BEST}.json")
    write_entry(tmp_path / f"{BEST}.json", entry)
    assert json.loads((tmp_path / f"{BEST}.json").read_text())["schema_version"] == ENTRY.version
    assert read_external(folder_of(version) / "external" / "ward" / f"{BEST}.json").schema_version == EXTERNAL_RESULT.version


def test_the_folder_of_version_2_is_continued_as_it_is(tmp_path):
    shutil.copytree(folder_of(2), tmp_path / folder_of(2).name)
    protocol = read_board(folder_of(2)).protocol
    store = ProtocolFolder(out=tmp_path, protocol=protocol)
    assert store.path.name == folder_of(2).name  # no renamed field made another protocol of it
    entry = store.complete_entry(BEST)
    assert store.is_finished(BEST, entry.study, {"ward": read_external(store.external("ward", BEST)).fingerprint})
    with pytest.raises(TestSetLocked):
        store.test_lock.record(BEST, 0, 0, "another selection")
    before = [row["recipe"] for row in read_board(store.path).records()]
    assert [row["recipe"] for row in publish(store).records()] == before


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
