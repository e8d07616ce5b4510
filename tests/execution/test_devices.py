"""Which GPUs a process may use is found without opening one; made-up ones stand for those that this machine lacks."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from cxrbench.errors import ConfigError
from cxrbench.execution.devices import SETTINGS, VARIABLES, chosen_gpus, find_gpus, listed_ids, see_chosen, visible_ids

TWO = """GPU 0: NVIDIA H200 (UUID: GPU-11111111-aaaa)
GPU 1: NVIDIA H200 (UUID: GPU-22222222-bbbb)
"""
DIVIDED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-a)
  MIG 3g.20gb     Device  1: (UUID: MIG-b)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-2)
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Name no GPU, and have no driver."""
    for name in (*VARIABLES, *SETTINGS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))


def install_nvidia_smi(folder, code):
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{code}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("0", ("0",)),
        ("3, 1", ("3", "1")),
        ("GPU-8932f937-d72c,MIG-e0b1", ("GPU-8932f937-d72c", "MIG-e0b1")),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("2,-1,0", ("2",)),
        ("1,1", ("1",)),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(monkeypatch, text, ids):
    assert visible_ids(text) == ids
    for name in VARIABLES:
        monkeypatch.setenv(name, text)
        assert find_gpus().ids == ids
        assert find_gpus().asked == f"{VARIABLES[0]} is {text!r}"


def test_the_variable_of_amd_is_read_too(monkeypatch):
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "1")
    assert find_gpus().ids == ("1",)


def test_the_parts_of_a_divided_gpu_stand_for_it():
    assert listed_ids(TWO) == ("GPU-11111111-aaaa", "GPU-22222222-bbbb")
    assert listed_ids(DIVIDED) == ("MIG-a", "MIG-b", "GPU-2")
    assert listed_ids("No devices were found") == ()


def test_without_a_variable_the_driver_lists_the_gpus(tmp_path):
    assert find_gpus().ids == ()
    assert "there is no nvidia-smi" in find_gpus().asked
    install_nvidia_smi(tmp_path, f"test \"$1\" = -L && printf '%s' '{TWO}'")
    assert find_gpus().ids == ("GPU-11111111-aaaa", "GPU-22222222-bbbb")


def test_a_broken_driver_is_no_gpu_with_its_words(tmp_path):
    install_nvidia_smi(tmp_path, "echo 'NVIDIA-SMI has failed: no driver'; exit 9")
    assert find_gpus().ids == ()
    assert find_gpus().asked == "nvidia-smi fails: NVIDIA-SMI has failed: no driver"
    warnings = []
    assert chosen_gpus("auto", warnings.append) == chosen_gpus("cpu", warnings.append) == ()
    (warning,) = warnings
    assert warning.startswith("networks are computed on the CPU, though there may be a GPU: nvidia-smi fails: NVIDIA-SMI has")


def test_the_choice_of_the_user(monkeypatch):
    for device in ("auto", "cpu"):
        assert chosen_gpus(device) == ()
    with pytest.raises(ConfigError, match=r"--device gpu: no GPU was found \(there is no nvidia-smi.*cxrbench\[gpu\]"):
        chosen_gpus("gpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES is '-1'"):
        chosen_gpus("gpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert [chosen_gpus(device) for device in ("auto", "gpu", "cpu")] == [("0", "1"), ("0", "1"), ()]


@pytest.mark.parametrize(("device", "seen"), [("auto", "GPU-1"), ("gpu", "GPU-1"), ("cpu", "-1")])
def test_this_process_sees_at_most_one_gpu(monkeypatch, device, seen):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1,GPU-2")
    see_chosen(device)
    assert {os.environ[name] for name in VARIABLES} == {seen}


def test_gpus_that_may_be_open_already_cannot_be_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace())
    see_chosen("cpu")  # there are none
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(ConfigError, match="Set CUDA_VISIBLE_DEVICES=-1 before, or use --workers 1"):
        see_chosen("cpu")
    see_chosen("auto")
