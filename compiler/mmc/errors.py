"""The failures of mmc that a user may meet. Each becomes one line on standard error and an exit code."""


class MmcError(Exception):
    """Something outside the study went wrong: the system, an engine, a missing package (exit code 3)."""

    exit_code = 3


class MissingExtraError(MmcError):
    """A package that this command needs is not installed; the message names the ``pip install`` that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'mmc[{extra}]'")


class InstallationError(MmcError):
    """MadGraph, Delphes or what they call is not on this machine or cannot be used; the message names a way out."""


class StepError(MmcError):
    """A job of the workflow cannot give what it promised; nothing of its output is left behind."""


class UsageError(MmcError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class SettingsError(MmcError):
    """A job's settings are not those that this version of mmc writes; the message names the field."""
