"""``mmc plan``: show the stages and jobs of a study."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.cli.command import EXIT_WRONG, Command, add_file
from mmc.errors import MissingExtraError, MmcError, StepError, UsageError

if TYPE_CHECKING:
    from mmc.compiler.plan.model import Plan
    from mmc.compiler.plan.views import BasisView
    from mmc.compiler.settings.configure import Morphing

_MOST_WEIGHTS_TRIED = 500_000
"""``mmc plan`` finds a morphing basis that takes MadMiner no more trials times points: 10 s with 15 elements."""


def _add_arguments(parser: ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "mermaid", "svg", "png"),
        default="text",
        help="svg and png are drawn by graphviz (default: text)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there instead of to standard output")


def _plan(arguments: Namespace) -> int:
    from mmc.cli.plans import read_plan
    from mmc.compiler.plan import views

    read = read_plan(arguments.file)
    if read is None:
        return EXIT_WRONG
    _, plan = read
    if arguments.format in ("svg", "png"):
        picture = _draw(views.to_dot(plan), arguments.format)
    elif arguments.format == "mermaid":
        picture = views.to_mermaid(plan).encode()
    else:
        view = {"text": views.to_text, "json": views.to_json}
        picture = view[arguments.format](plan, _morphing_basis(plan)).encode()
    if arguments.output is not None:
        Path(arguments.output).write_bytes(picture)
    elif arguments.format == "png" and sys.stdout.isatty():
        raise UsageError("a png is no text for a terminal: give --output FILE")
    else:
        sys.stdout.buffer.write(picture)
    return 0


def _morphing_basis(plan: "Plan") -> "BasisView":
    """The morphing basis that the plan's job will find, which takes MadMiner; or why it is not known."""
    from mmc.compiler.catalogue.stages import CONFIGURE

    if not any(stage.name == CONFIGURE.name for stage in plan.stages):
        return None
    from mmc.compiler.settings.configure import ConfigureSettings

    stage = plan.stage(CONFIGURE.name)
    (job,) = stage.jobs
    settings = stage.read(job, ConfigureSettings)
    if _weights_tried(settings.morphing) > _MOST_WEIGHTS_TRIED:
        return (
            "finding it takes long with so many trials and points; setup.json, which the job configure writes, has it"
        )
    try:
        from mmc.jobs.madminer.morphing_basis import find_basis

        basis = find_basis(settings, job.seed)
    except (ImportError, MissingExtraError):
        return "showing it takes MadMiner: pip install 'mmc[steps]'"
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
            "graphviz, conda install graphviz), or take --format mermaid"
        ) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()
        raise MmcError(f"graphviz's `dot` failed: {reason}") from error
    return done.stdout


PLAN = Command(
    "plan", "show what a study would run", "Stages, jobs, events and what depends on what.", _add_arguments, _plan
)
