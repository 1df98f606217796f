"""Tests of tracking begin without the variables that MLflow and mmc set."""

import sys
from functools import cache

import pytest

from tests.jobs import fake_step

cached = cache(cache)
"""``cached(f)`` is the same ``cache(f)`` in all tests, which so knows what one of them asked of ``f`` before."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = pytest.importorskip("mlflow.utils.credentials")
    from mlflow.store.db import utils
    from mmc.jobs.tracking.store import ENVIRONMENT

    # once in this process, which otherwise reads the scripts of all migrations whenever it opens a store
    monkeypatch.setattr(utils, "_get_latest_schema_revision", cached(utils._get_latest_schema_revision))
    monkeypatch.setattr(credentials, "read_mlflow_creds", credentials.read_mlflow_creds)  # replaced by mmc
    for name in (*(f"MLFLOW_TRACKING_{n}" for n in ("URI", "USERNAME", "PASSWORD", "TOKEN")), *ENVIRONMENT, "NETRC"):
        monkeypatch.setenv(name, "")  # so that variables set by MLflow are gone after the test
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # one process opens files of several jobs
    monkeypatch.setitem(sys.modules, "mmc.jobs.steps.configure", fake_step)
