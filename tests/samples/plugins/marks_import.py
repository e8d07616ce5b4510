"""Creates a file when it is imported."""

import os
from pathlib import Path

Path(os.environ["MARK"]).touch()
