"""Which tracking servers get the user's credentials: those that the user named, never one of a study alone."""

import logging
import os
from collections.abc import Callable
from urllib.parse import unquote

from mmc.compiler.catalogue.addresses import host_of, is_private, is_server, public
from mmc.errors import StepError

ADDRESS, USER, PASSWORD, TOKEN = (f"MLFLOW_TRACKING_{name}" for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"))
"""MLflow's own environment variables."""
OTHER_SECRETS = tuple(f"MLFLOW_TRACKING_{name}" for name in ("AUTH", "AWS_SIGV4", "CLIENT_CERT_PATH"))
"""Other variables with which MLflow identifies the user."""
HOSTS = "MMC_TRACKING_HOSTS"
"""The environment variable with other hosts that get the credentials: ``host`` or ``host:port``, with commas."""

log = logging.getLogger(__name__)


def is_chosen(uri: str) -> bool:
    """Whether the user has named the server of an address, in ``MLFLOW_TRACKING_URI`` or in :data:`HOSTS`."""
    host = host_of(uri)
    named = {entry.strip().lower() for entry in os.environ.get(HOSTS, "").split(",")} - {""}
    return host is not None and (
        host == host_of(os.environ.get(ADDRESS, "").strip()) or bool(named & {host, host.rpartition(":")[0]})
    )


def without_login(uri: str) -> str:
    """The address of a store without user and password, which go into MLflow's variables, out of messages. Before,
    the credentials that this server must not get are removed from the environment of the job."""
    plain = public(uri)
    if not is_server(uri):
        return uri
    if plain != uri:
        user, _, password = uri.partition("://")[2].rpartition("@")[0].partition(":")
        os.environ[USER], os.environ[PASSWORD] = unquote(user), unquote(password)
    if not is_chosen(uri):
        _forget(f"{host_of(plain)} is named by the study alone: name it in {ADDRESS} or {HOSTS}")
    elif not is_private(uri):
        _forget(f"{host_of(plain)} is not reached by https")
    return plain


def _forget(why: str) -> None:
    """Remove the user's credentials from the environment, and keep MLflow from reading them in the user's files."""
    from mlflow.utils import credentials

    names = [name for name in (USER, PASSWORD, TOKEN, *OTHER_SECRETS) if os.environ.pop(name, None)]
    credentials.read_mlflow_creds = lambda: credentials.MlflowCreds(None, None)  # ~/.mlflow/credentials
    os.environ["NETRC"] = os.devnull
    if names:
        log.warning("%s not sent: %s", " and ".join(names), why)


def require_served(uri: str, place_of_files: Callable[[], str]) -> None:
    """Refuse a place of files that a server answers which only a study names: it could be a folder of this machine.

    :raises StepError: when the files would not go through the server
    """
    if not is_server(uri) or is_chosen(uri):
        return
    artifacts = place_of_files()
    if not artifacts.startswith(("mlflow-artifacts:", "http:", "https:")):
        raise StepError(f"the server wants files at {public(artifacts)[:100]}; name it in {ADDRESS} to allow this")
