"""Report how long the features of a dataset of usual size take on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.cli.progress_bars import duration
from cxrbench.config.settings import read_settings
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

IMAGES = 5216
"""Training images of the best-known dataset of chest X-rays of children (Kermany et al., Cell 2018)."""
SLOWED_BY = frozenset({"cores", "memory"})


def speed(flags: Mapping[str, Any], checks: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """Measure the speed, unless the other checks found what would stop or slow the workers."""
    if any(one.verdict == "problem" or (one.verdict == "warn" and one.area in SLOWED_BY) for one in checks):
        yield Diagnosis(area="speed", found="not measured: first follow the advice above")
        return
    from cxrbench.benchmark.machine_speed import measure_speeds  # imports NumPy, which the checks have found whole

    settings = read_settings(flags)
    if settings.scheduler:
        yield Diagnosis(area="speed", found="not measured: the workers of --scheduler compute")
        return
    speeds = list(measure_speeds(settings, load_host(without=settings.blocked)))
    if not speeds:
        yield Diagnosis(area="speed", found="not measured: --without leaves out its backbones")
        return
    times = [f"{one.backbone} about {duration(one.seconds(IMAGES))}" for one in speeds]
    workers = f"{speeds[0].workers} {'GPU' if speeds[0].on_gpu else 'worker'}{'s' * (speeds[0].workers > 1)}"
    yield Diagnosis(area="speed", found=f"features of {IMAGES:,} images with {workers}: {', '.join(times)}")
