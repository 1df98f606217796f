"""The SQLite file of a store without a server: opened in any folder, and with the places of its files corrected.

MLflow takes an SQLite file as a URI, pastes paths into URIs without quoting them, and tries for minutes to open a file
that cannot be opened. So mmc opens the file once before MLflow sees it, and gives MLflow a link with a plain name.
"""

import re
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mmc.errors import StepError

STORE, ARTIFACTS = "mlflow.db", "artifacts"
"""The SQLite file of a store without a server, and the folder beside it with the files that runs log."""
LOCKED_S = 5.0
"""The longest time to wait for another process that writes into the file."""
PLAIN = re.compile(r"[\w/.+=-]+", re.ASCII)
"""Paths that are the same in a URI."""
LONGEST_S = 20.0
"""The longest time for all that is read and corrected; a view or a trigger in the file of a stranger may never end."""
COLUMNS = {
    "runs": ("run_uuid", "artifact_uri"),
    "logged_models": ("model_id", "artifact_location"),
}
"""The tables with the absolute place of files: the column of the key, and that of the place."""


def files_beside(file: Path) -> str:
    """The URI of the folder for the files that runs log, beside an SQLite file."""
    return (file.resolve().parent / ARTIFACTS).as_uri()


class Name:
    """The URI under which MLflow opens an SQLite file. A link stands for a path with special characters."""

    def __init__(self, file: Path) -> None:
        """Name a file, which need not exist.

        :raises StepError: when the temporary folder has special characters as well
        """
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # removed with this object
        path = file.absolute()
        if not PLAIN.fullmatch(str(path)):
            self._folder = tempfile.TemporaryDirectory(prefix="mmc-")
            path = Path(self._folder.name, STORE)
            path.symlink_to(file.absolute())
        if not PLAIN.fullmatch(str(path)):
            raise StepError(f"MLflow cannot open a file in {path.parent}: set TMPDIR to a folder with a plain name")
        self.uri = f"sqlite:///{path}"


def check(file: Path) -> None:
    """Check that a file can be read and written, or made if it does not exist.

    :raises StepError: when it cannot
    """
    try:
        with _opened(file) as store:
            store.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.Error, OSError) as error:
        raise StepError(f"cannot write into the tracking store {file}: {error}") from error


def repoint(file: Path) -> None:
    """Change a store so that its experiments and runs name the folder beside it as the place of their files.

    The store has absolute paths, which are wrong after a user or an engine has moved or copied the folder. A run whose
    files are still in the old place, and not in the new one, keeps its place.

    :raises StepError: when the store cannot be read or written
    """
    files = files_beside(file)
    try:
        with _opened(file) as store:
            for (before,) in _stale(store, files):
                for table, (key, place) in COLUMNS.items():
                    query = f"SELECT {key}, {place} FROM {table} WHERE substr({place}, 1, ?) = ?"
                    for name, old in store.execute(query, (len(before) + 1, f"{before}/")).fetchall():
                        new = files + old[len(before) :]
                        if _exists(new) or not _exists(old):
                            store.execute(f"UPDATE {table} SET {place} = ? WHERE {key} = ?", (new, name))
                change = "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?"
                store.execute(change, (files, before))
    except (sqlite3.Error, OSError) as error:
        raise StepError(f"cannot correct the paths in the tracking store {file}: {error}") from error


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A transaction that may write."""
    with closing(sqlite3.connect(file, timeout=LOCKED_S, isolation_level=None)) as store:
        deadline = time.monotonic() + LONGEST_S
        store.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        store.execute("BEGIN IMMEDIATE")
        yield store
        store.execute("COMMIT")


def _stale(store: sqlite3.Connection, files: str) -> list[tuple[str]]:
    """The places of experiments of mmc other than the folder ``files``; those of MLflow have other names."""
    if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
        return []
    query = (
        "SELECT DISTINCT artifact_location FROM experiments WHERE typeof(artifact_location) = 'text' "
        "AND artifact_location LIKE ? AND artifact_location != ?"
    )
    return store.execute(query, (f"file:///%/{ARTIFACTS}", files)).fetchall()


def _exists(uri: str) -> bool:
    return Path(unquote(urlsplit(uri).path)).exists()
