"""Entries as runs of a real MLflow database; in long tests, of a server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from cxrbench.plugin.host import load_host

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*")]

RUN = (
    *("run", "--data", "phantom:images=420,size=64", "--image-size", "64", "--backbone", "texture", "--no-controls"),
    *("--augmentation", "none", "--imbalance", "none", "--trials", "1", "--epochs", "1", "--workers", "0", "--offline"),
    *("--also-at", "0.7", "--json"),
)
OBSERVER = "cxrbench-mlflow"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address, process, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the MLflow server did not start: {log.read_text()[-2000:]}")


@contextmanager
def serving(database, folder):
    """Start MLflow's server on a database, and return its address."""
    port, log = free_port(), folder / "log"
    command = [
        *(str(Path(sys.executable).parent / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")),
    ]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **quiet}, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory, long):
    """Return the address of an empty MLflow database; in long tests, of a server in front of it, which takes long to start."""
    pytest.importorskip("mlflow.server" if long else "mlflow.tracking", reason="the extra `test` brings mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    database = f"sqlite:///{folder / 'runs.db'}"
    with serving(database, folder) if long else nullcontext(database) as address:
        yield address


@pytest.fixture(scope="module")
def ran(tmp_path_factory, make_workspace):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def run_in(workspace, address):
    """Run two recipes, the majority class among them, with an address to log to."""
    done = workspace.call_here(*RUN, MLFLOW_TRACKING_URI=address)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def logged(ran, tracking):
    return run_in(ran, tracking)


@pytest.fixture(scope="module")
def client(tracking):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking)


def runs_of(client, protocol):
    return {run.info.run_name: run for run in client.search_runs([client.get_experiment_by_name(protocol).experiment_id])}


def test_every_entry_is_a_run_of_its_protocols_experiment(logged, client, ran, tmp_path):
    rows = {row["recipe"]: row for row in json.loads(logged.stdout)}
    (protocol,) = {row["protocol"] for row in rows.values()}
    runs = runs_of(client, protocol)
    assert rows.keys() == {"texture+none+none", "majority-class"}
    assert runs.keys() == {*rows, "trial 0", "leaderboard"}
    run, row = runs["texture+none+none"], rows["texture+none+none"]
    for name in ("auc", "auc_low", "auc_high", "f1", "rank", "rank_low", "p_first"):
        assert run.data.metrics[name] == pytest.approx(row[name])
    assert run.data.metrics["recall_at_0.7"] == row["recall@0.7"]
    assert run.data.params["protocol.metric"] == "auc"
    assert run.data.params["backbone"] == "texture"
    assert float(run.data.params["learning_rate"]) == row["learning_rate"]
    assert float(run.data.params["threshold"]) == row["threshold"]
    assert run.data.tags["cxrbench.status"] == "complete"
    assert run.info.status == "FINISHED"
    folder = ran.folder / "leaderboard" / protocol
    entry = json.loads((folder / "entries" / "texture+none+none.json").read_text())
    stored = Path(client.download_artifacts(run.info.run_id, "entry.json", str(tmp_path)))
    assert json.loads(stored.read_text()) == entry
    table = Path(client.download_artifacts(run.info.run_id, entry["predictions"], str(tmp_path)))
    assert table.read_bytes() == (folder / entry["predictions"]).read_bytes()
    assert "warning" not in "".join(line for line in logged.stderr.splitlines(True) if OBSERVER in line)


@pytest.fixture
def runs(logged, client):
    (protocol,) = {row["protocol"] for row in json.loads(logged.stdout)}
    return runs_of(client, protocol)


def test_a_trial_is_a_run_below_its_entrys_with_its_own_times(runs, client, ran):
    entry, trial = ran.entries()["texture+none+none"], runs["trial 0"]
    (fold,) = entry["folds"]
    assert trial.data.tags["mlflow.parentRunId"] == runs["texture+none+none"].info.run_id
    assert (trial.data.tags["cxrbench.state"], trial.info.status) == ("complete", "FINISHED")
    assert trial.data.metrics["validation_auc"] == fold["history"]["values"][0]
    assert float(trial.data.params["learning_rate"]) == fold["params"]["learning_rate"]
    took = (trial.info.end_time - trial.info.start_time) / 1000
    assert took == pytest.approx(fold["history"]["seconds"][0], abs=0.002)
    losses = client.get_metric_history(trial.info.run_id, "validation_loss")
    stored = fold["heads"][0]["curves"]["validation_loss"]  # rounded
    assert {loss.step: loss.value for loss in losses} == pytest.approx(dict(enumerate(stored)), abs=1e-6)


def test_the_run_of_an_entry_has_its_curves_and_its_real_duration(runs, client, ran):
    entry, run = ran.entries()["texture+none+none"], runs["texture+none+none"]
    (fold,) = entry["folds"]
    for name, values in fold["heads"][0]["curves"].items():
        points = client.get_metric_history(run.info.run_id, name)
        assert [(point.step, point.value) for point in points] == list(enumerate(values))
    (value,) = client.get_metric_history(run.info.run_id, "trial_validation_auc")
    assert (value.step, value.value) == (0, fold["history"]["values"][0])
    assert (run.info.end_time - run.info.start_time) / 1000 >= entry["seconds"]["elapsed"] - 0.002


def test_model_and_page_are_artifacts(runs, client, ran, tmp_path):
    run, folder = runs["texture+none+none"], ran.protocol_folder()
    (weights,) = (folder / "models" / "texture+none+none" / "head").iterdir()
    logged = Path(client.download_artifacts(run.info.run_id, f"model/{weights.name}", str(tmp_path)))
    assert logged.read_bytes() == weights.read_bytes()
    page = Path(client.download_artifacts(runs["leaderboard"].info.run_id, "index.html", str(tmp_path)))
    assert page.read_bytes() == (folder / "index.html").read_bytes()


def test_the_same_entries_again_are_the_same_runs(logged, client, ran, tracking):
    (protocol,) = {row["protocol"] for row in json.loads(logged.stdout)}
    before = runs_of(client, protocol)
    run_in(ran, tracking)
    assert {name: run.info.run_id for name, run in runs_of(client, protocol).items()} == {
        name: run.info.run_id for name, run in before.items()
    }


@pytest.mark.timeout(60, func_only=True)  # MLflow itself would retry for minutes
def test_a_missing_server_is_reported_once_and_changes_nothing(logged, ran):
    done = run_in(ran, f"http://127.0.0.1:{free_port()}")
    assert done.stderr.count(OBSERVER) == 1
    assert "does not answer" in done.stderr
    assert json.loads(done.stdout) == json.loads(logged.stdout)


def test_without_an_address_nothing_is_imported_or_sent():
    program = (
        "import sys; from cxrbench.plugin.host import load_host; said = [];"
        "load_host().notify('on_run_start', said.append, protocol=None, recipes=());"
        "load_host().notify('on_trial_end', said.append, recipe='r', stage='head', trial=None);"
        "load_host().notify('on_entry', said.append, entry=None);"
        "load_host().notify('on_run_end', said.append, board=None);"
        "assert not said, said; assert 'mlflow' not in sys.modules"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    subprocess.run([sys.executable, "-c", program], check=True, env=kept)


def test_a_failed_server_is_not_used_until_the_next_run(monkeypatch):
    from cxrbench_observers.session import Session

    with socket.create_server(("127.0.0.1", 0)) as listener:
        session = Session(f"http://127.0.0.1:{listener.getsockname()[1]}")
        session.start()
    asked = []
    with pytest.raises(ConnectionError, match="does not answer"):
        session.send(asked.append)
    session.send(asked.append)
    assert asked == []
    with pytest.raises(ConnectionError):
        session.start()


def test_what_fails_in_the_background_is_raised_when_all_is_sent():
    from cxrbench_observers.session import Session

    session, sent = Session("sqlite://"), []
    for name in "ab":
        session.send_later(lambda client, name=name: sent.append(name))
    session.finish()
    assert sent == ["a", "b"]
    session.send_later(lambda client: sent.append(1 / 0))
    session.send_later(lambda client: sent.append("after a failure"))
    with pytest.raises(ZeroDivisionError):
        session.finish()
    session.finish()  # reported once
    assert sent == ["a", "b"]


def test_the_observer_can_be_blocked_like_any_plugin():
    found = {plugin.name: plugin for plugin in load_host(without=[OBSERVER]).plugins}
    assert found[OBSERVER].blocked
    assert {plugin.name: plugin.hooks for plugin in load_host().plugins}[OBSERVER] == (
        *("on_entry", "on_run_end", "on_run_start", "on_trial_end"),
    )
