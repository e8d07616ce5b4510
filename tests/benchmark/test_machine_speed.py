"""How long features take on this machine, from what its workers measure."""

from __future__ import annotations

import heapq
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.benchmark import machine_speed
from cxrbench.benchmark.machine_speed import Speed, largest_share, measure_speeds
from cxrbench.cli.doctor import speed as report
from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.config.settings import Settings
from cxrbench.models import timing
from cxrbench.models.timing import ExtractionTime, time_backbone
from cxrbench.plugin.host import load_host
from cxrbench.storage.sharded_array import SHARD_ROWS

SPEEDS = [
    Speed(backbone="resnet50", workers=2, on_gpu=False, setup=3.0, per_image=0.1),
    Speed(backbone="mobilenet:alpha=0.25", workers=2, on_gpu=False, setup=2.0, per_image=0.01),
]


def slow_backbone(clock, build, per_image):
    """Return a backbone that moves the clock: once when it is built, and with every image."""

    def features(images):
        assert (images.shape[1:], images.dtype) == ((8, 8, 1), np.float32)
        clock.now += per_image * len(images) + (0 if clock.built else build)
        clock.built = True
        return np.zeros((len(images), 7), np.float32)

    return SimpleNamespace(size=8, features=features)


@pytest.mark.parametrize(("build", "per_image"), [(3.0, 0.1), (3.0, 0.001), (0.0, 2.0)])
def test_setup_and_images_are_timed_apart(monkeypatch, build, per_image):
    clock = SimpleNamespace(now=50.0, built=False)
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    found = time_backbone(slow_backbone(clock, build, per_image), seconds=1.0)
    assert (found.setup, found.per_image, found.width) == (pytest.approx(build), pytest.approx(per_image), 7)
    assert clock.now - 50 <= build + 1 + 2 * timing.BATCH * per_image + 1e-6


@given(st.integers(1, 40_000), st.integers(1, 64))
def test_the_largest_share_is_that_of_handing_out_shards(images, workers):
    loads = [0] * workers
    for first in range(0, images, SHARD_ROWS):
        heapq.heapreplace(loads, loads[0] + min(SHARD_ROWS, images - first))
    assert largest_share(images, workers) == max(loads)


@pytest.mark.parametrize(
    ("images", "workers", "seconds"), [(5216, 2, 268.6), (5216, 1, 524.6), (5216, 64, 54.2), (300, 2, 33.0)]
)
def test_the_time_of_a_dataset(images, workers, seconds):
    one = Speed(backbone="resnet50", workers=workers, on_gpu=False, setup=3.0, per_image=0.1)
    assert one.seconds(images) == pytest.approx(seconds)


class Workers:
    """An executor whose second call of each pair is three times as slow."""

    def __init__(self, workers, gpus=None):
        self.workers, self.gpus, self.submitted = workers, gpus, []

    def for_networks(self):
        return self.gpus or self

    def submit(self, function, backbone, seconds):
        assert (function, seconds) == (time_backbone, machine_speed.TIMED_SECONDS)
        self.submitted.append((str(backbone.part.component), backbone.size))
        per_image = 0.1 if len(self.submitted) % 2 else 0.3
        return SimpleNamespace(result=lambda: ExtractionTime(setup=2.0, per_image=per_image, width=1))


@pytest.mark.parametrize("on_gpu", [False, True])
def test_all_workers_for_networks_measure_both_of_them(monkeypatch, on_gpu):
    networks = Workers(2)
    executor = Workers(6, gpus=networks) if on_gpu else networks
    monkeypatch.setattr(machine_speed, "open_executor", lambda workers, *, device: nullcontext(executor))
    large, small = measure_speeds(Settings(workers=2, image_size=96), load_host())
    resnet, mobilenet = ("resnet50:weights=none", 96), ("mobilenet:alpha=0.25,weights=none", 96)
    assert networks.submitted == [resnet, resnet, mobilenet, mobilenet]
    assert (large.backbone, small.backbone) == machine_speed.TIMED
    assert (large.workers, large.on_gpu) == (2, on_gpu)
    assert large.per_image == pytest.approx(0.15)  # ten images and a third of that in a second


def test_a_machine_without_the_backbones_measures_nothing():
    assert list(measure_speeds(Settings(workers=0), load_host(without=["cxrbench-backbones"]))) == []


def found_by(monkeypatch, checks, speeds):
    monkeypatch.setattr(machine_speed, "measure_speeds", lambda settings, host: iter(speeds))
    (diagnosis,) = report.speed({"workers": 2}, checks)
    return diagnosis


def test_the_report_names_images_workers_and_times(monkeypatch):
    found = found_by(monkeypatch, [Diagnosis(area="weights", found="", verdict="warn")], SPEEDS)
    assert found.found == "features of 5,216 images with 2 workers: resnet50 about 4 min, mobilenet:alpha=0.25 about 29 s"
    on_gpu = [replace(one, workers=1, on_gpu=True) for one in SPEEDS]
    assert found_by(monkeypatch, [], on_gpu).found.startswith("features of 5,216 images with 1 GPU: resnet50 about 9 min")
    assert "--without" in found_by(monkeypatch, [], []).found


def test_workers_of_a_scheduler_are_not_those_of_this_machine(monkeypatch):
    monkeypatch.setattr(machine_speed, "measure_speeds", None)
    (diagnosis,) = report.speed({"scheduler": "tcp://host:8786"}, [])
    assert "--scheduler" in diagnosis.found


@pytest.mark.parametrize(
    ("area", "verdict"), [("keras", "problem"), ("workers", "problem"), ("cores", "warn"), ("memory", "warn")]
)
def test_a_machine_with_problems_is_not_measured(monkeypatch, area, verdict):
    found = found_by(monkeypatch, [Diagnosis(area=area, found="", verdict=verdict)], SPEEDS)
    assert (found.verdict, found.found) == ("ok", "not measured: first follow the advice above")
