"""KerasTuner's oracles under the contract of an engine."""

from __future__ import annotations

from cxrbench.plugin import Choice, Float, Int, Trial
from cxrbench_engines.keras_tuner_engine import engine

SPACE = {
    "learning_rate": Float(low=1e-5, high=1e-2, log=True),
    "dropout": Float(low=0.0, high=0.7),
    "kind": Choice(options=("plain", "deep", True)),
    "depth": Int(low=2, high=12, step=5, when=(("kind", ("deep",)),)),
    "share": Float(low=0.0, high=1.0, step=0.25, when=(("kind", ("deep",)), ("depth", (7, 12)))),
}


def outcome(number, params, value):
    if number % 7 == 3:
        return Trial(number=number, params=params, state="failed", reason="lost")
    return Trial(number=number, params={**params, "threshold": 0.5}, state="complete", value=value)


def searched(seed, trials):
    proposer, finished = engine(space=SPACE, seed=seed), []
    for number in range(trials):
        params = proposer.propose(number, finished)
        finished.append(outcome(number, params, value=params["dropout"]))
    return [trial.params for trial in finished]


def test_random_proposals_have_the_parameters_of_met_conditions(tensorflow_ready):
    proposals = searched(0, 60)
    assert {params["kind"] for params in proposals} == {"plain", "deep", True}
    for params in proposals:
        assert ("depth" in params) == (params["kind"] == "deep")
        assert ("share" in params) == (params.get("depth") in {7, 12})
        assert params.get("depth") in {None, 2, 7, 12}
        assert params.get("share") in {None, 0.0, 0.25, 0.5, 0.75, 1.0}
        assert 1e-5 <= params["learning_rate"] <= 1e-2
        assert type(params["learning_rate"]) is float
    assert sum(params["learning_rate"] < 3e-4 for params in proposals) in range(18, 43)  # half of them, on a log scale


def test_a_proposal_follows_from_seed_number_and_finished_trials(tensorflow_ready):
    assert searched(0, 8) == searched(0, 8)
    assert searched(0, 8) != searched(1, 8)
    proposer = engine(space=SPACE, seed=0)  # 0 is a seed like any other, though an oracle takes it for none
    assert proposer.propose(5, []) == engine(space=SPACE, seed=0).propose(5, []) != proposer.propose(6, [])


def test_a_space_that_is_used_up_goes_on_being_searched(tensorflow_ready):
    proposer, finished = engine(space={"kind": Choice(options=("a", "b"))}, seed=0), []
    for number in range(8):
        finished.append(outcome(number, proposer.propose(number, finished), 0.5))
    assert {trial.params["kind"] for trial in finished} == {"a", "b"}


def test_bayesian_optimisation_learns_despite_failed_trials(tensorflow_ready):
    space = {"x": Float(low=0.0, high=1.0)}
    finished = [outcome(number, {"x": number / 8}, value=1 - abs(number / 8 - 0.75)) for number in range(8)]
    proposer = engine(space=space, seed=3, oracle="bayesian")
    proposed = proposer.propose(8, finished)
    assert proposed == proposer.propose(8, finished)
    assert 0.6 < proposed["x"] < 0.95
    early = proposer.propose(2, finished[:2])
    assert 0 <= early["x"] <= 1


def test_nothing_is_printed(tensorflow_ready, capsys):
    searched(0, 3)
    assert capsys.readouterr().out == ""
