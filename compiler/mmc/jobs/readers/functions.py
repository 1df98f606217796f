"""Observables that are Python functions of the study, which run in jobs that read events, and nowhere else."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mmc.compiler.settings.reading import AnalyseSettings
from mmc.errors import StepError
from mmc.jobs.job import StepJob

Function = Callable[[Mapping[str, Any]], float]
"""The value of an observable from the objects of an event, by name."""


class Event:
    """The objects of an event as attributes: ``event.j[0].pt``, ``event.met``, and the study's objects."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self._objects = objects

    def __getattr__(self, name: str) -> Any:
        try:
            return self._objects[name]
        except KeyError:
            raise AttributeError(f"an event has no {name!r}") from None


def functions(job: StepJob, settings: AnalyseSettings) -> dict[str, Function]:
    """The functions of the study's observables.

    :raises StepError: when the study does not trust a file, or the file does not define the function
    """
    modules: dict[str, ModuleType] = {}
    found = {}
    for observable, function in settings.functions.items():
        if function.file not in settings.trust:
            raise StepError(f"the study does not trust the file of the function {function.name}")
        if function.file not in modules:
            modules[function.file] = _loaded(job.one(function.file))
        called = getattr(modules[function.file], function.name, None)
        if not callable(called):
            raise StepError(f"the file of the observable {observable} does not define the function {function.name}")
        found[observable] = _of_event(observable, called)
    return found


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"study_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise StepError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise StepError(f"{path.name} does not run: {type(error).__name__}: {error}") from error
    return module


def _of_event(observable: str, function: Callable[[Event], Any]) -> Function:
    def value(objects: Mapping[str, Any]) -> float:
        """:raises ZeroDivisionError: when the observable has no value in the event"""
        try:
            found = function(Event(objects))
        except Exception as error:
            raise StepError(f"the function of {observable} fails: {type(error).__name__}: {error}") from error
        if found is None:
            raise ZeroDivisionError(f"{observable} has no value")
        if not isinstance(found, int | float | np.number | np.bool_):
            raise StepError(f"the function of {observable} returns {type(found).__name__} instead of a number")
        return float(found)

    return value
