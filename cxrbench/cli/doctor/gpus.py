"""Say which GPUs a run would use with each ``--device``, or why it would use none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.execution.devices import VARIABLES, device_files, find_gpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.execution.devices import Device

AREA = "gpu"
INSTALL = "pip install 'cxrbench[gpu]', and check the driver with nvidia-smi"
NAME_THEM = f"if they can compute, name them: {VARIABLES[0]}=0,1, or {VARIABLES[1]}=0,1 for those of AMD"


def gpus(device: Device, seen: Sequence[str], without: str = "") -> Diagnosis:
    """Return what a run with this ``--device`` finds.

    Args:
        device: the setting.
        seen: the GPUs that Keras sees in a process from which none is hidden.
        without: why it sees none, as far as it is known.
    """
    found = find_gpus()
    names = ", ".join(found.ids)
    if found.ids and device == "cpu":
        return Diagnosis(area=AREA, found=f"{names} ({found.asked}): hidden from all processes by --device cpu")
    if found.ids and seen:
        use = "one worker each for networks, also with --device gpu; --device cpu hides them"
        return Diagnosis(area=AREA, found=f"{names} ({found.asked}); Keras sees {', '.join(seen)}: {use}")
    if found.ids:
        why = f": {without}" if without else ""
        text = f"{names} ({found.asked}), but Keras sees none{why}. Networks are computed on the CPU"
        return Diagnosis(area=AREA, found=text, verdict="problem" if device == "gpu" else "warn", remedy=INSTALL)
    present = seen or device_files()
    if present and not any(name in found.asked for name in VARIABLES):
        text = f"{', '.join(present)} is not used: {found.asked}"
        return Diagnosis(area=AREA, found=text, verdict="problem" if device == "gpu" else "warn", remedy=NAME_THEM)
    text = f"none ({found.asked}): everything is computed on the CPU"
    if device == "gpu":
        return Diagnosis(area=AREA, found=text, verdict="problem", remedy=f"{INSTALL}, or use --device auto")
    return Diagnosis(area=AREA, found=text)
