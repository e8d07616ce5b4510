"""Calls on the workers of a Dask scheduler: what machines must have in common, how calls travel, where they are computed."""
