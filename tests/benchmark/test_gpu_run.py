"""A run on made-up GPUs: each kind of call in its place, and the results of any other run."""

from __future__ import annotations

import os
from functools import partial

import pytest

from cxrbench.execution.executor import open_executor
from cxrbench.execution.process_pool import WorkerPool

NETWORK = "mobilenet:alpha=0.25,weights=none"
RUN = (
    *("run", "--data", "phantom:images=640,size=32", "--image-size", 32, "--split", "grouped", "--offline", "--no-controls"),
    *("--backbone", NETWORK, "--backbone", "texture", "--augmentation", "none", "--imbalance", "none"),
    *("--trials", 2, "--epochs", 2, "--workers", 1),
)
STAGE = ("--fine-tune", 1, "--fine-tune-trials", 2, "--fine-tune-epochs", 1)


@pytest.fixture
def calls(monkeypatch):
    """Record the calls of pools with and without GPUs; believe any process that is asked whether it sees its GPU."""
    found = {True: [], False: []}
    submit = WorkerPool.submit

    def recorded(pool, function, /, *arguments, **keywords):
        subject = getattr(function, "__self__", None) or (arguments[0] if arguments else None)
        backbone = getattr(subject, "backbone", None)
        name = str(backbone.component) if hasattr(backbone, "component") else type(subject).__name__
        found[bool(pool._gpus)].append((function.__name__, name))
        return submit(pool, function, *arguments, **keywords)

    monkeypatch.setattr(WorkerPool, "submit", recorded)
    monkeypatch.setattr("cxrbench.benchmark.workers.open_executor", partial(open_executor, seen=os.getpid))
    return found


@pytest.mark.long
def test_networks_are_on_gpus_and_heads_are_not(make_workspace, tmp_path_factory, calls):
    on_gpus, on_cpus = (make_workspace(tmp_path_factory.mktemp(name)) for name in ("gpus", "cpus"))
    done = on_gpus.call_here(*RUN, *STAGE, CUDA_VISIBLE_DEVICES="0,1")
    assert done.returncode == 0, done.stderr
    assert {("_extract_timed", NETWORK), ("train_trial", "NetworkJob"), ("freeze", "NetworkJob")} <= set(calls[True])
    assert {("_extract_timed", "texture"), ("train_trial", "HeadJob"), ("freeze", "HeadJob")} <= set(calls[False])
    assert "HeadJob" not in {name for _, name in calls[True]}
    assert "NetworkJob" not in {name for _, name in calls[False]}
    assert not {("_extract_timed", "texture")} & set(calls[True]) | {("_extract_timed", NETWORK)} & set(calls[False])
    assert on_cpus.call_here(*RUN, *STAGE, "--device", "cpu", CUDA_VISIBLE_DEVICES="0,1").returncode == 0
    assert on_gpus.files("*/predictions/*") == on_cpus.files("*/predictions/*")
    assert len(on_gpus.files("*/predictions/*")) == 4


@pytest.mark.long
def test_a_run_without_usable_gpus_says_so_and_goes_on(workspace):
    done = workspace.call(*RUN, CUDA_VISIBLE_DEVICES="0", TF_CPP_MIN_LOG_LEVEL="3")
    assert done.returncode == 0, done.stderr
    assert "networks are computed on the CPU. GPU 0 cannot be used" in done.stderr
    assert "devices" not in workspace.entries()[f"{NETWORK}+none+none"]
