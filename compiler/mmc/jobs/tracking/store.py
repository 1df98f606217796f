"""Where runs are tracked: a store of MLflow, and the runs of one study in it.

Nothing here raises because of the store: what it refuses, or that it cannot be reached, is a warning in the log, and
from then on nothing more is asked of it. A job never waits for a store for long.
"""

import logging
import math
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from mmc.errors import StepError

STORE, ARTIFACTS = "mlflow.db", "artifacts"
"""The file of SQLite that holds the runs where no server does, and the folder of what they log, beside it."""
ADDRESS, USER, PASSWORD, TOKEN = (f"MLFLOW_TRACKING_{name}" for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"))
"""Environment variables of MLflow's own."""
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; MLflow's own values add up to a quarter of an hour
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "GIT_PYTHON_REFRESH": "quiet",  # it warns where git is not installed
}
"""What MLflow reads of the environment, unless the user has set it."""
BATCH = 100
"""Parameters, metrics or tags in one request: what servers take at most."""

log = logging.getLogger(__name__)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Store:
    """A store in use. Every question to it goes through :meth:`ask`."""

    def __init__(self, uri: str) -> None:
        """Open a store.

        :raises ImportError: when MLflow is not installed
        :raises Exception: MLflow's own, when it does not know what the URI means
        """
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self.uri = _without_login(uri)
        self.client = MlflowClient(self.uri)
        self.lost = False

    def ask(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result | None:
        """What a function that asks the store returns; None where it fails, and then nothing more is asked."""
        if self.lost:
            return None
        try:
            return function(*args, **kwargs)
        except Exception as error:
            self.lost = True
            log.warning("not tracked from here on: %s", reason(error))
            return None

    def offer(self, function: Callable[Arguments, object], *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        """Ask what may fail alone: files may be kept elsewhere than runs, and by somebody who does not answer."""
        if self.lost:
            return
        try:
            function(*args, **kwargs)
        except Exception as error:
            log.warning("not tracked: %s", reason(error))

    def experiment(self, name: str, artifacts: str | None = None) -> str:
        """The id of the experiment of that name, which is made where there is none.

        :param artifacts: where a new one keeps the files that runs log; None leaves that to the server
        :raises Exception: MLflow's own
        """
        if found := self.client.get_experiment_by_name(name):
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(name, artifact_location=artifacts))
        except Exception:
            if found := self.client.get_experiment_by_name(name):  # somebody else has just made it
                return str(found.experiment_id)
            raise

    def start(self, experiment: str, name: str, identity: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """The id of the run with those tags as its identity, which runs from now on; it is made where there is none.

        :raises Exception: MLflow's own
        """
        found = self.find(experiment, identity)
        if found:
            self.client.update_run(found[0].info.run_id, status="RUNNING")
            return str(found[0].info.run_id)
        run = self.client.create_run(
            experiment, start_time=round(time.time() * 1000), tags={**tags, **identity}, run_name=name
        )
        return str(run.info.run_id)

    def find(self, experiment: str, tags: Mapping[str, str], most: int = 1) -> list[Any]:
        """The runs that have those tags.

        :raises Exception: MLflow's own
        """
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        return list(self.client.search_runs([experiment], condition, max_results=most))

    def log(
        self,
        run: str,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, Any] | None = None,
        step: int = 0,
    ) -> None:
        """Log values of a run. Numbers that are not finite are left out: not every store takes them.

        :raises Exception: MLflow's own
        """
        from mlflow.entities import Param, RunTag

        self._log_batches(run, "params", [Param(_key(name), str(value)) for name, value in (params or {}).items()])
        self._log_batches(run, "metrics", [_metric(name, value, step) for name, value in _finite(metrics or {})])
        self._log_batches(run, "tags", [RunTag(_key(name), str(value)) for name, value in (tags or {}).items()])

    def log_series(self, run: str, name: str, values: Sequence[float]) -> None:
        """Log a number for each epoch, from the first on.

        :raises Exception: MLflow's own
        """
        self._log_batches(run, "metrics", [_metric(name, value, step) for step, value in enumerate(values, start=1)])

    def log_paths(self, run: str, paths: Iterable[Path]) -> None:
        """Log files, and folders with all that is in them.

        :raises Exception: MLflow's own
        """
        for path in paths:
            if path.is_dir():
                self.client.log_artifacts(run, str(path), path.name)
            else:
                self.client.log_artifact(run, str(path))

    def log_network(self, run: str, folder: Path, method: str) -> None:
        """Log the network of an estimator as a model that needs torch alone to be loaded.

        :raises Exception: MLflow's own
        """
        from mmc.jobs.tracking.network import portable

        found = portable(folder, method)
        if found is None:
            return
        network, example = found
        import mlflow
        import torch
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        inputs = Schema([TensorSpec(values.dtype, (-1, values.shape[1]), name) for name, values in example.items()])
        mlflow.set_tracking_uri(self.uri)
        with mlflow.start_run(run_id=run):
            mlflow.pytorch.log_model(
                network,
                name="network",
                signature=ModelSignature(inputs),
                input_example=list(example.values()),
                pip_requirements=[f"torch=={torch.__version__}"],  # it would take 15 s to find out
            )

    def _log_batches(self, run: str, kind: str, entries: Sequence[Any]) -> None:
        for start in range(0, len(entries), BATCH):
            self.client.log_batch(run, **{kind: entries[start : start + BATCH]})


def _metric(name: str, value: float, step: int) -> Any:
    from mlflow.entities import Metric

    return Metric(_key(name), value, round(time.time() * 1000), step)


def _finite(values: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(name, float(value)) for name, value in values.items() if math.isfinite(value)]


def _key(name: str) -> str:
    """A name that MLflow takes for a parameter, metric or tag."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def local_store(folder: Path) -> str:
    """The URI of the store that a folder holds.

    :raises StepError: when no URI can say it
    """
    path = str((folder / STORE).resolve())
    if "?" in path:
        raise StepError(f"MLflow finds no file of SQLite in a folder with `?` in its name: {path}")
    return f"sqlite:///{path}"


def repoint(folder: Path, experiment: str, files: str) -> None:
    """Let the store that a folder holds name ``files`` as the place of what its runs logged.

    It names every file by its absolute path, and folders are moved and copied: by who runs a study, and by engines.
    What cannot be written stays as it is.
    """
    columns = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}
    with suppress(sqlite3.Error), closing(sqlite3.connect(folder / STORE)) as store, store:
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        (before,) = store.execute(query, (experiment,)).fetchone() or (files,)
        if before != files:
            for table, column in columns.items():
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (files, len(before) + 1, len(before), before),
                )


def asked_store(study: str | None) -> str | None:
    """The URI of the store that is to be used; None for a file of the run's own.

    Whoever runs a study decides with ``MLFLOW_TRACKING_URI``, as with every program that uses MLflow: a bundle is the
    same for all, and where it runs the server of the study may not be reached.

    :param study: the URI that the study names
    :raises StepError: when it names a file by a relative path
    """
    uri = os.environ.get(ADDRESS, "").strip() or study
    if uri and re.match(r"sqlite:///(?!/)", uri):
        raise StepError(f"{public(uri)} is no absolute path, and every job runs in a folder of its own")
    return uri


def beside(uri: str) -> str | None:
    """Where a new experiment keeps its files: in a folder beside a file of SQLite; None leaves that to the server."""
    path = uri.removeprefix("sqlite:///")
    return (Path(path).parent / ARTIFACTS).as_uri() if path != uri else None


def public(uri: str) -> str:
    """A URI without user and password."""
    return re.sub(r"//[^/@]*@", "//", uri)


def same_store(recorded: str) -> str:
    """The URI of a store that was recorded without its password, with the one that the environment gives for it."""
    given = os.environ.get(ADDRESS, "").strip()
    return given if public(given) == recorded else recorded


def _without_login(uri: str) -> str:
    """The URI of a server without user and password, which go where MLflow keeps those: they stay out of messages."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return uri
    os.environ[USER], os.environ[PASSWORD] = unquote(parts.username or ""), unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def reason(error: BaseException) -> str:
    """One line that tells what went wrong, without a password in it."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "mlflow":
        return "mlflow is not installed: pip install 'mmc[mlflow]'"
    text = " ".join(str(error).split()) or type(error).__name__
    for name in (PASSWORD, TOKEN):
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    return public(text)[:500]
