"""The flag that rewrites golden files, and what is left out where the steps cannot run."""

import gc
import os
import signal
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# Before numpy and torch are imported: threads that wait for each other take the cores from the other tests.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

settings.register_profile("unhurried", settings.default, deadline=None)  # a busy machine is not a failure
settings.register_profile("repeatable", settings.get_profile("unhurried"), derandomize=True, database=None)
settings.load_profile("unhurried")

HAS_STEPS = find_spec("madminer") is not None
collect_ignore = [] if HAS_STEPS else ["jobs"]

LONG = (
    "tests/compiler/targets/test_toil.py",
    "tests/compiler/targets/test_slurm.py",
    "tests/compiler/targets/test_engines.py",
    "tests/jobs/tracking/test_tracker.py",
    "tests/jobs/readers/test_delphes.py",
    "tests/compiler/targets/test_snakemake.py",
    "tests/test_event_file.py",
    "tests/cli/test_run_on.py",
    "tests/test_variants_run.py",
    "tests/test_kills.py",
    "tests/jobs/steps/test_evaluate.py",
    "tests/compiler/reana/test_client.py",
    "tests/jobs/statistics/test_profiled_limits.py",
    "tests/compiler/targets/test_script.py",
    "tests/jobs/report/test_run_folder.py",
    "tests/jobs/statistics/test_profiled_ratio.py",
    "tests/jobs/report/test_browser.py",
    "tests/cli/test_run.py",
    "tests/test_cases.py",
    "tests/jobs/steps/test_report.py",
    "tests/compiler/targets/test_fake_jobs.py",
    "tests/jobs/learning/test_methods.py",
    "tests/compiler/checks/test_scaling.py",
    "tests/compiler/targets/test_reana_jobs.py",
)
"""The files that take longest come first, so that all cores end at the same time."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The million objects of imported modules stay: to look for garbage among them takes a tenth of the CPU time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)  # much of what tests make and import stays as well
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """For `-m engine`: files without such tests are not imported, which takes each worker seconds."""
    if config.getoption("markexpr") != "engine" or not collection_path.is_file():
        return None
    return b"mark.engine" not in collection_path.read_bytes() or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for path in {item.path for item in items if item.get_closest_marker("engine")}:
        assert b"mark.engine" in path.read_bytes(), f"{path}: `-m engine` looks for this text"
    places = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: one more than cores, because tests wait for other programs and for the disk."""
    return (os.cpu_count() or 1) + 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the bundles in tests/golden; look at the diff"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-golden") and os.environ.get("CI", "false") != "false":
        raise pytest.UsageError("--update-golden is for people who look at the diff, not for continuous integration")


def pytest_report_header() -> str:
    return "" if HAS_STEPS else "the extra `steps` is not installed: tests/jobs is left out"


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Each command sets the environment of its process, which is that of the tests.

    Fixtures of a wider scope come before this one, so those that call a command use `kept_environment` themselves.
    """
    from tests.support import kept_environment

    with kept_environment():
        yield


@pytest.fixture
def programs_mind_signals() -> Iterator[None]:
    """Also where the tests run in the background or under `nohup`, whose programs ignore SIGINT or SIGHUP."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def quick_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment in which the jobs of an engine start quickly, for all workers."""
    for package in ("madminer", "pythia8mc", "torch"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    from tests.engines import quick_jobs
    from tests.support import place_of_all

    with quick_jobs(place_of_all("jobs.server", tmp_path_factory)) as environment:
        yield environment


@pytest.fixture
def plain_figures() -> Iterator[None]:
    """The same empty figure in place of each, for tests that look at none: drawing all takes seconds."""
    from tests.support import no_figures

    with no_figures():
        yield
