"""`cxrbench doctor` says which GPUs a run would use, or why none. The GPUs are made up."""

from __future__ import annotations

import pytest

from cxrbench.cli.doctor.gpus import gpus
from cxrbench.execution.devices import VARIABLES


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Name no GPU, and have no driver."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def shown(*arguments):
    found = gpus(*arguments)
    assert found.area == "gpu"
    return found.verdict, found.found, found.remedy


def test_gpus_that_keras_sees_are_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    verdict, found, _ = shown("auto", ["gpu:0", "gpu:1"])
    assert verdict == "ok"
    assert found.startswith("0, 1 (CUDA_VISIBLE_DEVICES is '0,1'); Keras sees gpu:0, gpu:1: one worker each for networks")
    assert shown("cpu", ["gpu:0"])[:2] == (
        "ok",
        "0, 1 (CUDA_VISIBLE_DEVICES is '0,1'): hidden from all processes by --device cpu",
    )


@pytest.mark.parametrize(("device", "verdict"), [("auto", "warn"), ("gpu", "problem")])
def test_gpus_that_keras_cannot_use_have_a_remedy(monkeypatch, device, verdict):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    found = shown(device, [], "this TensorFlow is built without GPUs")
    assert found[0] == verdict
    assert "but Keras sees none: this TensorFlow is built without GPUs. Networks are computed on the CPU" in found[1]
    assert "pip install 'cxrbench[gpu]'" in found[2]


def test_a_machine_without_gpus(monkeypatch):
    verdict, found, _ = shown("auto", [])
    assert verdict == "ok"
    assert found.startswith("none (there is no nvidia-smi")
    assert shown("gpu", [])[0] == "problem"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert shown("auto", []) == ("ok", "none (CUDA_VISIBLE_DEVICES is '-1'): everything is computed on the CPU", "")


def test_gpus_that_only_keras_sees_are_to_be_named():
    verdict, found, remedy = shown("auto", ["gpu:0"])
    assert (verdict, found.partition(":")[0]) == ("warn", "gpu")
    assert "HIP_VISIBLE_DEVICES" in remedy
