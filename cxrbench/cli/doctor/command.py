"""`cxrbench doctor`: check whether runs will work on this machine."""

from __future__ import annotations

import typer

from cxrbench.cli.options import AsJson

EXIT_PROBLEMS = 1
DIAGNOSIS_HEADINGS = ("verdict", "area", "found", "what to do")


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check whether runs will work on this machine.

    Checks versions, cores, memory, disks, folders, plugins, weights and GPUs, and says how to fix problems.
    The last line says how long the features of a usual dataset take, which is measured with two networks.
    Exit code 1: at least one problem will make runs fail.
    """
    from dataclasses import asdict

    from cxrbench.cli import console
    from cxrbench.cli.doctor.diagnosis import guarded
    from cxrbench.cli.doctor.examination import diagnose
    from cxrbench.cli.doctor.speed import speed

    checks = list(diagnose(context.obj))
    speeds = list(guarded("speed", lambda: speed(context.obj, checks)))
    diagnoses = [*checks, *speeds]
    if as_json:
        console.print_json([asdict(diagnosis) for diagnosis in diagnoses])
    else:
        rows = [(diagnosis.verdict, diagnosis.area, diagnosis.found, diagnosis.remedy) for diagnosis in checks]
        console.print_table(DIAGNOSIS_HEADINGS, rows)
    verdicts = [diagnosis.verdict for diagnosis in diagnoses]
    problems, warnings = verdicts.count("problem"), verdicts.count("warn")
    console.print_message(f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    if not as_json:
        console.print_text("".join(f"{diagnosis.area}: {diagnosis.found}\n" for diagnosis in speeds))
    if problems:
        raise typer.Exit(EXIT_PROBLEMS)
