"""Observers under the kit: what would be lost in silence in a run is a broken rule here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cxrbench.errors import ConfigError
from cxrbench.plugin.host import load_host
from cxrbench.testing import checks_for, run_checks
from cxrbench.testing.run_records import events_of_runs

GOOD = """
@hookimpl
def on_run_start(protocol, recipes):
    HEARD.append(f"{protocol.name}: {[str(recipe) for recipe in recipes]}")

@hookimpl
def on_trial_end(recipe, trial):
    HEARD.append(f"{recipe} {trial.number}: {trial.value if trial.state == 'complete' else trial.failure}")

@hookimpl
def on_entry(entry):
    HEARD.append(f"{entry.recipe}: {entry.metrics.get('auc', entry.reason)}")

@hookimpl
def on_run_end(board):
    HEARD.append(board.rows()[0]["recipe"])
"""
BROKEN = {
    "loads": "@hookimpl\ndef on_run_end():\n    pass\n\ndef on_entry(entry):\n    HEARD.append(entry)",
    "light-import": "import numpy\n\n@hookimpl\ndef on_run_end():\n    pass",
    "called": "@hookimpl\ndef on_entry(entry=None):\n    HEARD.append(entry)",
    "no-errors": "@hookimpl\ndef on_entry(entry):\n    HEARD.append(entry.metrics['auc'])",
    "records-untouched": "@hookimpl\ndef on_entry(entry):\n    entry.metrics['auc'] = 1.0",
    "stdout-free": "@hookimpl\ndef on_entry(entry):\n    print(entry.recipe)",
    "no-traces": "@hookimpl\ndef on_run_end(board):\n    import os\n    os.environ['LAST_BOARD'] = board.name",
}
MORE = {
    "a coroutine": ("called", "@hookimpl\nasync def on_entry(entry):\n    pass"),
    "a generator": ("called", "@hookimpl\ndef on_entry(entry):\n    yield entry"),
    "a wrapper": ("called", "@hookimpl(wrapper=True)\ndef on_entry(entry):\n    return (yield)"),
    "an entry without a run": (
        "no-errors",
        "@hookimpl\ndef on_run_start():\n    HEARD.append(1)\n\n@hookimpl\ndef on_entry():\n    HEARD[0]",
    ),
    "a failed trial": ("no-errors", "@hookimpl\ndef on_trial_end(trial):\n    round(trial.value, 3)"),
    "no recipes": ("no-errors", "@hookimpl\ndef on_run_start(recipes):\n    recipes[0]"),
    "an exit": ("no-errors", "@hookimpl\ndef on_run_end():\n    raise SystemExit(3)"),
    "sorted trials": ("records-untouched", "@hookimpl\ndef on_trial_end(trial):\n    trial.params['learning_rate'] = 0.0"),
    "a seed": ("no-traces", "@hookimpl\ndef on_run_start():\n    import random\n    random.seed(0)"),
    "a folder": ("no-traces", "@hookimpl\ndef on_run_start():\n    import os\n    os.chdir('/')"),
}


@pytest.fixture
def observer(tmp_path):
    """Return a function that writes an observer and returns its file."""

    def write(source):
        file = tmp_path / "observer.py"
        file.write_text(f"from cxrbench.plugin import hookimpl\n\nHEARD = []\n\n{source}\n")
        return file

    return write


def failed(file):
    return {result.check.name: result.message for result in run_checks(file, kind="observer") if result.state == "failed"}


def test_an_observer_that_expects_everything_passes(observer):
    file = observer(GOOD)
    assert {result.state for result in run_checks(file)} == {"passed"}
    assert {result.subject for result in run_checks(file)} == {f"observer {file}"}


@pytest.mark.parametrize("rule", BROKEN)
def test_only_the_broken_rule_of_an_observer_is_reported(rule, observer):
    assert failed(observer(BROKEN[rule])).keys() == {rule}


@pytest.mark.parametrize("what", MORE)
def test_what_would_be_lost_in_silence_is_reported(what, observer):
    rule, source = MORE[what]
    before = Path.cwd(), dict(os.environ)
    found = failed(observer(source))
    assert found.keys() == {rule}
    assert found[rule]
    assert (Path.cwd(), dict(os.environ)) == before


def test_every_rule_has_an_observer_that_breaks_it():
    assert BROKEN.keys() == {check.name for check in checks_for("observer")}


def test_messages_name_the_callback_and_what_it_was_told_of(observer):
    message = failed(observer(BROKEN["no-errors"]))["no-errors"]
    assert message == "on_entry raises KeyError: 'auc', told of a recipe that failed"


def test_an_unmarked_hook_is_reported_for_components_as_well(observer):
    file = observer("""
from cxrbench.plugin import Balance, Imbalance

@hookimpl
def register_imbalances():
    return [Imbalance(name="own", factory=f"{__name__}:decide")]

def decide(fold, *, seed):
    return Balance()

def register_engines():
    return []
""")
    (result,) = [result for result in run_checks(file) if result.state == "failed"]
    assert (result.subject, result.check.name) == ("imbalance own", "loads")
    assert result.message == "register_engines is not marked with @hookimpl, so it is never called"


def test_a_plugin_of_unmarked_hooks_alone_is_an_error(observer):
    with pytest.raises(ConfigError, match="declares nothing and has no callbacks: write @hookimpl above its hooks"):
        run_checks(observer("def on_entry(entry):\n    HEARD.append(entry)"))


def test_an_installed_observer_is_checked_by_its_plugins_name(workspace):
    done = workspace.call_here("plugins", "check", "cxrbench-mlflow", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {one["plugin"] for one in found} == {"observer cxrbench-mlflow"}
    assert [one["check"] for one in found] == [check.name for check in checks_for("observer")]


def test_the_records_are_those_that_a_run_writes(tmp_path):
    from cxrbench.leaderboard.board import read_boards

    events = events_of_runs(tmp_path)
    (board,) = read_boards(tmp_path)
    assert [row["status"] for row in board.records()] == ["complete", "unavailable"]
    assert events[-1].arguments["board"].records() == board.records()
    told = {event.hook for event in events}
    assert told == {name for name in vars(load_host().manager.hook) if name.startswith("on_")}
