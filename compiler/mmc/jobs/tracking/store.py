"""The MLflow store in which runs are tracked, and the runs of one study in it.

A store never fails a job. If the store refuses a request or cannot be reached, there is a warning in the log, and the
store is not used any more. A job never waits for a store for long.
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

from mmc.compiler.catalogue.addresses import is_server, public
from mmc.errors import StepError
from mmc.files import Folder
from mmc.jobs.tracking.login import ADDRESS, PASSWORD, TOKEN, require_served, without_login

STORE, ARTIFACTS = "mlflow.db", "artifacts"
"""The SQLite file of a store without a server, and the folder beside it with the files that runs log."""
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; with MLflow's defaults, a request can wait for a quarter of an hour
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "GIT_PYTHON_REFRESH": "quiet",  # else there is a warning if git is not installed
}
"""Settings of MLflow in the environment, for variables that the user has not set."""
BATCH = 100
"""The largest number of parameters, metrics or tags in one request that servers accept."""

log = logging.getLogger(__name__)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Store:
    """A store in use. Requests to the store go through :meth:`ask` and :meth:`offer`, which never raise."""

    def __init__(self, uri: str) -> None:
        """Open a store.

        :raises ImportError: when MLflow is not installed
        :raises Exception: MLflow's own errors, when it does not understand the URI
        """
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self.uri = without_login(uri)
        self.client = MlflowClient(self.uri)
        self.lost = False

    def ask(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result | None:
        """The result of a function that uses the store; None if it fails, and then the store is not used any more."""
        if self.lost:
            return None
        try:
            return function(*args, **kwargs)
        except Exception as error:
            self.lost = True
            log.warning("not tracked from now on: %s", reason(error))
            return None

    def offer(self, function: Callable[Arguments, object], *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        """Call a function that logs files. If it fails, tracking goes on: files may be kept by another server."""
        if self.lost:
            return
        try:
            function(*args, **kwargs)
        except Exception as error:
            log.warning("not tracked: %s", reason(error))

    def experiment(self, name: str, artifacts: str | None = None) -> str:
        """The id of the experiment with this name, which is created if it does not exist.

        :param artifacts: the place of the files that runs of a new experiment log; None leaves the place to the server
        :raises Exception: MLflow's own errors
        """
        if found := self.client.get_experiment_by_name(name):
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(name, artifact_location=artifacts))
        except Exception:
            if found := self.client.get_experiment_by_name(name):  # another process has just created it
                return str(found.experiment_id)
            raise

    def start(self, experiment: str, name: str, identity: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """The id of the run with the tags ``identity``, with status RUNNING; the run is created if it does not exist.

        :raises Exception: MLflow's own errors
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
        """The runs with these tags, at most ``most`` of them.

        :raises Exception: MLflow's own errors
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
        """Log values of a run. Metrics that are not finite are left out, because some stores refuse them.

        :raises Exception: MLflow's own errors
        """
        from mlflow.entities import Param, RunTag

        self._log_batches(run, "params", [Param(_key(name), str(value)) for name, value in (params or {}).items()])
        self._log_batches(run, "metrics", [_metric(name, value, step) for name, value in _finite(metrics or {})])
        self._log_batches(run, "tags", [RunTag(_key(name), str(value)) for name, value in (tags or {}).items()])

    def log_series(self, run: str, name: str, values: Sequence[float]) -> None:
        """Log one number per epoch, from the first epoch on.

        :raises Exception: MLflow's own errors
        """
        self._log_batches(run, "metrics", [_metric(name, value, step) for step, value in enumerate(values, start=1)])

    def log_paths(self, run: str, paths: Iterable[Path]) -> None:
        """Log files, and folders with their contents.

        :raises Exception: MLflow's own errors
        """
        require_served(self.uri, lambda: str(self.client.get_run(run).info.artifact_uri))
        for path in paths:
            if path.is_dir():
                self.client.log_artifacts(run, str(path), path.name)
            else:
                self.client.log_artifact(run, str(path))

    def log_network(self, run: str, folder: Path, method: str) -> None:
        """Log the network of an estimator as a model that can be loaded with torch alone.

        :raises Exception: MLflow's own errors
        """
        from mmc.jobs.tracking.network import portable

        found = portable(folder, method)
        if found is None:
            return
        require_served(self.uri, lambda: str(self.client.get_run(run).info.artifact_uri))
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
                pip_requirements=[f"torch=={torch.__version__}"],  # MLflow would need 15 s to find this out
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
    """The name of a parameter, metric or tag, with only the characters that MLflow accepts."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def local_store(folder: Path) -> str:
    """The URI of the store in a folder.

    :raises StepError: when the path cannot be part of a URI
    :raises MmcError: when it is a link
    """
    path = str(Folder(folder.resolve()).place(STORE))
    if "?" in path:
        raise StepError(f"MLflow cannot open an SQLite file in a folder with `?` in its name: {path}")
    return f"sqlite:///{path}"


def repoint(folder: Path, experiment: str, files: str) -> None:
    """Change the store in a folder so that it names ``files`` as the place of the files that its runs logged.

    The store has absolute paths, which are wrong after a user or an engine has moved or copied the folder. A store that
    cannot be written stays unchanged.
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
    """The URI of the store to be used; None for a file in the output of the run.

    ``MLFLOW_TRACKING_URI`` has precedence over the study, as in every program that uses MLflow: all users have the same
    bundle, but some of them may not reach the server of the study.

    :param study: the URI in the study
    :raises StepError: when the URI has a relative path, or a study names a file or a database
    """
    given = os.environ.get(ADDRESS, "").strip()
    uri = given or study
    if study and not given:
        _require_server(study)
    if uri and re.match(r"sqlite:///(?!/)", uri):
        raise StepError(f"{public(uri)} is not an absolute path, and every job runs in its own folder")
    return uri


def artifacts_beside(uri: str) -> str | None:
    """The place of a new experiment's files: a folder beside an SQLite file; None leaves the place to the server."""
    path = uri.removeprefix("sqlite:///")
    return (Path(path).parent / ARTIFACTS).as_uri() if path != uri else None


def same_store(recorded: str) -> str:
    """The URI of a store that was recorded without its password, with the password from the environment.

    :raises StepError: when a record names a file or a database that the environment does not name
    """
    given = os.environ.get(ADDRESS, "").strip()
    if public(given) == recorded:
        return given
    _require_server(recorded)
    return recorded


def _require_server(uri: str) -> None:
    """:raises StepError: unless a study's store is a server: a file or a database may be anybody's"""
    if not is_server(uri):
        raise StepError(f"{public(uri)} is not the address of a server: name files and databases in {ADDRESS}")


def reason(error: BaseException) -> str:
    """The reason of an error in one line, without passwords."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "mlflow":
        return "mlflow is not installed: pip install 'mmc[mlflow]'"
    text = " ".join(str(error).split()) or type(error).__name__
    for name in (PASSWORD, TOKEN):
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    return public(text)[:500]
