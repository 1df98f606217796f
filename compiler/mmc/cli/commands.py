"""What each command does once the command line is understood. Each function returns the exit code."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mmc.cli.study_file import StudyFile, content, read
from mmc.errors import MissingExtraError, MmcError, StepError, UsageError

if TYPE_CHECKING:
    from mmc.compiler.plan.model import Plan
    from mmc.compiler.plan.views import BasisView
    from mmc.compiler.settings.configure import Morphing

EXIT_WRONG = 1
_MOST_WEIGHTS_TRIED = 500_000
"""``mmc plan`` finds a morphing basis that takes MadMiner no more trials times points: 10 s with 15 elements."""


def validate(arguments: Namespace) -> int:
    """``mmc validate``: show what is wrong with studies."""
    studies = [read(name) for name in _distinct(arguments.files)]
    _show(studies, sys.stdout, arguments.format)
    if any(study.is_wrong for study in studies):
        return EXIT_WRONG
    if arguments.format == "text":
        sys.stdout.write("".join(f"{study.document.path}: fine\n" for study in studies if not study.diagnostics))
    return 0


def compile_studies(arguments: Namespace) -> int:
    """``mmc compile``: write the bundle of each study, or compare it with the disk."""
    from mmc.compiler.targets import TARGETS
    from mmc.compiler.targets.bundle import differences, write
    from mmc.compiler.targets.options import Options

    plans = _plans(_distinct(arguments.files))
    if plans is None:
        return EXIT_WRONG
    if arguments.engine is not None and arguments.target != "reana":
        raise UsageError(f"--engine is for the target reana, and {arguments.target} has but one engine")
    emit, options = TARGETS[arguments.target], Options(local=arguments.local, engine=arguments.engine)
    up_to_date = True
    for study, plan, folder in _destinations(plans, arguments):
        bundle = emit(plan, options)
        if not arguments.check:
            write(bundle, folder, study.sources(plan))
            sys.stdout.write(f"{folder}\n")
            continue
        for difference in differences(bundle, folder):
            up_to_date = False
            sys.stdout.write(f"{folder}: {difference}\n")
    return 0 if up_to_date else EXIT_WRONG


def plan(arguments: Namespace) -> int:
    """``mmc plan``: show the stages and jobs of a study."""
    from mmc.compiler.plan import views

    plans = _plans([arguments.file])
    if plans is None:
        return EXIT_WRONG
    ((_, made),) = plans
    if arguments.format in ("svg", "png"):
        picture = _draw(views.to_dot(made), arguments.format)
    elif arguments.format == "mermaid":
        picture = views.to_mermaid(made).encode()
    else:
        view = {"text": views.to_text, "json": views.to_json}
        picture = view[arguments.format](made, _morphing_basis(made)).encode()
    if arguments.output is not None:
        Path(arguments.output).write_bytes(picture)
    elif arguments.format == "png" and sys.stdout.isatty():
        raise UsageError("a png is no text for a terminal: give --output FILE")
    else:
        sys.stdout.buffer.write(picture)
    return 0


def _morphing_basis(made: "Plan") -> "BasisView":
    """The morphing basis that the plan's job will find, which takes MadMiner; or why it is not known."""
    if not any(stage.name == "configure" for stage in made.stages):
        return None
    from mmc.compiler.settings.configure import ConfigureSettings

    stage = made.stage("configure")
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


def run(arguments: Namespace) -> int:
    """``mmc run``: compile a study for this machine and run it."""
    from mmc.cli.run import run_study

    plans = _plans([arguments.file])
    if plans is None:
        return EXIT_WRONG
    ((study, made),) = plans
    folder = study.folder / "runs" / _folder_name(made) if arguments.out is None else Path(arguments.out)
    return run_study(study, made, folder, arguments.jobs)


def report(arguments: Namespace) -> int:
    """``mmc report``: write the page of a run, or of two beside each other."""
    try:
        from mmc.jobs.report.run_report import compare_runs, report_run
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "steps") from error
    out = None if arguments.out is None else Path(arguments.out)
    if arguments.other is None:
        return report_run(Path(arguments.run), out)
    return compare_runs(Path(arguments.run), Path(arguments.other), out)


def submit(arguments: Namespace) -> int:
    """``mmc submit``: send a bundle to REANA and start it."""
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import open_bundle, submit
    from mmc.compiler.targets.bundle import write
    from mmc.compiler.targets.options import Options
    from mmc.compiler.targets.reana import emit

    folder = Path(arguments.place)
    if folder.is_dir():
        if arguments.engine is not None:
            raise UsageError(f"{folder} is compiled already: --engine is for studies")
    else:
        plans = _plans([arguments.place])
        if plans is None:
            return EXIT_WRONG
        ((study, made),) = plans
        folder = _bundle_folder(study, made, "reana")
        write(emit(made, Options(engine=arguments.engine)), folder, study.sources(made))
    return submit(open_bundle(folder), find_client(), again=arguments.again)


def status(arguments: Namespace) -> int:
    """``mmc status``: tell how far a submitted study is."""
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import open_bundle, status

    folder = _compiled(arguments.place)
    return EXIT_WRONG if folder is None else status(open_bundle(folder), find_client())


def fetch(arguments: Namespace) -> int:
    """``mmc fetch``: get the results of a submitted study."""
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import fetch, open_bundle

    folder = _compiled(arguments.place)
    out = None if arguments.out is None else Path(arguments.out)
    return EXIT_WRONG if folder is None else fetch(open_bundle(folder), find_client(), out)


def doctor(arguments: Namespace) -> int:
    """``mmc doctor``: show what mmc can use here, and whether a study has all that it needs."""
    from mmc.cli import doctor as examination

    installations, made = {}, None
    if arguments.file is not None:
        plans = _plans([arguments.file])
        if plans is None:
            return EXIT_WRONG
        ((_, made),) = plans
        installations = made.resolved_study["execution"]["installations"]
    findings = examination.examine(installations)
    wanted = [] if made is None else examination.needs(made, findings)
    show = examination.to_json if arguments.json else examination.to_text
    sys.stdout.write(show(findings, arguments.file, wanted))
    return EXIT_WRONG if examination.unmet(wanted, findings) else 0


def init(arguments: Namespace) -> int:
    """``mmc init``: write a study to start from."""
    from mmc.cli.new_study import STUDY, new_study, write_new

    folder = Path(arguments.folder)
    write_new(folder, new_study(folder.resolve().name))
    file = folder / STUDY
    sys.stdout.write(f"{file} is yours to change. Next: mmc validate {file}, mmc plan {file}, mmc run {file}\n")
    return 0


def import_workflow(arguments: Namespace) -> int:
    """``mmc import``: write a study from the inputs of the hand-written workflow, and check it."""
    from mmc.cli.new_study import study_name, write_new
    from mmc.compiler.importers.madminer_workflow import import_study
    from mmc.compiler.importers.source import Source
    from mmc.compiler.importers.workflow_cards import in_the_image, read_cards

    physics, learning = (Source.read(content(name), name) for name in (arguments.physics, arguments.learning))
    cards = in_the_image() if arguments.cards is None else read_cards(Path(arguments.cards))
    out = Path(arguments.out)
    study = import_study(physics, learning, cards, study_name(out.resolve().parent.name))
    write_new(out.parent, {**cards.files, out.name: study})
    written = read(arguments.out)
    _show([written], sys.stderr)
    if written.is_wrong:
        sys.stderr.write(f"mmc: {out} was written, but it needs repair\n")
        return EXIT_WRONG
    sys.stdout.write(f"{out} is written; its comments say what is not as it was. Next: mmc plan {out}\n")
    return 0


def explain(arguments: Namespace) -> int:
    """``mmc explain``: what a diagnostic code means; without one, the list of all."""
    from textwrap import fill

    from mmc.compiler.checks.codes import CODES, family
    from mmc.tables import table

    if arguments.code is None:
        lines = table([(code, entry.severity, entry.title) for code, entry in CODES.items()])
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return 0
    code = arguments.code.upper()
    if code not in CODES:
        raise UsageError(f"there is no code {code}; `mmc explain` lists all")
    entry = CODES[code]
    sys.stdout.write(f"{code} ({entry.severity}, {family(code)}): {entry.title}\n\n{fill(entry.explanation, 100)}\n")
    return 0


def _distinct(names: Iterable[str]) -> list[str]:
    """The names without repetition; a study that a pattern finds twice is read once."""
    return list(dict.fromkeys(names))


def _show(studies: Sequence[StudyFile], stream: TextIO, form: str = "text") -> None:
    """Write the diagnostics of the studies, if there are any or the form is for programs."""
    diagnostics = [item for study in studies for item in study.diagnostics]
    if form == "text" and not diagnostics:
        return
    from mmc.cli.rendering import RENDERERS, to_text

    sources = {study.document.path: study.document.text for study in studies}
    if form == "text":
        stream.write(to_text(diagnostics, sources, colour=stream.isatty() and "NO_COLOR" not in os.environ))
    else:
        stream.write(RENDERERS[form](diagnostics, sources))


def _plans(names: list[str]) -> "list[tuple[StudyFile, Plan]] | None":
    """The studies with their plans; None, and the problems on standard error, when one is wrong."""
    studies = [read(name) for name in names]
    _show(studies, sys.stderr)
    if any(study.is_wrong for study in studies):
        return None
    return [(study, study.plan()) for study in studies]


def _destinations(plans: "list[tuple[StudyFile, Plan]]", arguments: Namespace) -> "list[tuple[StudyFile, Plan, Path]]":
    """Each study with the folder of its bundle.

    :raises UsageError: when two studies would share a folder
    """
    placed: dict[Path, tuple[StudyFile, Plan, Path]] = {}
    for study, made in plans:
        if arguments.out is None:
            folder = _bundle_folder(study, made, arguments.target)
        else:
            folder = Path(arguments.out, _folder_name(made)) if len(plans) > 1 else Path(arguments.out)
        other = placed.setdefault(folder.resolve(), (study, made, folder))[0]
        if other is not study:
            raise UsageError(
                f"{other.name} and {study.name} would both be compiled to {folder}: give one of them another `name`"
            )
    return list(placed.values())


def _compiled(place: str) -> Path | None:
    """The folder of the bundle for REANA that a folder or a study names; None, and the problems, when it is wrong."""
    if Path(place).is_dir():
        return Path(place)
    plans = _plans([place])
    return None if plans is None else _bundle_folder(*plans[0], "reana")


def _bundle_folder(study: StudyFile, made: "Plan", target: str) -> Path:
    return study.folder / "build" / _folder_name(made) / target


def _folder_name(made: "Plan") -> str:
    return made.study.replace(" ", "_")


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


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "init": init,
    "validate": validate,
    "plan": plan,
    "compile": compile_studies,
    "run": run,
    "report": report,
    "submit": submit,
    "status": status,
    "fetch": fetch,
    "import": import_workflow,
    "doctor": doctor,
    "explain": explain,
}
"""What :mod:`mmc.cli.main` hands each command to."""
