"""The trials of an entry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.leaderboard.store.entry_files import read_entry, write_entry
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.leaderboard.store.trial_history import history_of
from cxrbench.plugin.contracts import Trial

NAMES = st.sampled_from(["learning_rate", "dropout", "threshold", "gamma", "kernel"])
VALUES = st.floats(0, 1) | st.integers(0, 9) | st.booleans() | st.sampled_from(["rbf", "linear kernel"])
STATES = {
    "complete": {"value": st.floats(0, 1)},
    "pruned": {},
    "failed": {"failure": st.sampled_from(["oom", "nan", "killed"]), "reason": st.sampled_from(["no room", "took 3 s"])},
}


@st.composite
def studies(draw):
    """Draw the trials of a study."""
    trials = []
    for number in range(draw(st.integers(1, 8))):
        state = draw(st.sampled_from(sorted(STATES)))
        further = {name: draw(values) for name, values in STATES[state].items()}
        size, seconds = draw(st.none() | st.integers(1, 64)), draw(st.integers(0, 10**6)) / 1000
        params = draw(st.dictionaries(NAMES, VALUES))
        trials.append(Trial(number=number, params=params, state=state, seconds=seconds, batch_size=size, **further))
    return trials


@given(trials=studies())
def test_the_trials_come_back_as_they_were(trials):
    assert history_of(trials).trials() == trials


def test_losses_and_log_are_left_to_the_studies_record():
    trial = Trial(number=0, params={"dropout": 0.5}, state="failed", losses=(0.5,), log=("lost",), reason="no")
    assert history_of([trial]).trials() == [replace(trial, losses=(), log=())]


def test_a_reason_names_no_path_of_the_machine(tmp_path):
    trial = Trial(number=0, params={}, state="failed", failure="plugin_error", reason=f"{tmp_path}/weights.bin: gone")
    (found,) = history_of([trial]).trials()
    assert str(tmp_path) not in found.reason
    assert found.reason.endswith("weights.bin: gone")


@pytest.mark.parametrize("reason", ["\x1b[2J", "a\nb", "x" * 5000])
def test_a_reason_is_one_printable_line_of_bounded_length(compete, tmp_path, reason):
    entry = compete().entry
    (fold,) = entry.folds
    history = history_of([replace(trial, reason=reason) for trial in fold.history.trials()])
    path = tmp_path / "entries" / "texture.json"
    write_entry(path, entry.model_copy(update={"folds": (fold.model_copy(update={"history": history}),)}))
    for trial in read_entry(path).folds[0].history.trials():
        assert trial.reason.isprintable()
        assert len(trial.reason) <= 2000


def test_fifty_trials_of_five_folds_take_little_room(compete, make_protocol, tmp_path):
    entry = compete(protocol=make_protocol(folds=5, seeds=3)).entry
    trials = [
        Trial(
            number=number,
            params={name: (number + 1) / 137 for name in ("learning_rate", "dropout", "threshold")},
            state="complete",
            value=(number + 1) / 53,
            seconds=1 / 3,
        )
        for number in range(50)
    ]
    write_entry(tmp_path / "without.json", entry)
    folds = tuple(fold.model_copy(update={"history": history_of(trials)}) for fold in entry.folds)
    write_entry(tmp_path / "entry.json", entry.model_copy(update={"folds": folds}))
    without, size = ((tmp_path / name).stat().st_size for name in ("without.json", "entry.json"))
    assert size - without < 5 * 50 * 110
    assert size < 60_000


def test_an_entry_shows_its_trials_without_their_studies(compete, workspace, make_protocol):
    folder = ProtocolFolder(out=workspace.folder / "leaderboard", protocol=make_protocol())
    path = compete().write(folder)
    shown = workspace.call_here("show", path).stdout
    assert "failed, oom: trial 2; the last with learning_rate 0.001, dropout 0.5, k 3: MemoryError: no room" in shown
    assert "trained in smaller batches, to fit in memory: 1 (16)" in shown
