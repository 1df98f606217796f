"""The flag that rewrites golden files."""

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the bundles in tests/golden; look at the diff"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-golden") and os.environ.get("CI", "false") != "false":
        raise pytest.UsageError("--update-golden is for people who look at the diff, not for continuous integration")
