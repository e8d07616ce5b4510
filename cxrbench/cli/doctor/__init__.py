"""`cxrbench doctor` and `cxrbench clean`: what is missing on a machine, and what can be removed."""
