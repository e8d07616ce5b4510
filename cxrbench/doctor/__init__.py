"""What is well and what is not on this machine, and what to do: looked at without changing or computing anything."""

from cxrbench.doctor.examination import examine
from cxrbench.doctor.finding import Finding

__all__ = ["Finding", "examine"]
