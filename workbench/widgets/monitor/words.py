"""Texts of the monitor: status, facts, answers to commands."""

from workbench.evaluation.rendering import duration
from workbench.runs import Event, Status
from workbench.runs.control import GEOMETRY, PAUSE, RATE, RESUME, SAVE, STOP
from workbench.runs.progress import Progress

_ANSWERS = {
    PAUSE: "Paused after step {step}.",
    RESUME: "Resumed after step {step}.",
    STOP: "Stopped after step {step}, with a checkpoint.",
    SAVE: "A checkpoint of step {step} is written.",
    GEOMETRY: "From step {step} on the geometry of {layers} is measured.",
    RATE: "From step {step} on the learning rate is {value:g} times the schedule's.",
}


def status_of(progress: Progress) -> str:
    """Status as one word."""
    return "paused" if progress.paused else str(progress.status)


def facts_of(progress: Progress) -> list[list[str]]:
    """Labels and values of all known figures."""
    facts = [["step", _of(f"{progress.step:,}", progress.steps)]]
    if progress.passed is not None and progress.passes is not None:
        facts.append(["pass", f"{progress.passed:.1f} of {progress.passes}"])
    if progress.samples_per_second is not None:
        facts.append(["samples/s", f"{progress.samples_per_second:.3g}"])
    if progress.learning_rate is not None:
        changed = "" if progress.factor == 1 else f" (×{progress.factor:g})"
        facts.append(["learning rate", f"{progress.learning_rate:.2e}{changed}"])
    if progress.memory is not None:
        facts.append([f"memory, {progress.memory_of}", f"{progress.memory / 1e9:.2f} GB"])
    if progress.left is not None and not progress.paused:
        facts.append(["left", duration(progress.left)])
    return facts


def _of(done: str, planned: int | None) -> str:
    return done if planned is None else f"{done} of {planned:,}"


def fraction_of(progress: Progress) -> float:
    """Fraction of the steps that is done; 0 where their number is not known."""
    return progress.step / progress.steps if progress.steps else 0.0


def answer_text(event: Event) -> str:
    """Result of a command as a sentence, from its "control" event."""
    fields = event.fields
    if fields.get("error"):
        return f"The geometry is measured as before: {fields['error']}"
    return _ANSWERS[fields["command"]].format(
        step=event.step,
        value=fields.get("value", 1.0),
        layers=", ".join(fields.get("layers", ())) or "no layer",
    )


def ending_text(progress: Progress) -> str:
    """Reason why a run has stopped early; empty where it is running or has finished."""
    if progress.status is Status.FAILED:
        return progress.error
    if progress.status is Status.INTERRUPTED:
        return "Resume it from its last checkpoint: workbench.train(…, resume=True)."
    return ""
