"""The command line: what ``mmc`` understands, and how every failure ends as one line and an exit code.

Exit codes: 0 fine, 1 the study is wrong (or, with ``--check``, the bundle is out of date), 2 the command line is wrong,
3 mmc or the system failed, 130 interrupted. What a command needs is imported when it runs, so that a start is quick.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from mmc.errors import MmcError, UsageError
from mmc.version import __version__

EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
"""As of a program that SIGPIPE ends: what reads our output has gone."""

DESCRIPTION = """\
Compile one declarative study file into the workflows that run a MadMiner analysis, or run it on this machine.
"""
EPILOG = """\
a first study:
  mmc init my-study                       a commented study that already validates
  mmc validate my-study/study.yaml        every problem at once, with line, column and a way out
  mmc plan my-study/study.yaml            what would run
  mmc run my-study/study.yaml             run it here: limits, contours, a report
  mmc report my-study/runs/my-study       the whole run on one page

exit codes: 0 fine, 1 the study is wrong, 2 the command line is wrong, 3 mmc or the system failed
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows its number
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(words)
        sys.stdout.flush()
    except SystemExit as end:  # argparse has said why
        return end.code if isinstance(end.code, int) else UsageError.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains once more when it flushes at its end
        return EXIT_PIPE
    except (Exception, KeyboardInterrupt) as error:
        if sys.flags.dev_mode and not isinstance(error, (MmcError, KeyboardInterrupt)):
            raise
        message, code = _reason(error)
        sys.stderr.write("mmc: " + "".join(c if c.isprintable() else " " for c in message) + "\n")
    return code


def _reason(error: BaseException) -> tuple[str, int]:
    """One line that tells a user what went wrong, and the exit code."""
    if isinstance(error, MmcError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", EXIT_INTERRUPTED
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part), MmcError.exit_code
    what = f"{type(error).__name__}: {error}"
    return f"this is a bug in mmc: {what} (python -X dev -m mmc … shows where)", MmcError.exit_code


def _run(words: list[str]) -> int:
    if words[:1] == ["step"] and words[1:] not in (["-h"], ["--help"]):
        from mmc.jobs.steps.runner import main as step

        return step(words[1:])
    parser = _parser(words)
    if not words:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    arguments = parser.parse_args(words)
    from mmc.cli.commands import COMMANDS

    return COMMANDS[arguments.command](arguments)


def _parser(words: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmc",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mmc {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    def command(name: str, summary: str, more: str = "") -> argparse.ArgumentParser:
        text = f"{summary[0].upper()}{summary[1:]}.{more and ' '}{more}"
        return commands.add_parser(name, help=summary, description=text, allow_abbrev=False)

    _add_init(command("init", "write a commented study that already validates"))
    _add_validate(command("validate", "check studies", "Shows all problems at once; warnings alone are no failure."))
    _add_plan(command("plan", "show what a study would run", "Stages, jobs, events and what depends on what."))
    _add_compile(
        command("compile", "compile studies to workflows", "Validates first, and writes nothing if a study is wrong."),
        words,
    )
    _add_run(
        command(
            "run",
            "run a study on this machine",
            "Interrupted or killed, the same command goes on where it was; after an edit it runs again what the edit "
            "changes.",
        )
    )
    _add_report(
        command(
            "report",
            "write the page of a run, or of two beside each other",
            "One self-contained HTML page and its figures as SVG and PNG; of an unfinished run with what is there. "
            "Of two runs: what changed in the study, and what in the results.",
        )
    )
    _add_submit(
        command(
            "submit",
            "send a study to REANA and start it there",
            "Of a study the bundle for the target reana is compiled first. Interrupted, the same command goes on where "
            "it was. REANA_SERVER_URL and REANA_ACCESS_TOKEN say where to and who; the token is never written.",
        )
    )
    _add_bundle(command("status", "tell how far a submitted study is"))
    _add_fetch(command("fetch", "get the results of a submitted study", "Interrupted, the same command goes on."))
    _add_import(
        command(
            "import",
            "write a study from what an analysis was written in before",
            "madminer-workflow: the two input files of the hand-written MadMiner workflow.",
        )
    )
    _add_doctor(
        command(
            "doctor",
            "show what mmc can use on this machine",
            "Packages, generators, engines and tools, in which versions, and how to get what is missing. "
            "Exits with 1 when something that the given study needs is missing.",
        )
    )
    _add_explain(command("explain", "explain a diagnostic code", "Without a code, lists them all."))
    command(
        "step", "run one job of a workflow", "Workflows call it: mmc step STAGE --config FILE --job NAME ... --out DIR"
    )
    return parser


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="where to write study.yaml; nothing there is overwritten")


def _add_validate(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "github", "sarif"),
        default="text",
        help="text for people, github for annotations in GitHub Actions, json and sarif for programs (default: text)",
    )


def _add_plan(parser: argparse.ArgumentParser) -> None:
    _add_file(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "mermaid", "svg", "png"),
        default="text",
        help="svg and png are drawn by graphviz (default: text)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there instead of to standard output")


def _add_compile(parser: argparse.ArgumentParser, words: list[str]) -> None:
    targets: list[str] | None = None
    if words[:1] == ["compile"]:  # only then: it takes a while to import the targets
        from mmc.compiler.targets import TARGETS

        targets = list(TARGETS)
    _add_files(parser)
    parser.add_argument("-t", "--target", required=True, choices=targets, help="what to compile to")
    parser.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        help="the folder of the bundle, of several studies a folder for each in there "
        "(default: build/NAME/TARGET beside the study)",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and list what differs on the disk")
    parser.add_argument(
        "--local",
        action="store_true",
        help="run jobs in the environment of the engine, even where the study names container images",
    )
    _add_engine(parser)


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_file(parser)
    parser.add_argument("-o", "--out", metavar="DIR", help="the run's folder (default: runs/NAME beside the study)")
    parser.add_argument("-j", "--jobs", metavar="N", type=_positive, help="jobs at a time (default: one per core)")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a run: of mmc run, of an engine, or of mmc fetch")
    parser.add_argument("other", nargs="?", metavar="RUN", help="another run, to compare the first one with")
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="where report.html or comparison.html is written (default: in the last RUN)"
    )


def _add_submit(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser)
    _add_engine(parser)
    parser.add_argument("--again", action="store_true", help="submit another run, whatever was submitted before")


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser)
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="where a folder with the run's name is made (default: results in the bundle)"
    )


def _add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place",
        metavar="BUNDLE|STUDY",
        help="the folder of a bundle for the target reana, or a study, whose bundle is build/NAME/reana beside it",
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    from mmc.compiler.catalogue.reana import ENGINES

    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help=f"the workflow engine of REANA (default: execution.reana.engine of the study, else {ENGINES[0]})",
    )


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", choices=("madminer-workflow",), help="what it was written in")
    parser.add_argument("--physics", required=True, metavar="FILE", help="input.yml of the physics workflow")
    parser.add_argument("--learning", required=True, metavar="FILE", help="input.yml of the learning workflow")
    parser.add_argument("--cards", metavar="DIR", help="its folder of cards (default: what the cards in its image say)")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="the study to write, cards beside it; nothing is overwritten"
    )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="a study file; - is standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="a code, such as MMC204")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="study files; - is standard input")


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a study file; - is standard input")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of jobs")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
