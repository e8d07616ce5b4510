"""Records the entries and trials that it is notified of."""

from cxrbench import hookimpl

HEARD = []


@hookimpl
def on_entry(entry):
    HEARD.append(("entry", entry))


@hookimpl
def on_trial_end(trial):
    HEARD.append(("trial", trial))


@hookimpl
def on_run_end():
    HEARD.append(("run", None))
