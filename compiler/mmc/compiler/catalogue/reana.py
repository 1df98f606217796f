"""REANA's keys for jobs: the keys of each compute backend, the notation of amounts, and the keys of a stage."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmc.compiler.catalogue.resources import Resources

ENGINES = ("yadage", "cwl", "serial", "snakemake")
"""The workflow engines that the target can address; the first one is the default."""
KUBERNETES, HTCONDOR, SLURM = ("kubernetes", "htcondorcern", "slurmcern")
"""The compute backends; the first one is the default."""
_BACKEND_OF = {"kubernetes_": KUBERNETES, "htcondor_": HTCONDOR, "slurm_": SLURM}

NOT_READ: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    ("cwl", "snakemake"),
    ("htcondor_request_cpus", "htcondor_request_memory", "htcondor_request_disk", "htcondor_requirements"),
)
"""Keys that an engine does not pass on to the job; the other engines, `yadage` and `serial`, pass on all keys."""

HTCONDOR_FLAVOURS = ("espresso", "microcentury", "longlunch", "workday", "tomorrow", "testmatch", "nextweek")
_KUBERNETES_SIZE = re.compile(r"(\d+|\d+\.\d+(?=[KMGTPE]))(?:([KMGTPE])(i?))?")
AMOUNTS = {
    "kubernetes_cpu": re.compile(r"(?=.*[1-9])(?:\d+(?:\.\d+)?|\.\d+|[1-9]\d*m)"),
    "kubernetes_memory": _KUBERNETES_SIZE,
    "htcondor_size": re.compile(r"[1-9]\d*\s*(?:[KMGT]B?)?", re.IGNORECASE),
    "htcondor_runtime": re.compile(r"[1-9]\d*|" + "|".join(HTCONDOR_FLAVOURS)),
    "count": re.compile(r"[1-9]\d*"),
}
"""The notation of each kind of amount in REANA; all amounts are text."""
_NUMBERS = ("kubernetes_uid", "kubernetes_job_timeout")
"""The keys whose values are numbers in REANA."""


@dataclass(frozen=True)
class Reana:
    """The section ``execution.reana``, amounts in REANA's notation; ``stages`` overrides ``jobs``, for all stages."""

    engine: str = ENGINES[0]
    jobs: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cvmfs: tuple[str, ...] = ()
    retention_days: Mapping[str, int] = field(default_factory=dict)

    def of(self, stage: str) -> dict[str, Any]:
        """The study's keys for a stage, without the keys of compute backends that the stage does not use."""
        keys = {**self.jobs, **self.stages.get(stage, {})}
        backend = keys.get("compute_backend", KUBERNETES)
        return {key: value for key, value in keys.items() if backend_of(key) in (None, backend)}


def backend_of(key: str) -> str | None:
    """The compute backend of a key; None for keys of all backends.

    >>> backend_of("slurm_time"), backend_of("kerberos")
    ('slurmcern', None)
    """
    return next((backend for prefix, backend in _BACKEND_OF.items() if key.startswith(prefix)), None)


def as_reana_says(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of the study with REANA's types: amounts become text, whether quoted in the study or not.

    >>> as_reana_says({"kerberos": True, "kubernetes_uid": 500, "slurm_time": 60, "kubernetes_cpu_request": 0.5})
    {'kerberos': True, 'kubernetes_uid': 500, 'slurm_time': '60', 'kubernetes_cpu_request': '0.5'}
    """
    return {key: value if isinstance(value, bool) or key in _NUMBERS else amount(value) for key, value in keys.items()}


def amount(value: str | float) -> str:
    """An amount of the study as text.

    >>> amount(2.0), amount("8Gi")
    ('2', '8Gi')
    """
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def kubernetes_cores(text: str) -> float:
    """The number of cores of an amount in Kubernetes' notation.

    >>> kubernetes_cores("500m"), kubernetes_cores("2")
    (0.5, 2.0)
    """
    return float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)


def kubernetes_bytes(text: str) -> float:
    """The number of bytes of an amount in Kubernetes' notation.

    >>> kubernetes_bytes("8Gi"), kubernetes_bytes("1.5K")
    (8589934592.0, 1500.0)
    """
    match = _KUBERNETES_SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an amount of memory")
    number, unit, binary = match.groups()
    power = "KMGTPE".index(unit) + 1 if unit else 0
    return float(number) * float(1024 if binary else 1000) ** power


def asked(reana: Reana, engine: str, stage: str, resources: Resources, n_jobs: int) -> dict[str, Any]:
    """REANA's keys for the jobs of a stage: those that the study gives, and those that follow from its resources.

    With the engine `serial` all jobs of a stage share one container and run in parallel on its cores.
    """
    keys = reana.of(stage)
    backend = keys.get("compute_backend", KUBERNETES)
    resources = replace(resources, retries=0)  # REANA has none
    if engine == "serial" and resources != Resources():
        side_by_side = cores(keys, resources) // resources.cpus
        resources = _together(resources, side_by_side, math.ceil(n_jobs / side_by_side))
    derived = {} if resources == Resources() else _DERIVED[backend](resources)
    for what in ("cpu", "memory"):
        if f"kubernetes_{what}_request" in keys:
            derived.pop(f"kubernetes_{what}_limit", None)
    every = keys | {key: value for key, value in derived.items() if key not in keys}
    return {key: value for key, value in every.items() if key not in NOT_READ.get(engine, ())}


def cores(keys: Mapping[str, Any], resources: Resources) -> int:
    """The whole cores of a job, at least as many as its threads; ``keys`` are REANA's keys of the stage."""
    if "kubernetes_cpu_request" in keys:
        return max(resources.cpus, int(kubernetes_cores(keys["kubernetes_cpu_request"])))
    return max(resources.cpus, int(keys.get("htcondor_request_cpus", 0)))


def _together(resources: Resources, side_by_side: int, rounds: int) -> Resources:
    """The resources of one container that runs ``side_by_side`` jobs in parallel, ``rounds`` times."""
    memory, time = resources.memory_mib, resources.time_s
    return Resources(
        resources.cpus * side_by_side,
        None if memory is None else memory * side_by_side,
        None if time is None else time * rounds,
    )


def _of_kubernetes(resources: Resources) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for what, text in (("cpu", str(resources.cpus)), ("memory", f"{resources.memory_mib}Mi")):
        if what == "cpu" or resources.memory_mib is not None:
            # The limit too: REANA refuses a request above the limit, and the server's default limit may be low.
            keys |= {f"kubernetes_{what}_request": text, f"kubernetes_{what}_limit": text}
    return keys if resources.time_s is None else {**keys, "kubernetes_job_timeout": resources.time_s}


def _of_htcondor(resources: Resources) -> dict[str, Any]:
    keys = {"htcondor_request_cpus": str(resources.cpus)}
    if resources.memory_mib is not None:
        keys["htcondor_request_memory"] = f"{resources.memory_mib} MB"  # HTCondor's MB are MiB
    return keys if resources.time_s is None else {**keys, "htcondor_max_runtime": str(resources.time_s)}


def _of_slurm(resources: Resources) -> dict[str, Any]:
    return {} if resources.time_s is None else {"slurm_time": str(math.ceil(resources.time_s / 60))}


_DERIVED = {KUBERNETES: _of_kubernetes, HTCONDOR: _of_htcondor, SLURM: _of_slurm}
