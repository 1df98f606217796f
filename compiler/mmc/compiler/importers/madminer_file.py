"""``mmc import setup.h5``: a set-up or event file of MadMiner becomes a study."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.importers.yaml_text import comment, entry, flow

_SAMPLES = 100_000
_PLACEHOLDER = "p p > e+ e-"


def import_file(
    name: str,
    file: str,
    *,
    parameters: Mapping[str, Mapping[str, Any]],
    benchmarks: Mapping[str, Mapping[str, float]],
    n_basis: int | None,
    max_overall_power: int | None,
    observables: Mapping[str, str],
    systematics: Mapping[str, Mapping[str, Any]],
    n_events: int,
) -> str:
    """The text of the study of a file with these declarations, which :mod:`mmc.jobs.madminer.file_content` describes.

    :param name: of the study
    :param file: the path of the file beside the study; events in it are the events of the study
    """
    has_events = n_events > 0
    lines = ['mmc: "1.0"', f"name: {flow(name)}", "title: Imported from a file of MadMiner", "seed: 1", ""]
    lines += ["parameters:", *(_parameter(*item) for item in parameters.items())]
    inside = len(benchmarks) if n_basis is None or has_events else n_basis
    lines += ["", "benchmarks:", *_benchmarks(benchmarks, inside)]
    if not has_events:
        lines += ["", f"morphing: {flow({'max_overall_power': max_overall_power} if n_basis else 'none')}"]
        lines += ["", *_generation(systematics)]
    else:
        lines += [] if n_basis else ["", "morphing: none"]
        lines += ["", f"events: {{file: {flow(file)}}} # {n_events:,} events", *_in_the_file(systematics)]
    lines += ["", "observables:", *_observables(observables, has_events=has_events)]
    theta = {"theta": {"benchmark": next(iter(benchmarks))}, "samples": _SAMPLES}
    lines += ["", "# The file does not say what is learned: change the following.", "methods:"]
    if n_basis:
        lines += [f"  sally: {flow(theta)}"]
    else:
        lines += [f"  carl: {flow(_carl(benchmarks))}"]
    lines += ["", "evaluation:", "  luminosity: 300 fb^-1"]
    if not n_basis:
        lines += ["  include_xsec: false # rates are known at the benchmarks alone"]
    return "\n".join(lines) + "\n"


def _carl(benchmarks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "theta0": {"benchmarks": list(benchmarks)},
        "theta1": {"benchmark": next(iter(benchmarks))},
        "samples": _SAMPLES,
    }


def _parameter(name: str, said: Mapping[str, Any]) -> str:
    return entry(name, {**said, "range": [_number(end) for end in said["range"]]}, 2)


def _benchmarks(benchmarks: Mapping[str, Mapping[str, float]], inside: int) -> Iterator[str]:
    for index, (name, point) in enumerate(benchmarks.items()):
        said: dict[str, Any] = {key: _number(value) for key, value in point.items()}
        yield entry(name, said if index < inside else {**said, "in_basis": False}, 2)


def _generation(systematics: Mapping[str, Any]) -> Iterator[str]:
    if systematics:
        yield "systematics:"
        yield from (entry(name, said, 2) for name, said in systematics.items())
        yield ""
    yield from comment("A set-up does not say how events are made: write model, process and number of events.")
    yield "generation:"
    yield "  generator: madgraph"
    yield "  model: sm # of the parameters"
    yield "  samples:"
    sample: dict[str, Any] = {"process": _PLACEHOLDER, "events": _SAMPLES}
    yield entry("signal", {**sample, "systematics": list(systematics)} if systematics else sample, 4)


def _in_the_file(systematics: Mapping[str, Any]) -> Iterator[str]:
    for name, said in systematics.items():
        yield from comment(f"the file has weights of the uncertainty {name}: {flow(said)}")


def _observables(observables: Mapping[str, str], *, has_events: bool) -> Iterator[str]:
    """The observables of a file; those of a set-up are computed by their definitions."""
    for name, definition in observables.items():
        yield from comment(f"{name}: {definition}", 2) if has_events else ()
        yield entry(name, {} if has_events else {"definition": definition, "required": True}, 2)
    if not observables:
        yield '  n_objects: {definition: "len(j) + len(l) + len(a)"} # the file has no observables'


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e9 else value
