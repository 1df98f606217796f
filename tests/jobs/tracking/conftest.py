"""Tests of tracking begin without the variables that MLflow and mmc set."""

import sys

import pytest

from tests.jobs import fake_step


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = pytest.importorskip("mlflow.utils.credentials")
    from mmc.jobs.tracking.store import ENVIRONMENT

    monkeypatch.setattr(credentials, "read_mlflow_creds", credentials.read_mlflow_creds)  # replaced by mmc
    for name in (*(f"MLFLOW_TRACKING_{n}" for n in ("URI", "USERNAME", "PASSWORD", "TOKEN")), *ENVIRONMENT, "NETRC"):
        monkeypatch.setenv(name, "")  # so that variables set by MLflow are gone after the test
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # one process opens files of several jobs
    monkeypatch.setitem(sys.modules, "mmc.jobs.steps.configure", fake_step)
