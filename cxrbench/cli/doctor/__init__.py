"""`cxrbench doctor` and `cxrbench clean`: check the machine, and find stale files."""
