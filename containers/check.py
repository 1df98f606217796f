"""Build the learning image with podman, run a tiny Drell-Yan study in it with two engines, and here as a script.

In the image several jobs that make or read events are one task.

    python containers/check.py [--base IMAGE]

Needs podman, where no base image is given apt of a Debian, as root, and `mmc[steps,yadage,cwl]` on the PATH. It
compares what all jobs made, bit for bit, and leaves nothing behind: images and files are in one temporary folder. Exit
code 0: the same; 1: something differs, or failed; 77: what it needs is not here, and it says what.
"""

import argparse
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BASE = "localhost/mmc-python:bookworm"
DEBIAN = "bookworm"
"""Has Python 3.11, for which all packages have wheels."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = ("passwd", "python3-venv", "usr-is-merged")
"""What the recipe of the image uses, beside what every Debian has; the last one spares all of Perl."""
IMAGE = "mmc-learning:check"
MANY = 20_000
"""Open files and processes of a container. podman asks for more than a machine without all privileges may give."""
COMPILED = "/compiled"
"""Where all containers share compiled modules, of which the image has none: to compile them all takes half a minute."""
EXTRAS = ("steps", "optuna", "ufo")
"""Those of the image."""
SKIPPED = 77
"""The exit code that test harnesses take for a skip."""

Outputs = dict[tuple[str, str, str], str]
"""SHA-256 of the content of every file that jobs made, by stage, job and path within the job's output."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", metavar="IMAGE", help="an image with Python 3.11 (default: of Debian's packages)")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    if reason := _reason_to_skip(arguments.base):
        print(f"skipped: {reason}")
        return SKIPPED
    sys.path.insert(0, str(ROOT))
    from tests.engines import quick_jobs

    with _scratch() as scratch:
        _prepare_podman(scratch)
        with _timed("base image"):
            base = arguments.base or _bootstrap(scratch / "rootfs")
        study = scratch / "study.yaml"
        study.write_text(yaml.safe_dump(_study(), sort_keys=False), encoding="utf-8")
        with ThreadPoolExecutor() as pool, quick_jobs() as environment:
            here = pool.submit(_run, "script", study, environment)
            with _timed("learning image"):
                _build(base, scratch / "wheels")
            # one after the other, as the first compiles the modules that all containers share
            made = {target: _run(target, study) for target in ("cwl", "yadage")}
            differ = _differences(here.result(), made)
    return 1 if differ else 0


def _reason_to_skip(base: str | None) -> str:
    programs = {"podman": "Debian's podman", "mmc": "mmc[steps]", "yadage-run": "mmc[yadage]", "cwltool": "mmc[cwl]"}
    if base is None:
        programs |= dict.fromkeys(("apt-get", "dpkg-deb"), "Debian's, or --base IMAGE")
        if os.geteuid() != 0:
            return "the base image needs root: run it as root, or give --base IMAGE"
    missing = [f"{name} ({bringer})" for name, bringer in programs.items() if shutil.which(name) is None]
    if base is None and not missing:
        if not KEYRING.exists():
            return f"{KEYRING} is not there (Debian's debian-archive-keyring, or --base IMAGE)"
        if not _mirror():
            return "apt has no source of Debian's packages: add one, or give --base IMAGE"
    return f"not on the PATH: {', '.join(missing)}" if missing else ""


@contextmanager
def _scratch() -> Iterator[Path]:
    """A temporary folder; podman removes its storage there, which may hold files of other users."""
    folder = Path(tempfile.mkdtemp(prefix="mmc-images-"))
    try:
        yield folder
    finally:
        if (folder / "storage").exists():
            subprocess.run(["podman", "system", "reset", "--force"], stdout=subprocess.DEVNULL, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _study() -> dict[str, Any]:
    """A small study in the image, with as few jobs as every stage needs: 21."""
    from tests.engines import small_study

    study = small_study()
    study["generation"]["samples"]["signal"]["events"] = {"default": 400}
    return study | {"execution": {"images": {"physics": IMAGE, "learning": IMAGE}, "batch": {"jobs_per_task": 10}}}


def _prepare_podman(scratch: Path) -> None:
    """Let podman keep all in the folder, run within the limits of this process, and answer to the name docker."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    hard = {name: resource.getrlimit(number)[1] for name, number in limits.items()}
    allowed = {name: MANY if limit == resource.RLIM_INFINITY else min(limit, MANY) for name, limit in hard.items()}
    ulimits = [f"{name}={limit}:{limit}" for name, limit in allowed.items()]
    engine = ['cgroup_manager = "cgroupfs"', 'events_logger = "file"']
    if shutil.which("runc"):  # crun refuses machines with both versions of cgroups
        engine.append('runtime = "runc"')
    (scratch / "compiled").mkdir()
    (scratch / "compiled").chmod(0o777)
    volumes = [f"{scratch}/compiled:{COMPILED}"]
    containers = [f"default_ulimits = {json.dumps(ulimits)}", f"volumes = {json.dumps(volumes)}"]
    lines = ["[containers]", *containers, "[engine]", *engine]
    (scratch / "containers.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    storage = ["[storage]", 'driver = "overlay"', f'graphroot = "{scratch}/storage"', f'runroot = "{scratch}/run"']
    (scratch / "storage.conf").write_text("\n".join(storage) + "\n", encoding="utf-8")
    (scratch / "bin").mkdir()
    (scratch / "bin" / "docker").symlink_to(shutil.which("podman") or "")
    os.environ |= {
        "CONTAINERS_CONF": f"{scratch}/containers.conf",
        "CONTAINERS_STORAGE_CONF": f"{scratch}/storage.conf",
        "PATH": os.pathsep.join([f"{scratch}/bin", os.environ["PATH"]]),
        # Yadage's steps write as this user into folders of this user.
        "PACKTIVITY_DOCKER_CMD_MOD": f"--user {os.getuid()}:{os.getgid()} --network none",
        "PACKTIVITY_DOCKER_NOPULL": "1",
    }


def _bootstrap(rootfs: Path) -> str:
    """A base image from Debian's packages: what they hold, as Python runs without what dpkg sets up."""
    apt = rootfs.with_name("apt")  # what apt else keeps in /etc/apt, /var/lib/apt and /var/cache/apt
    apt.mkdir()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {DEBIAN} main\n", encoding="utf-8")
    (apt / "status").touch()  # nothing is installed
    settings: dict[str, object] = {f"Dir::{name}": apt for name in ("Etc", "State", "Cache")}
    settings |= {"Dir::State::status": apt / "status", "Acquire::Languages": "none", "APT::Default-Release": ""}
    settings |= {"APT::Sandbox::User": "root"}  # as the folder is of this user alone
    hooks = ["#clear APT::Update::Post-Invoke;", "#clear APT::Update::Post-Invoke-Success;"]  # those of this machine
    lines = [*(f'{name} "{value}";' for name, value in settings.items()), *hooks]
    (apt / "apt.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    get = ["apt-get", "-qq", "-c", apt / "apt.conf"]
    _call(*get, "update")
    _call(*get, "install", "--yes", "--download-only", "--no-install-recommends", "?essential", *PACKAGES)
    for name in ("bin", "lib", "lib64", "sbin"):
        (rootfs / "usr" / name).mkdir(parents=True)
        (rootfs / name).symlink_to(f"usr/{name}")
    unpack = 'for deb in "$1"/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -C "$2" --keep-directory-symlink -x; done'
    _call("bash", "-eo", "pipefail", "-c", unpack, "bash", apt / "archives", rootfs)
    for name in ("passwd", "group"):
        shutil.copy(rootfs / "usr" / "share" / "base-passwd" / f"{name}.master", rootfs / "etc" / name)
    (rootfs / "usr" / "local" / "bin").mkdir(parents=True, exist_ok=True)
    for folder in ("usr/share/doc", "usr/share/locale"):
        shutil.rmtree(rootfs / folder)
    _call("bash", "-o", "pipefail", "-c", 'tar -C "$1" -c . | podman import -q - "$2"', "bash", rootfs, BASE)
    for folder in (apt, rootfs):
        shutil.rmtree(folder)
    return BASE


def _mirror() -> str:
    """Where this machine has Debian's packages from; empty if it has none."""
    done = subprocess.run(["apt-get", "update", "--print-uris"], capture_output=True, text=True, check=False)
    found = re.search(r"^'(\S+/debian)/dists/", done.stdout, re.MULTILINE)
    return found[1] if found else ""


def _build(base: str, wheels: Path) -> None:
    """Build the image from wheels that pip finds as it is set up on this machine, without a network."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--python-version", "3.11"]
    _call(*pip, "-d", wheels, "-c", ROOT / "constraints.txt", "setuptools", *chain.from_iterable(needed))
    arguments = {"PYTHON_IMAGE": base, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
    words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    file = ROOT / "containers" / "learning" / "Dockerfile"
    settings = wheels.with_name("pip.conf")  # podman's --env is not for the commands of the recipe
    settings.write_text("[install]\ncompile = no\n", encoding="utf-8")
    volumes = {settings: "/etc/pip.conf", wheels: "/wheels"}
    words += [f"--volume={here}:{there}:ro" for here, there in volumes.items()]
    pull = "never" if base == BASE else "missing"
    options = [f"--pull={pull}", "--network=none", "--layers=false", f"--env=PYTHONPYCACHEPREFIX={COMPILED}", *words]
    _call("podman", "build", *options, "-f", file, "-t", IMAGE, ROOT)
    shutil.rmtree(wheels)


def _run(target: str, study: Path, environment: Mapping[str, str] | None = None) -> Outputs:
    """Compile the study to a target beside it and run that; what its jobs made."""
    folder = study.parent / target
    command, results = {
        "script": ("bash run.sh -j 2", "out"),
        "yadage": (
            "yadage-run work workflow.yml inputs.yml -t . -d initdir={folder} -b multiproc:2 --updateinterval 10",
            "work",
        ),
        "cwl": ("cwltool --disable-pull --parallel --outdir results workflow.cwl job.yml", "results"),
    }[target]
    words = [word.format(folder=folder) for word in command.split()]
    with _timed(f"study, {target}"):
        _call("mmc", "compile", study, "--target", target, "--out", folder)
        _call(*words, cwd=folder, environment=environment)
    return _outputs(folder / results)


def _outputs(folder: Path) -> Outputs:
    found = {}
    for record in folder.rglob("job.json"):  # itself left out: it tells how long the job took
        job = json.loads(record.read_text(encoding="utf-8"))
        for file in record.parent.rglob("*"):
            if file.is_file() and file != record:
                key = (job["stage"], job["job"], str(file.relative_to(record.parent)))
                found[key] = _digest(file)
    return found


def _digest(file: Path) -> str:
    """SHA-256 of a file; of a .npz its arrays, since releases of Python write other headers around the same arrays."""
    if file.suffix != ".npz":
        return hashlib.sha256(file.read_bytes()).hexdigest()
    with zipfile.ZipFile(file) as archive:
        arrays = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    return json.dumps(arrays)


def _differences(here: Outputs, made: Mapping[str, Outputs]) -> bool:
    """Say what the runs in the image made otherwise than the run on this machine; whether there is any."""
    differ = False
    for target, there in made.items():
        differing = [key for key, digest in there.items() if digest != here.get(key)]
        missing = {key[0] for key in here} - {key[0] for key in there} if target == "yadage" else set()
        differ |= bool(differing or missing or not there)
        print(f"{target}: {len(there) - len(differing)} of {len(there)} files are those of the run on this machine")
        print("".join(f"  {stage}[{job}]: {file} differs\n" for stage, job, file in sorted(differing)), end="")
        print("".join(f"  {stage} made nothing\n" for stage in sorted(missing)), end="")
    return differ


@contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)


def _call(*words: object, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Run a command; its output is shown only when it fails.

    :raises SystemExit: then
    """
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        sys.stdout.write(done.stdout.decode(errors="replace")[-8000:])
        sys.exit(f"{' '.join(map(str, words[:3]))} … failed")


if __name__ == "__main__":
    sys.exit(main())
