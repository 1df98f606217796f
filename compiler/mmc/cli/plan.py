"""``mmc plan``: show the stages and jobs of a study."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.cli.command import EXIT_WRONG, Command, add_changes, add_file, path
from mmc.errors import MissingExtraError, MmcError, StepError, UsageError
from mmc.files import write_named
from mmc.printing import plain

if TYPE_CHECKING:
    from mmc.compiler.plan.model import Plan
    from mmc.compiler.plan.views import BasisView
    from mmc.compiler.settings.configure import Morphing

_MOST_WEIGHTS_TRIED = 500_000
"""``mmc plan`` optimises a morphing basis with at most this many trials times points: 10 s for 15 elements."""


def _add_arguments(parser: ArgumentParser) -> None:
    add_file(parser)
    add_changes(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "mermaid", "svg", "png"),
        default="text",
        help="svg and png are drawn by graphviz (default: text)",
    )
    parser.add_argument(
        "--since",
        metavar="RUN",
        type=path,
        help="the folder of an earlier run: show which jobs are finished there, which would run, and why",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=path, help="write it there instead of to standard output"
    )


def _plan(arguments: Namespace) -> int:
    from mmc.cli.plans import read_plan
    from mmc.compiler.plan import views

    read = read_plan(arguments.file, arguments.changes)
    if read is None:
        return EXIT_WRONG
    study, plan = read
    if arguments.since is not None:
        picture = _since(plan, Path(arguments.since), arguments.format)
    elif arguments.format in ("svg", "png"):
        picture = _draw(views.to_dot(plan), arguments.format)
    elif arguments.format == "mermaid":
        picture = views.to_mermaid(plan).encode()
    else:
        view = {"text": views.to_text, "json": views.to_json}
        text = view[arguments.format](plan, _morphing_basis(plan))
        picture = _for_terminal(text, arguments.format)
    if arguments.output is not None:
        file, source = Path(arguments.output), Path(study.name)
        if file.exists() and source.exists() and file.samefile(source):
            raise UsageError(f"{file} is the study: name another file with --output")
        write_named(file, picture)
    elif arguments.format == "png" and sys.stdout.isatty():
        raise UsageError("a terminal cannot show a png: give --output FILE")
    else:
        sys.stdout.buffer.write(picture)
    return 0


def _since(plan: "Plan", run: Path, form: str) -> bytes:
    """What would run in the folder of a run.

    :raises UsageError: when there is no such view, or the folder is not that of a run
    """
    from mmc.cli import since

    view = {"text": since.to_text, "json": since.to_json}
    if form not in view:
        raise UsageError(f"--since has no {form}: choose --format text or json")
    return _for_terminal(view[form](plan, run, since.since(plan, run)), form)


def _for_terminal(text: str, form: str) -> bytes:
    return ("".join(f"{plain(line)}\n" for line in text.splitlines()) if form == "text" else text).encode()


def _morphing_basis(plan: "Plan") -> "BasisView":
    """The morphing basis that the job ``configure`` will find with MadMiner; or the reason why it is not known."""
    from mmc.compiler.catalogue.stages import CONFIGURE

    if not any(stage.name == CONFIGURE.name for stage in plan.stages):
        return None
    from mmc.compiler.settings.configure import ConfigureSettings

    stage = plan.stage(CONFIGURE.name)
    if len(stage.jobs) > 1:
        return f"one for each of {len(stage.jobs):,} set-ups; the jobs configure write them to setup.json"
    job = stage.jobs[0]
    settings = stage.read(job, ConfigureSettings)
    if _weights_tried(settings.morphing) > _MOST_WEIGHTS_TRIED:
        return "optimising it with so many trials and points takes long; the job configure writes it to setup.json"
    try:
        from mmc.jobs.madminer.morphing_basis import find_basis

        basis = find_basis(settings, job.seed)
    except (ImportError, MissingExtraError):
        return "showing it needs MadMiner: pip install 'mmc[steps]'"
    except StepError as error:
        return str(error)
    return None if basis is None else basis.summary()


def _weights_tried(morphing: "Morphing | None") -> int:
    return morphing.n_trials * morphing.n_test_thetas if morphing is not None and morphing.complete else 0


def _draw(dot: str, image_format: str) -> bytes:
    import subprocess

    try:
        done = subprocess.run(["dot", f"-T{image_format}"], input=dot.encode(), capture_output=True, check=True)
    except FileNotFoundError:
        raise MmcError(
            f"drawing {image_format} needs graphviz's `dot`: install graphviz (apt install graphviz, brew install "
            "graphviz, conda install graphviz), or use --format mermaid"
        ) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()
        raise MmcError(f"graphviz's `dot` failed: {reason}") from error
    return done.stdout


PLAN = Command(
    "plan",
    "show what a study would run",
    "Lists stages, jobs, events and dependencies; with --since, what would run in the folder of an earlier run.",
    _add_arguments,
    _plan,
)
