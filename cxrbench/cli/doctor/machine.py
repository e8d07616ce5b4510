"""Check the cores, memory, disks and open files that this process may use."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.config.settings import usable_cores
from cxrbench.storage.cache import GIGABYTE
from cxrbench.storage.files import nearest_existing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.cli.doctor.diagnosis import Health
    from cxrbench.config.settings import Settings

WORKER_GIGABYTES = 1.0
"""Memory that a worker needs: half of it TensorFlow, the rest a large backbone and a batch of images."""
MINIMUM_OUT_GIGABYTES, MINIMUM_TEMPORARY_GIGABYTES = 1.0, 0.5
MINIMUM_OPEN_FILES = 1024
CONTROL_GROUP = Path("/sys/fs/cgroup")


def cores(settings: Settings) -> Iterator[Diagnosis]:
    """Check that there is a core for every worker."""
    allowed = usable_cores()
    quota = _core_quota()
    found = f"{allowed} of {os.cpu_count()} usable" + (f", limited to {quota:g} by a control group" if quota else "")
    found += f"; {settings.workers} workers"
    usable = min(allowed, quota or allowed)
    if settings.workers > max(1, usable):
        remedy = f"run with --workers {max(1, int(usable))}: more would wait for a core"
        yield Diagnosis(area="cores", found=found, verdict="warn", remedy=remedy)
    else:
        yield Diagnosis(area="cores", found=found)


def memory(settings: Settings) -> Iterator[Diagnosis]:
    """Check that there is enough memory for the workers."""
    total, available = _total_and_available_memory()
    if total is None:
        yield Diagnosis(area="memory", found="unknown: this system does not report it")
        return
    free = total if available is None else available
    needed = max(1, settings.workers) * WORKER_GIGABYTES
    found = f"{total:.1f} GB" + (f", {available:.1f} GB available" if available is not None else "")
    if free < WORKER_GIGABYTES:
        remedy = f"close other programs: one worker needs about {WORKER_GIGABYTES:g} GB"
        yield Diagnosis(area="memory", found=found, verdict="problem", remedy=remedy)
    elif free < needed:
        remedy = f"run with --workers {int(free / WORKER_GIGABYTES)}: each needs about {WORKER_GIGABYTES:g} GB"
        yield Diagnosis(area="memory", found=found, verdict="warn", remedy=remedy)
    else:
        yield Diagnosis(area="memory", found=found)


def disks(settings: Settings, home: Path, cached: float) -> Iterator[Diagnosis]:
    """Check for room for results, for the cache (which holds `cached` GB now), and for temporary files."""
    free = _free_gigabytes(settings.out)
    verdict: Health = "problem" if free < MINIMUM_OUT_GIGABYTES / 10 else "warn" if free < MINIMUM_OUT_GIGABYTES else "ok"
    yield _disk_diagnosis("disk of --out", free, verdict, "free some space, or choose another folder with --out")
    free = _free_gigabytes(home)
    verdict = "problem" if free + cached < MINIMUM_OUT_GIGABYTES else "warn" if free + cached < settings.cache_gb else "ok"
    limit = max(1, int((free + cached) * 0.9))
    remedy = f"run with --cache-gb {limit} (now {settings.cache_gb:g}), or set CXRBENCH_HOME to a larger disk"
    yield _disk_diagnosis("disk of CXRBENCH_HOME", free, verdict, remedy)
    free = _free_gigabytes(Path(tempfile.gettempdir()))
    yield _disk_diagnosis(
        "temporary files", free, "warn" if free < MINIMUM_TEMPORARY_GIGABYTES else "ok", "set TMPDIR to a larger disk"
    )


def open_file_limit() -> Iterator[Diagnosis]:
    """Check that enough files may be open at once."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < MINIMUM_OPEN_FILES
    yield Diagnosis(
        area="open files",
        found="no limit" if soft == resource.RLIM_INFINITY else f"at most {soft:,}",
        verdict="warn" if few else "ok",
        remedy="before the run: ulimit -n 4096" if few else "",
    )


def _disk_diagnosis(area: str, free: float, verdict: Health, remedy: str) -> Diagnosis:
    return Diagnosis(area=area, found=f"{free:,.1f} GB free", verdict=verdict, remedy="" if verdict == "ok" else remedy)


def _free_gigabytes(folder: Path) -> float:
    return shutil.disk_usage(nearest_existing(folder)).free / GIGABYTE


def _core_quota() -> float | None:
    """Return how many cores a control group (version 1 or 2) allows; None without a limit."""
    with suppress(OSError, ValueError):
        quota, period = (CONTROL_GROUP / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota_us, period_us = (_read_integer(CONTROL_GROUP / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        return None if quota_us <= 0 else quota_us / period_us
    return None


def _total_and_available_memory() -> tuple[float | None, float | None]:
    """Return total and available GB, the smaller of machine and control group; None for an unknown value."""
    total = available = None
    with suppress(OSError, ValueError):
        facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        total, available = (int(facts[name].split()[0]) * 1024 / GIGABYTE for name in ("MemTotal", "MemAvailable"))
    if total is None:
        with suppress(OSError, ValueError, AttributeError):
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE
    limit, used = _memory_limit()
    if limit is not None and (total is None or limit < total):
        left = limit - (used or 0.0)
        return limit, left if available is None else min(available, left)
    return total, available


def _memory_limit() -> tuple[float | None, float | None]:
    names = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
    for limit, used in names:
        with suppress(OSError, ValueError):  # "max" is not a number
            return _read_integer(CONTROL_GROUP / limit) / GIGABYTE, _read_integer(CONTROL_GROUP / used) / GIGABYTE
    return None, None


def _read_integer(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
