"""mmc's exceptions for users. Each becomes one line on standard error and an exit code."""


class MmcError(Exception):
    """Something outside the study went wrong: the system, an engine, a missing package (exit code 3)."""

    exit_code = 3


class MissingExtraError(MmcError):
    """A package that this command needs is not installed; the message gives the ``pip install`` command."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'mmc[{extra}]'")


class InstallationError(MmcError):
    """MadGraph, Delphes or a program that they call is missing or cannot be used; the message gives a fix."""


class StepError(MmcError):
    """A job of the workflow fails; its output is removed."""


class MixedVersionsError(MmcError):
    """Finished jobs of a run were made with other versions than those that are installed here."""


class UsageError(MmcError):
    """The command line requests something impossible."""

    exit_code = 2


class SettingsError(MmcError):
    """A job's settings do not fit this version of mmc; the message names the field."""
