"""`mlflow server`, in a process that has imported what it needs, and that becomes the server which MLflow starts."""

import os
import runpy
import sys
from collections.abc import Mapping, Sequence

import mlflow.server


def become(command: Sequence[str], extra_env: Mapping[str, str], **_: object) -> None:
    """Run what Python is told to run as a module, here instead of in a process of its own."""
    os.environ.update(extra_env)
    sys.argv = [*command[2:]]
    runpy.run_module(command[2], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    os.setsid()  # its processes can be killed as a group
    mlflow.server._exec_cmd = become
    from mlflow.cli import cli

    os.write(1, f"{os.getpid()}\n".encode())
    os.dup2(2, 1)
    cli(prog_name="mlflow")
