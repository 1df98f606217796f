import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import Python, forking_python
from tests.jobs.toy_events import add_systematics, write_events
from tests.support import place_of_all

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported; the steps run in this process


@pytest.fixture(scope="session")
def toy_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parameters, smeared observables, and the number of the event as a third observable."""
    return write_events(tmp_path_factory.mktemp("toy") / "events", ids=True)


@pytest.fixture(scope="session")
def uncertain(toy_events: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with systematic uncertainties."""
    return add_systematics(toy_events, tmp_path_factory.mktemp("uncertain") / "events")


@pytest.fixture(scope="session")
def stock_madminer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Python]:
    """Stock MadMiner without any work-around, which takes seconds to import, for programs of tests."""
    imported = ["madminer.core", "madminer.lhe", "madminer.delphes", "madminer.analysis"]
    with forking_python(imported, place_of_all("madminer.server", tmp_path_factory)) as python:
        yield python
