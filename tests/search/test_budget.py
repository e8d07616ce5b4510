"""The budget of trials: told to engines that name it, and part of the identity of their studies alone."""

from __future__ import annotations

import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.plugin.specs import Engine
from cxrbench.search.engine import build_engine, engine_identity, find_engine
from cxrbench.search.record import read_trials
from cxrbench.search.study import search_space

SPACE = search_space("max-f1", {})
RUN = (
    *("run", "--data", "phantom:images=420,size=64", "--image-size", 32, "--backbone", "control-intensity"),
    *("--augmentation", "none", "--imbalance", "none", "--no-controls", "--epochs", 1, "--offline", "--workers", 0),
)


@pytest.fixture
def engine(host):
    return lambda text: bind(parse_component(text), host.find(Engine, text.partition(":")[0]))


@pytest.mark.parametrize("text", ["optuna", "optuna:sampler=random", "fixed"])
def test_more_trials_go_on_with_a_study_of_other_engines(text, engine):
    assert engine_identity(engine(text), 20) == engine_identity(engine(text), 50) == engine(text).identity


@pytest.mark.parametrize("text", ["optuna", "optuna:sampler=random", "fixed"])
def test_proposals_of_other_engines_do_not_depend_on_it(text, engine):
    few, many = (build_engine(engine(text), SPACE, 1, trials) for trials in (3, 50))
    assert few.propose(2, []) == many.propose(2, [])


def test_another_budget_is_another_study_if_the_engine_knows_it(engine):
    design = engine("latin-hypercube")
    assert len({engine_identity(design, trials) for trials in (3, 4, 5)} | {design.identity}) == 4
    assert build_engine(design, SPACE, 1, 3).propose(2, []) != build_engine(design, SPACE, 1, 4).propose(2, [])


def test_an_engine_that_refuses_the_budget_ends_the_run_early(host, tmp_path):
    from cxrbench.errors import ConfigError
    from cxrbench.plugin.host import load_host

    file = tmp_path / "pairs.py"
    file.write_text("""
from cxrbench.plugin import ConfigError, Engine, hookimpl


@hookimpl
def register_engines():
    return [Engine(name="pairs", factory=f"{__name__}:build")]


def build(*, space, trials, seed):
    raise ConfigError(f"--trials {trials}: pairs needs an even number")
""")
    with pytest.raises(ConfigError, match="--trials 7: pairs needs an even number"):
        find_engine("pairs", load_host([file]), "max-f1", 7)


def recorded(workspace, trials, engine):
    """Run a study and return the dropouts of each recorded study."""
    assert workspace.call_here(*RUN, "--engine", engine, "--trials", trials).returncode == 0
    studies = sorted((workspace.folder / "leaderboard" / "studies").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    trials = [read_trials(path, "control-intensity+none+none") for path in studies if path.is_file()]
    return [[trial.params["dropout"] for trial in found] for found in trials]


@pytest.mark.usefixtures("tensorflow_ready")
@pytest.mark.slow
def test_a_study_with_more_trials_is_a_whole_design(workspace):
    (two,) = recorded(workspace, 2, "latin-hypercube")
    assert sorted(int(dropout / 0.35) for dropout in two) == [0, 1]
    by_budget = {len(dropouts): dropouts for dropouts in recorded(workspace, 4, "latin-hypercube")}
    assert by_budget.keys() == {2, 4}
    assert by_budget[2] == two
    assert sorted(int(dropout / 0.175) for dropout in by_budget[4]) == [0, 1, 2, 3]


@pytest.mark.long
@pytest.mark.usefixtures("tensorflow_ready")
def test_a_study_of_the_default_engine_goes_on(workspace):
    (two,) = recorded(workspace, 2, "optuna")
    (three,) = recorded(workspace, 3, "optuna")
    assert three[:2] == two
