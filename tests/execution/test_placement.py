"""Calls of networks go to processes with one GPU each, all others to processes that see none. The GPUs are made up."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing
from functools import partial
from types import SimpleNamespace

import pytest

from cxrbench.errors import ConfigError
from cxrbench.execution.devices import VARIABLES
from cxrbench.execution.executor import open_executor
from cxrbench.execution.placed import PlacedExecutor

GPUS = ("0", "1")
NAME = VARIABLES[0]


def pid_and_gpu(seconds=0.0):
    time.sleep(seconds)
    return os.getpid(), os.environ[NAME]


def seen():
    return visible if (visible := os.environ[NAME].split(",")) != ["-1"] else []


def sees_none():
    return ()


def sees_only_the_second():
    if os.environ[NAME] == GPUS[1]:
        return seen()
    sys.stdout.write("told why\n")
    return []


def fails_to_list():
    raise RuntimeError("CUDA_ERROR_INVALID_DEVICE")


@pytest.fixture
def two_gpus(monkeypatch):
    """Name two GPUs; return `open_executor` for workers that import nothing."""
    monkeypatch.setenv(NAME, ",".join(GPUS))
    return partial(open_executor, 1, device="auto", warm_up=os.getpid, seen=seen)


def all_workers(networks):
    """Return the GPU of each process that computes, asked until both have answered."""
    found = {}
    while len(found) < len(GPUS):
        found |= dict(call.result(60) for call in [networks.submit(pid_and_gpu, 0.1) for _ in range(4)])
    return found


@pytest.fixture(scope="module")
def placed():
    """Return an executor on two GPUs, whose workers import nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, ",".join(GPUS))
        with open_executor(1, device="auto", warm_up=os.getpid, seen=seen) as executor:
            yield executor


def test_each_network_worker_has_a_gpu_of_its_own(placed):
    networks = placed.for_networks()
    assert sorted(all_workers(networks).values()) == list(GPUS)
    assert {networks.submit(os.getenv, name).result(60) for name in VARIABLES} <= set(GPUS)
    assert networks.submit(os.getenv, "TF_FORCE_GPU_ALLOW_GROWTH").result(60) == "true"
    assert networks.submit(os.getenv, "NVIDIA_TF32_OVERRIDE").result(60) == "0"
    assert networks.for_networks() is placed.for_networks() is networks


def test_other_workers_see_no_gpu(placed):
    assert [placed.submit(os.getenv, name).result(60) for name in VARIABLES] == ["-1", "-1"]
    assert placed.submit(os.getpid).result(60) not in all_workers(placed.for_networks())


def test_a_worker_that_dies_in_a_call_gives_its_gpu_back(placed):
    networks = placed.for_networks()
    assert "exit code 3" in str(networks.submit(os._exit, 3).exception(60))
    assert sorted(all_workers(networks).values()) == list(GPUS)


def test_a_killed_worker_is_replaced_on_its_gpu(placed):
    networks = placed.for_networks()
    os.kill(killed := next(iter(all_workers(networks))), signal.SIGKILL)
    time.sleep(1)
    after = all_workers(networks)
    assert sorted(after.values()) == list(GPUS)
    assert killed not in after


@pytest.mark.slow
def test_calls_do_not_wait_for_a_gpu_that_newer_workers_have(light_pool):
    with closing(light_pool(2, gpus=GPUS, growth=2**25)) as pool:
        all_workers(pool)
        grown = pool.submit(exec, "import builtins; builtins.kept = bytes(range(256)) * 2**18")  # replaces the workers
        dying = [pool.submit(exec, "import os, time; time.sleep(6); os._exit(3)") for _ in range(2)]  # of the old ones
        waiting = pool.submit(pid_and_gpu)  # for one of these
        assert grown.result(60) is None
        assert waiting.result(60)[1] in GPUS
        assert all("exit code 3" in str(call.exception(60)) for call in dying)


def test_device_cpu_hides_all_gpus(two_gpus):
    with two_gpus(device="cpu") as executor:
        assert executor.for_networks() is executor
        assert executor.submit(os.getenv, NAME).result(60) == "-1"


def test_device_gpu_without_a_gpu_is_refused(two_gpus, monkeypatch):
    monkeypatch.setenv(NAME, "")
    with pytest.raises(ConfigError, match="--device gpu: no GPU was found"), two_gpus(device="gpu"):
        pass
    with two_gpus(device="auto") as executor:
        assert executor.for_networks() is executor


def test_gpus_that_keras_cannot_use_are_named_with_a_remedy(two_gpus):
    warnings = []
    with two_gpus(seen=sees_none, warn=warnings.append) as executor:
        assert executor.for_networks().submit(os.getenv, NAME).result(60) == "-1"
        assert executor.for_networks() is executor
    (warning,) = warnings
    assert warning.startswith(
        "networks are computed on the CPU. GPU 0 and 1 cannot be used: the Keras backend of a worker sees"
    )
    assert "pip install 'cxrbench[gpu]'" in warning
    with (
        pytest.raises(ConfigError, match="--device gpu: GPU 0 and 1 cannot be used"),
        two_gpus(seen=sees_none, device="gpu"),
    ):
        pass


def test_a_gpu_whose_library_raises_is_not_used(two_gpus):
    warnings = []
    with two_gpus(seen=fails_to_list, warn=warnings.append) as executor:
        assert executor.for_networks() is executor
    assert "GPU 0 and 1 cannot be used: RuntimeError: CUDA_ERROR_INVALID_DEVICE. Install" in warnings[0]


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_gpus_that_work_are_used_without_those_that_do_not(two_gpus, device):
    warnings = []
    with two_gpus(seen=sees_only_the_second, warn=warnings.append, device=device) as executor:
        networks = executor.for_networks()
        assert {networks.submit(os.getenv, NAME).result(60) for _ in range(3)} == {GPUS[1]}
    (warning,) = warnings
    expected = (
        "networks are computed on GPU 1. GPU 0 cannot be used: the Keras backend of a worker sees no GPU: told why. Install"
    )
    assert warning.startswith(expected)


def test_a_gpu_whose_library_crashes_is_not_used(two_gpus):
    warnings = []
    with two_gpus(seen=os.abort, warn=warnings.append) as executor:
        assert executor.for_networks().submit(os.getenv, NAME).result(60) == "-1"
    assert "SIGABRT" in warnings[0]


def test_ctrl_c_ends_the_workers_of_both_kinds(two_gpus):
    with pytest.raises(KeyboardInterrupt), two_gpus() as executor:  # noqa: PT012
        networks = executor.for_networks()
        calls = [networks.submit(time.sleep, 600), executor.submit(time.sleep, 600)]
        start = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 20
    for call in calls:
        with pytest.raises(KeyboardInterrupt):
            call.result(5)
    with pytest.raises(KeyboardInterrupt):
        executor.for_networks()


def test_workers_that_start_while_a_run_is_stopped_end_too():
    stopped = []
    cpus, gpus = (SimpleNamespace(stop=partial(stopped.append, kind)) for kind in ("cpu", "gpu"))

    def start():
        executor.stop()
        return gpus

    executor = PlacedExecutor(cpus, SimpleNamespace(start=start))
    with pytest.raises(KeyboardInterrupt):
        executor.for_networks()
    assert stopped == ["cpu", "gpu", "cpu"]


def test_the_parent_sees_no_gpu_while_it_has_workers(two_gpus):
    with two_gpus():
        assert {os.environ[name] for name in VARIABLES} == {"-1"}
    assert os.environ[NAME] == "0,1"


@pytest.mark.parametrize(("device", "visible"), [("auto", "0"), ("cpu", "-1")])
def test_one_process_computes_on_one_gpu_or_none(monkeypatch, device, visible):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv(NAME, "0,1")
    with open_executor(0, device=device, seen=seen) as executor:
        assert executor.for_networks() is executor
        assert os.environ[NAME] == visible
    assert os.environ[NAME] == "0,1"
    with (
        pytest.raises(ConfigError, match="--device gpu: the Keras backend sees no GPU"),
        open_executor(0, device="gpu", seen=sees_none),
    ):
        pass
