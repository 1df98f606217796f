"""A plan, its views and its bundles take work in proportion to their jobs."""

import time
from collections.abc import Callable

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.document import load
from mmc.compiler.plan import views
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.make import make_plan
from mmc.compiler.study.build import build_study
from mmc.compiler.targets.cwl import emit as emit_cwl
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.script import emit as emit_script
from mmc.compiler.targets.yadage import emit as emit_yadage

from tests.compiler.hostile_texts import Entry, study


def entries(count: int, entry: Entry) -> str:
    return "{" + ", ".join(map(entry, range(count))) + "}"


METHOD = "{{method: sally, theta: {{benchmark: sm}}, samples: 9{more}}}"
STUDIES: dict[str, Callable[[int], str]] = {
    "methods": lambda n: study(methods=entries(n, lambda k: f"m{k}: {METHOD.format(more='')}")),
    "ensembles": lambda n: study(methods=entries(n // 4, lambda k: f"m{k}: {METHOD.format(more=', ensemble: 4')}")),
    "samples": lambda n: study(
        generation="{generator: pythia8, samples: "
        + entries(n // 4, lambda k: f"s{k}: {{process: dimuon, events: 9}}")
        + "}"
    ),
    "parts": lambda n: study(
        generation=f"{{generator: pythia8, samples: {{s: {{process: dimuon, events: {n // 6}, events_per_job: 1}}}}}}"
    ),
    "groups": lambda n: study(
        groups=entries(n, lambda k: f"g{k}: all"),
        methods=entries(n, lambda k: f"m{k}: {METHOD.format(more=f', group: g{k}')}"),
    ),
    "trainings": lambda n: study(
        methods="{a: {method: sally, theta: {benchmark: sm}, samples: 9, allow_trainings: 10_000, scan: "
        f"{{training.initial_lr: [{', '.join(f'{k / 1e5:.7f}' for k in range(1, n))}]}}}}}}"
    ),
    "histograms": lambda n: study(
        evaluation="{luminosity: 3 fb^-1, baselines: {histograms: "
        + entries(n, lambda k: f"h{k}: {{observables: [m_ll]}}")
        + "}}"
    ),
}
"""Studies with about so many jobs."""


def seconds(text: str) -> float:
    """CPU time of the plan of a study, its views and its bundles."""
    data = check(load(text, "study.yaml"), lambda _: "file").data
    assert data is not None
    started = time.process_time()
    plan = make_plan(build_study(data), {})
    for view in (views.to_text, views.to_json):
        view(plan, None)
    views.to_mermaid(plan)
    for emit in (emit_cwl, emit_script, emit_yadage):
        emit(plan, Options())
    return time.process_time() - started


@pytest.mark.parametrize("make", STUDIES.values(), ids=list(STUDIES))
def test_the_work_grows_with_the_jobs(make: Callable[[int], str]) -> None:
    if seconds(make(400)) > 0.4:
        large, small = (min(seconds(make(n)) for _ in range(3)) for n in (400, 100))
        assert large < 8 * small + 0.1


def test_files_whose_names_collide_are_named_one_after_the_other() -> None:
    """Their names on a command line have letters and digits only."""
    paths = ["a" + "".join("-."[number >> bit & 1] for bit in range(12)) + "b" for number in range(4000)]
    paths += [f"a{'-' * 12}b--{number}" for number in range(4000)]  # the names that the first ones could get
    files = StageFiles(dict.fromkeys(paths, "0" * 64))
    started = time.process_time()
    names = [files.name(path) for path in (*paths, *paths)]
    assert time.process_time() - started < 2
    assert names[:8000] == names[8000:] and len(set(names)) == len(files.inputs) == 8000
