"""The MLflow store in which runs are tracked, and the runs of one study in it.

A store never fails a job. If the store refuses a request or cannot be reached, there is a warning in the log, and the
store is not used any more. A job never waits for a store for long (:mod:`mmc.jobs.tracking.patience`).
"""

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from mmc.compiler.catalogue.addresses import is_server, public
from mmc.errors import StepError
from mmc.files import Folder
from mmc.jobs.tracking.login import ADDRESS, PASSWORD, TOKEN, require_served, without_login
from mmc.jobs.tracking.patience import REQUEST_S, OutOfPatienceError, Patience, limit_answers
from mmc.jobs.tracking.sqlite_file import ARTIFACTS, STORE, Name, check, files_beside, repoint

ENVIRONMENT = {
    # with MLflow's defaults, a request can wait for a quarter of an hour
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_S),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "GIT_PYTHON_REFRESH": "quiet",  # else there is a warning if git is not installed
}
"""Settings of MLflow in the environment, for variables that the user has not set."""
KEPT = tuple(f"MLFLOW_{name}_" for name in ("TRACKING", "HTTP_REQUEST", "S3", "GCS", "SQLALCHEMYSTORE", "MYSQL"))
"""The beginnings of variables that say how to reach a store. Jobs do not see a user's other settings of MLflow, such as
the experiment of a notebook, or logging that never waits."""
BATCH = 100
"""The largest number of parameters, metrics or tags in one request that servers accept."""
OPENING_S, CALL_S, FILES_S = 20.0, 1.0, 10.0
"""The usual time to open a store (a new file of SQLite gets its tables), to log values, and to log small files."""
BYTES_PER_S = 2**20
"""A slow connection for files that are logged."""
RESERVED = "Default"
"""MLflow's own experiment. Its files are in a folder of the process that made the store, not beside the store."""

log = logging.getLogger(__name__)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Store:
    """A store in use. Requests to the store go through :meth:`ask` and :meth:`offer`, which never raise."""

    def __init__(self, place: str | Path) -> None:
        """Open a store: a server or database by its URI, or a file of SQLite by its path.

        :raises ImportError: when MLflow is not installed
        :raises StepError: when the file cannot be opened
        :raises MmcError: when the path of the file is a link
        :raises OutOfPatienceError: when the database does not answer
        :raises Exception: MLflow's own errors, when it does not understand the URI
        """
        _set_environment()
        from mlflow import MlflowClient

        limit_answers()
        if isinstance(place, Path):
            for name in (STORE, ARTIFACTS):
                Folder(place.parent).place(name)  # refuses links, which may lead anywhere
        file = sqlite_file(place) if isinstance(place, str) else place
        self.files: str | None = None
        """The place of the files of a new experiment; None leaves it to the server."""
        if file is None:
            self.uri = without_login(str(place))
        else:
            self._name = Name(file)  # kept, because its link is removed with it
            self.uri, self.files = self._name.uri, files_beside(file)
            Folder(file.parent).make()
            check(file)
        if isinstance(place, Path):
            repoint(place)
        self.place = public(str(place))
        self.lost = ""
        """Why the store is not used any more; empty while it is used."""
        self.refused = ""
        """Why files were not logged; empty if all were."""
        self._patience = Patience()
        self.client = self._patience.call(OPENING_S, MlflowClient, self.uri)

    def ask(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result | None:
        """The result of a function that uses the store; None if it fails, and then the store is not used any more."""
        if self.lost:
            return None
        try:
            return self._patience.call(CALL_S, function, *args, **kwargs)
        except Exception as error:
            self.lose(error)
            return None

    def offer(
        self,
        paths: Iterable[Path],
        function: Callable[Arguments, object],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> None:
        """Call a function that logs files. If it fails, tracking goes on: files may be kept by another server.

        :param paths: the files and folders, whose size gives the time that the call may take
        """
        if self.lost:
            return
        try:
            self._patience.call(FILES_S + sum(map(_size, paths)) / BYTES_PER_S, function, *args, **kwargs)
        except OutOfPatienceError as error:
            self.lose(error)
        except Exception as error:
            self.refused = reason(error)
            log.warning("not tracked: %s", self.refused)

    def hurry(self) -> None:
        """Wait no longer than the usual times from now on: the job is asked to stop."""
        self._patience.left = 0.0

    def lose(self, error: Exception) -> None:
        """Use the store no more, because of an error."""
        self.lost = reason(error)
        log.warning("not tracked from now on: %s", self.lost)

    def experiment(self, name: str) -> str:
        """The id of the experiment with this name, which is created if it does not exist.

        :raises StepError: when the experiment was deleted, or the answer is not one of MLflow
        :raises Exception: MLflow's own errors
        """
        if name == RESERVED:
            raise StepError(f"MLflow keeps the files of the experiment {name} elsewhere: choose another name")
        try:
            found = self.client.get_experiment_by_name(name)
            created = None if found else self.client.create_experiment(name, artifact_location=self.files)
        except Exception:
            found = self.client.get_experiment_by_name(name)  # another process may have just created it
            if not found:
                raise
        if not found:
            return _identifier(created, "experiment")
        if found.lifecycle_stage == "deleted":
            raise StepError(
                f"the experiment {name} is deleted: restore it with `MLFLOW_TRACKING_URI={self._shown()} mlflow "
                f"experiments restore --experiment-id {found.experiment_id}`, or give the study another `experiment`"
            )
        return _identifier(found.experiment_id, "experiment")

    def _shown(self) -> str:
        return f"sqlite:///{self.place}" if self.place.startswith("/") else self.place

    def start(self, experiment: str, name: str, identity: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """The id of the run with the tags ``identity``, with status RUNNING; the run is created if it does not exist.

        :raises Exception: MLflow's own errors
        """
        found = self.find(experiment, identity)
        if found:
            identifier = _identifier(found[0].info.run_id, "run")
            self.client.update_run(identifier, status="RUNNING")
            return identifier
        run = self.client.create_run(
            experiment, start_time=round(time.time() * 1000), tags={**tags, **identity}, run_name=name
        )
        return _identifier(run.info.run_id, "run")

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


def _identifier(value: object, what: str) -> str:
    """The identifier of an experiment or a run in an answer.

    :raises StepError: when there is none: any JSON object is read as an answer of MLflow, with empty entries
    """
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]{1,100}", value):
        raise StepError(f"the server's answer names no {what}: it is not a tracking server of MLflow")
    return value


def _size(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _key(name: str) -> str:
    """The name of a parameter, metric or tag, with only the characters that MLflow accepts."""
    return re.sub(r"[^\w\-. :/]", "_", name)


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


def _set_environment() -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and not name.startswith(KEPT)]:
        del os.environ[name]
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store, as MLflow would read the URI; None for another store, or a URI with options.

    :raises StepError: when the URI is not understood
    """
    if not uri.startswith("sqlite:") or "?" in uri:
        return None
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        path = make_url(uri).database
    except (ArgumentError, ValueError) as error:
        raise StepError(f"{public(uri)} is not the address of an SQLite file") from error
    return Path(path) if path and path.startswith("/") else None


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
