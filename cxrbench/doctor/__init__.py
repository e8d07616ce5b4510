"""What is well and what is not on this machine, and what to do: nothing is computed, and no result is touched."""

from cxrbench.doctor.examination import examine
from cxrbench.doctor.finding import Finding

__all__ = ["Finding", "examine"]
