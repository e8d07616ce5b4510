"""A plugin whose callbacks store their arguments."""

from cxrbench import hookimpl

RECEIVED = []


@hookimpl
def on_entry(entry):
    RECEIVED.append(("entry", entry))


@hookimpl
def on_trial_end(trial):
    RECEIVED.append(("trial", trial))


@hookimpl
def on_run_end():
    RECEIVED.append(("run", None))
