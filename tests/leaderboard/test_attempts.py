from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.store.attempts import attempt_of, make_attempt, newest_attempt
from cxrbench.leaderboard.store.folder import ProtocolFolder


def begun(out, protocol, attempt):
    folder = ProtocolFolder(out=out, protocol=protocol, attempt=attempt)
    folder.write_protocol()
    return folder


def nothing_recorded(attempt):
    return False


def test_each_attempt_has_its_own_folder_studies_and_test_lock(make_protocol, tmp_path):
    protocol = make_protocol()
    first, second = (ProtocolFolder(out=tmp_path, protocol=protocol, attempt=attempt) for attempt in (1, 2))
    assert (first.path.name, second.path.name) == (protocol.name, f"{protocol.name}-2")
    assert (first.study("a" * 64).name, second.study("a" * 64).name) == ("a" * 16 + ".journal", "a" * 16 + "-2.journal")
    assert first.study_name("r", "a" * 64) + "-2" == second.study_name("r", "a" * 64) == "r " + "a" * 16 + "-2"
    assert len(first.study_name("r" * 1000, "a" * 64)) <= 512
    assert first.test_lock != second.test_lock


def test_the_newest_is_the_highest_number_or_else_the_first(make_protocol, tmp_path):
    protocol = make_protocol()
    assert newest_attempt(tmp_path, protocol) == 1
    for attempt in (1, 2, 10):
        begun(tmp_path, protocol, attempt)
        assert newest_attempt(tmp_path, protocol) == attempt
    assert newest_attempt(tmp_path, make_protocol(seed=1)) == 1


def test_another_budget_resumes_the_newest_attempt(make_protocol, tmp_path):
    begun(tmp_path, make_protocol(trials=50), 1)
    begun(tmp_path, make_protocol(trials=50), 3)
    larger = make_protocol(trials=100)
    assert newest_attempt(tmp_path, larger) == 3
    assert make_attempt(tmp_path, larger, nothing_recorded) == 4
    begun(tmp_path, make_protocol(trials=200), 1)
    assert newest_attempt(tmp_path, make_protocol(trials=200)) == 1  # its own come first


def test_many_that_begin_at_once_get_one_attempt_each(make_protocol, tmp_path):
    protocol = make_protocol()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: make_attempt(tmp_path / "out", protocol, nothing_recorded), range(24)))
    assert sorted(made) == list(range(1, 25))


def test_an_attempt_that_is_on_record_is_passed_over(make_protocol, tmp_path):
    assert make_attempt(tmp_path, make_protocol(), lambda attempt: attempt <= 2) == 3


def test_an_empty_folder_is_dropped_and_a_begun_one_is_not(make_protocol, tmp_path):
    protocol = make_protocol()
    folder = ProtocolFolder(out=tmp_path, protocol=protocol, attempt=make_attempt(tmp_path, protocol, nothing_recorded))
    folder.remove_if_empty()
    folder.remove_if_empty()
    assert not folder.path.exists()
    folder.write_protocol()
    folder.remove_if_empty()
    assert folder.path.is_dir()


@pytest.mark.parametrize(
    ("rest", "attempt"), [("", 1), ("-2", 2), ("-10", 10), ("-1", None), ("-0", None), ("-x", None), ("x", None)]
)
def test_names_tell_attempts(make_protocol, rest, attempt):
    protocol = make_protocol()
    assert attempt_of(f"{protocol.name}{rest}", protocol) == attempt
    assert attempt_of(f"another-{protocol.name}{rest}", protocol) is None


def test_another_version_or_a_renamed_folder_is_no_obstacle(make_protocol, tmp_path):
    protocol = make_protocol()
    folder = begun(tmp_path, protocol, 2)
    folder.path.rename(tmp_path / "old results")
    (tmp_path / "ancient").mkdir()
    (tmp_path / "ancient" / "protocol.json").write_text("{}")
    assert newest_attempt(tmp_path, protocol) == 1
    assert read_board(tmp_path / "old results").name == protocol.name
