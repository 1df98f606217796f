"""`yadage-run` without what makes it slow: python tests/quick_yadage.py [ARGUMENT OF yadage-run...]

Yadage compiles the same few jq programs again at each look at each job, which is nine tenths of its CPU time, and
sleeps half a second after the start of each job. What it runs, when and with which words stays the same.
"""

import functools
from types import SimpleNamespace

import jq

jq.jq = functools.cache(jq.jq)

from packtivity.handlers import execution_handlers  # noqa: E402
from yadage.steering import main  # noqa: E402

execution_handlers.time = SimpleNamespace(sleep=lambda seconds: None)

if __name__ == "__main__":
    main()
