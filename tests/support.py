"""Places that tests share."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from mmc.compiler.checks.short import read_short
from mmc.compiler.language.document import load

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "studies"
SHARED_DATA = ROOT.parent / "shared" / "data"
"""Real inputs beside the checkout; tests that need them skip, saying why, where they are absent."""

RUN_WITH_PATH = """\
import sys
from mmc import processes
path = sys.argv.pop(1)
processes.path_with_mmc = lambda: path
from mmc.cli.main import main
sys.exit(main())
"""
"""`mmc` as a program, whose first word is the search path on which it finds the `mmc` of jobs."""

AS_IMPORTED = {"PIP_COMPILE": "0"}
"""With this variable pip leaves modules to be compiled when they are imported: of what tests install, few are."""

REANA = """
execution:
  images: {physics: "registry.example/mmc/physics:0.1.0", learning: "registry.example/mmc/learning:0.1.0"}
  resources:
    simulate: {memory: 2 GiB, time: 1 h}
    train: {cpus: 2, memory: 4 GiB, time: 90 min}
  reana:
    cvmfs: [sft.cern.ch]
    retention_days: {"cwl/**": 14}
    jobs: {kubernetes_uid: 500, htcondor_accounting_group: group_u_ATLAS.u_zp}
    stages:
      train: {compute_backend: htcondorcern, kerberos: true}
      report: {kubernetes_memory_limit: 3Gi}
"""
"""What a study can say of REANA."""


def need(package: str, extra: str) -> None:
    """Skip without a package, which is not imported here: that takes seconds, and only what the tests start uses it."""
    if find_spec(package) is None:
        pytest.skip(f"needs mmc[{extra}]", allow_module_level=True)


def study_data(name: str) -> dict[str, Any]:
    """A study of ``studies/`` with its short forms written out, to be changed."""
    data = read_short(load((STUDIES / name).read_bytes(), name)).data
    assert data is not None
    return data


def reana_study(folder: Path, study: str = "drell-yan/tiny") -> Path:
    """A study of ``studies/`` with what REANA needs, in a folder."""
    file = folder / "study.yaml"
    file.write_text((STUDIES / f"{study}.yaml").read_text(encoding="utf-8") + REANA, encoding="utf-8")
    return file


@contextmanager
def no_figures() -> Iterator[None]:
    """The same empty figure in place of each of a report."""
    from mmc.jobs.report import figures

    render = figures.render
    drawn = cache(partial(render, figures.make_figure(1.0, 1.0)[0]))
    figures.render = lambda _figure, image_format: drawn(image_format)
    try:
        yield
    finally:
        figures.render = render


@contextmanager
def kept_environment() -> Iterator[None]:
    """The environment of this process is afterwards what it was: each command sets it."""
    before = _environment()
    try:
        yield
    finally:
        after = _environment()
        if after != before:
            for name in after.keys() - before.keys():
                del os.environb[name]
            os.environb.update(before)


def _environment() -> dict[bytes, bytes]:
    """The environment without the variable in which pytest says what it does."""
    return {name: value for name, value in os.environb.items() if name != b"PYTEST_CURRENT_TEST"}


def place_of_all(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path that is the same for all workers of a run of tests."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name


def made_once(name: str, make: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that one of all workers fills, while the others wait. Nobody writes into it afterwards.

    The environment of the one that fills it stays as it is.
    """
    folder = place_of_all(name, tmp_path_factory)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.with_name(f"{name}.made").exists():
            folder.mkdir(exist_ok=True)
            with kept_environment():
                make(folder)
            folder.with_name(f"{name}.made").touch()
    return folder
