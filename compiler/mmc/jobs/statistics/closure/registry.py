"""All closure tests. Each file in :mod:`mmc.jobs.statistics.closure.tests` declares one test as ``TEST``."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from mmc.jobs.statistics.closure import tests
from mmc.jobs.statistics.closure.declaration import ClosureTest


def _declared() -> Iterator[ClosureTest]:
    for module in iter_modules(tests.__path__):
        yield import_module(f"{tests.__name__}.{module.name}").TEST


TESTS: tuple[ClosureTest, ...] = tuple(sorted(_declared(), key=lambda test: test.place))
"""All closure tests, in the order of verdicts, tables and the documentation."""
