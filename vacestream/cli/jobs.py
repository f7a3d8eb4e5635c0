"""The jobs of one `vacestream render`: what each goes on from, and each in turn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from vacestream.cli.interrupt import Stop, stopping
from vacestream.cli.options import made_by, say, summary
from vacestream.errors import EnoughError, RecipeError, StoppedError, TerminatedError, VacestreamError

if TYPE_CHECKING:
    from vacestream.plan import Plan
    from vacestream.redo import Redo
    from vacestream.unfinished import Unfinished


@dataclass(frozen=True)
class Job:
    """One video to make."""

    plan: "Plan"
    unfinished: "Unfinished | None" = None
    """What it goes on from."""
    until: int | None = None
    """The frame that is enough for now."""
    redo: "Redo | None" = None
    """The part that is made anew."""
    finished: bool = False
    """Nothing is left to do."""

    @property
    def is_kept(self) -> bool:
        """Whether --resume goes on with it where it stops."""
        from vacestream.unfinished import folder_of

        return self.redo is None and folder_of(self.plan.outputs) is not None

    @property
    def files(self) -> list[str]:
        return [file for target in self.plan.outputs for file in target.files]


def make_jobs(
    plans: "list[Plan]", *, yes: bool, resume: bool, stop_after: str | None, redo: str | None
) -> list[Job]:
    """A job a plan; refuses, before the first starts, what would write over something."""
    from vacestream.targets import refuse_absent_folders, refuse_existing
    from vacestream.unfinished import refuse_unfinished

    if redo is not None:
        jobs = [_redone(plan, redo, yes=yes) for plan in plans]
    elif resume:
        jobs = [_resumed(plan) for plan in plans]
    else:
        jobs = [Job(plan) for plan in plans]
    jobs = [
        Job(job.plan, job.unfinished, _frame(job.plan, stop_after), job.redo, job.finished) for job in jobs
    ]
    for job in jobs:
        refuse_absent_folders(job.plan.outputs)
        if not (yes or resume or redo):
            refuse_unfinished(job.plan.outputs)
        if not (yes or job.unfinished or job.finished):
            refuse_existing(job.plan.outputs)
    return jobs


def run_jobs(jobs: list[Job], stream: TextIO | None, *, quiet: bool, verbose: bool) -> None:
    """Each job in turn; one that fails does not stop the others, and weights are loaded once."""
    from vacestream.loading import Weights

    ends: list[dict[str, Any]] = []
    errors: list[VacestreamError] = []
    stop, weights = Stop(), Weights()
    for job in jobs:
        stop.until, stop.keeps = job.until, job.is_kept
        try:
            with stopping(stop):
                _run(job, weights, stream, stop, quiet=quiet, verbose=verbose)
        except EnoughError as enough:
            ends.append({"recipe": job.plan.recipe.name, "ok": True, "outputs": [], "message": str(enough)})
            if stream is None and not quiet:
                say(f"{job.plan.recipe.name}: {enough}")
        except (StoppedError, TerminatedError) as error:
            write_envelope(stream, [*ends, failed(job.plan.recipe.name, error)])
            raise
        except VacestreamError as error:
            errors.append(error)
            ends.append({**failed(job.plan.recipe.name, error), "output": job.plan.outputs[0].path})
            if len(jobs) > 1:
                from vacestream.cli import show_error

                show_error(error)
        else:
            ends.append({"recipe": job.plan.recipe.name, "ok": True, "outputs": job.files})
    write_envelope(stream, ends)
    if errors:
        if len(jobs) == 1:
            raise errors[0]
        raise VacestreamError(f"{len(errors)} of {len(jobs)} jobs failed; see above")


def failed(name: str, error: VacestreamError) -> dict[str, Any]:
    """How a job ended that failed."""
    return {"recipe": name, "ok": False, "error": {"code": error.code, "message": str(error)}}


def write_envelope(stream: TextIO | None, ends: list[dict[str, Any]], command: str = "render") -> None:
    """The last line of --json: how every job ended."""
    if stream is None:
        return
    from vacestream.cli import version
    from vacestream.cli.progress import write_json

    done = {"ok": all(end["ok"] for end in ends), "command": command, "version": version(), "jobs": ends}
    write_json(stream, "vacestream.envelope/1", done)


def _run(job: Job, weights: Any, stream: TextIO | None, stop: Stop, *, quiet: bool, verbose: bool) -> None:
    from vacestream.cli.progress import reporting

    plan, speaks = job.plan, not quiet and stream is None
    if job.finished:
        if speaks:
            say(f"{plan.recipe.name}: {', '.join(job.files)} is finished already")
    else:
        if speaks:
            say(summary(plan))
            for line in _begins(job):
                say(line)
        with reporting(plan.recipe.name, json=stream, quiet=quiet, verbose=verbose) as report:
            _line(job, weights)(stop.watch(report))
        if speaks:
            say("".join(f"wrote {path}\n" for path in job.files).rstrip())
    if quiet and stream is None:
        print("\n".join(job.files))


def _line(job: Job, weights: Any) -> "Callable[[Callable[[Any], None]], None]":
    """What makes the video, given where to report."""
    if job.redo is not None:
        from vacestream.redo import render_redo

        redo = job.redo
        return lambda report: render_redo(redo, report=report, weights=weights)
    from vacestream.run import render

    return lambda report: render(job.plan, report=report, weights=weights, unfinished=job.unfinished)


def _begins(job: Job) -> list[str]:
    """Where the job begins, if not at the start."""
    if job.unfinished is not None:
        return [f"going on after {job.unfinished.frame} frames"]
    return [job.redo.words] if job.redo is not None else []


def _resumed(plan: "Plan") -> Job:
    """The job of what is left; refuses what was begun otherwise."""
    from vacestream.unfinished import find, is_finished, refuse_changed

    unfinished = find(plan.outputs)
    if unfinished is None:
        return Job(plan, finished=is_finished(plan))
    from vacestream.resume import made_of

    refuse_changed(unfinished, made_of(plan), plan.outputs[0].path)
    return Job(plan, unfinished)


def _redone(plan: "Plan", span: str, *, yes: bool) -> Job:
    """The job of a part of a video, whose recipe is the one that it carries."""
    from vacestream.plan import make_plan
    from vacestream.recipe import load_recipe
    from vacestream.redo import make_redo
    from vacestream.settings import machine_settings
    from vacestream.targets import is_there

    first = plan.outputs[0]
    if not is_there(first.path):
        raise RecipeError(f"{first.path}: --redo is of a finished video, and there is none; render it first")
    carriers = [file for file in (first.sidecar, first.path) if file is not None and Path(file).is_file()]
    carrier, told = next(((file, told) for file in carriers if (told := made_by(file))), (first.path, None))
    if told is None:
        raise RecipeError(f"{first.path}: carries no recipe, so no part of it can be made again")
    before = tuple(told.pop("redone", ()))
    old = make_plan(load_recipe(told, name=carrier, machine=machine_settings()))
    redo = make_redo(old, plan, span, in_place=yes, before=before)
    return Job(redo.written, redo=redo)


def _frame(plan: "Plan", stop_after: str | None) -> int | None:
    """The frame at which a job has made enough."""
    from vacestream.moments import frame_at
    from vacestream.recipe.values import parse_time

    if stop_after is None:
        return None
    try:
        frame = frame_at(parse_time(stop_after), plan.spec, plan.fps)
    except ValueError as error:
        raise RecipeError(f"--stop-after: {error}") from error
    if not frame:
        raise RecipeError(f"--stop-after: {stop_after} is no length; write at least 1f")
    return frame
