"""Cores, memory, disks and limits of this machine, as far as this process may use them."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.cli.doctor.finding import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.config.settings import Settings

GIGABYTE = 10**9
WORKER = 1.0
"""GB that a worker needs: half of it TensorFlow, the rest a large backbone and a batch of images."""
LEAST_OUT, LEAST_TEMPORARY = 1.0, 0.5
FEW_FILES = 1024
CONTROL_GROUP = Path("/sys/fs/cgroup")


def cores(settings: Settings) -> Iterator[Diagnosis]:
    """Say how many cores may be used, and how many workers there would be."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _core_quota()
    found = f"{allowed} of {os.cpu_count()} usable" + (f", limited to {quota:g} by a control group" if quota else "")
    found += f"; {settings.workers} workers"
    usable = min(allowed, quota or allowed)
    if settings.workers > max(1, usable):
        remedy = f"run with --workers {max(1, int(usable))}: more would wait for each other"
        yield Diagnosis(area="cores", found=found, verdict="warn", remedy=remedy)
    else:
        yield Diagnosis(area="cores", found=found)


def memory(settings: Settings) -> Iterator[Diagnosis]:
    """Say how much memory there is for the workers."""
    total, available = _memory()
    if total is None:
        yield Diagnosis(area="memory", found="this system does not tell")
        return
    free = total if available is None else available
    needed = max(1, settings.workers) * WORKER
    found = f"{total:.1f} GB" + (f", {available:.1f} GB available" if available is not None else "")
    if free < WORKER:
        remedy = f"close other programs: one worker needs about {WORKER:g} GB"
        yield Diagnosis(area="memory", found=found, verdict="problem", remedy=remedy)
    elif free < needed:
        remedy = f"run with --workers {int(free / WORKER)}: each needs about {WORKER:g} GB"
        yield Diagnosis(area="memory", found=found, verdict="warn", remedy=remedy)
    else:
        yield Diagnosis(area="memory", found=found)


def disks(settings: Settings, home: Path, cached: float) -> Iterator[Diagnosis]:
    """Say whether there is room for results, for the cache (of which `cached` GB are there), and for temporary files."""
    free = _free(settings.out)
    verdict = "problem" if free < LEAST_OUT / 10 else "warn" if free < LEAST_OUT else "ok"
    yield _disk("disk of --out", free, verdict, "make room, or name another folder with --out")
    free = _free(home)
    verdict = "problem" if free + cached < LEAST_OUT else "warn" if free + cached < settings.cache_gb else "ok"
    most = max(1, int((free + cached) * 0.9))
    remedy = f"run with --cache-gb {most} (now {settings.cache_gb:g}), or set CXRBENCH_HOME to a larger disk"
    yield _disk("disk of CXRBENCH_HOME", free, verdict, remedy)
    free = _free(Path(tempfile.gettempdir()))
    yield _disk("temporary files", free, "warn" if free < LEAST_TEMPORARY else "ok", "set TMPDIR to a larger disk")


def limits() -> Iterator[Diagnosis]:
    """Say how many files may be open at once."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < FEW_FILES
    yield Diagnosis(
        area="open files",
        found="no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} at most",
        verdict="warn" if few else "ok",
        remedy="ulimit -n 4096, before the run" if few else "",
    )


def existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    folder = folder.expanduser().absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _disk(area: str, free: float, verdict: str, remedy: str) -> Diagnosis:
    found = f"{free:,.1f} GB free"
    if verdict == "ok":
        return Diagnosis(area=area, found=found)
    return Diagnosis(area=area, found=found, verdict="warn" if verdict == "warn" else "problem", remedy=remedy)


def _free(folder: Path) -> float:
    return shutil.disk_usage(existing(folder)).free / GIGABYTE


def _core_quota() -> float | None:
    """Return how many cores a control group allows, of either version; None without a limit."""
    with suppress(OSError, ValueError):
        quota, period = (CONTROL_GROUP / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        most, each = (_number(CONTROL_GROUP / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        return None if most <= 0 else most / each
    return None


def _memory() -> tuple[float | None, float | None]:
    """Return GB in all and GB available, the smaller of what machine and control group have; None for what nobody tells."""
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
        with suppress(OSError, ValueError):  # "max" is no number
            return _number(CONTROL_GROUP / limit) / GIGABYTE, _number(CONTROL_GROUP / used) / GIGABYTE
    return None, None


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
