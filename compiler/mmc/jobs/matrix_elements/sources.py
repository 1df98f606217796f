"""Where a UFO model comes from: a folder, an archive of it, or an installed Python package."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mmc.compiler.inputs import ufo_model
from mmc.errors import StepError


@contextmanager
def model_folder(source: str | Path) -> Iterator[Path]:
    """The folder with the model's Python files, as long as the context lasts.

    :param source: a folder, an archive of it (.tar.gz, .tgz, .tar or .zip), or the name of an installed package
    :raises StepError: there is no such model
    """
    path = Path(source)
    if path.is_dir():
        yield _only_model(path, source)
    elif path.is_file():
        with TemporaryDirectory() as unpacked:
            _unpack(path, Path(unpacked))
            yield _only_model(Path(unpacked), source)
    else:
        yield _installed(str(source))


def _installed(name: str) -> Path:
    folder = ufo_model.installed(name)
    if folder is None:
        raise StepError(f"no UFO model '{name}': neither a folder nor an archive nor an installed package")
    return _only_model(folder, name)


def _unpack(archive: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise StepError(f"{archive.name} is not an archive of a UFO model: {error}") from error


def _only_model(folder: Path, source: str | Path) -> Path:
    found = sorted(file.parent for file in folder.rglob("vertices.py") if (file.parent / "particles.py").is_file())
    if (folder / "vertices.py").is_file() and folder in found:
        return folder
    if len(found) != 1:
        raise StepError(f"{source} contains {len(found) or 'no'} UFO models, where one is needed")
    return found[0]
