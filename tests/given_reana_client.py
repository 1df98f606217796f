"""reana-client, in a process of its own environment that has imported it before, and so what takes long to import.

As when its program starts, the module `sitecustomize` on `PYTHONPATH` comes first, and REANA's own modules read the
environment when they are imported.
"""

import os
import sys
from contextlib import suppress

if __name__ == "__main__":
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    for name in [*sys.modules]:
        if name == "sitecustomize" or name.startswith("reana_"):
            del sys.modules[name]
    with suppress(ImportError):  # most have none
        import sitecustomize  # noqa: F401
    from reana_client.cli import cli

    cli(prog_name="reana-client")
