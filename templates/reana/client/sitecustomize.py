"""Python imports this when reana-client starts, because mmc puts this folder first on its search path.

reana-client 0.9.6 accepts every certificate, and waits for ever for a server that is silent. With this, it checks the
certificate as ``requests`` does by default, and gives up after some minutes. mmc reads the lines on standard error.
"""

import os
import sys

try:
    from requests.adapters import HTTPAdapter
    from requests.exceptions import SSLError
except ImportError:  # the program is not reana-client
    pass
else:
    CONNECT_S, SILENCE_S = 30, 300
    AUTHORITY = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    original = HTTPAdapter.send

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):  # noqa: PLR0917
        """``HTTPAdapter.send``, whatever the caller says about certificates."""
        try:
            return original(self, request, stream, timeout or (CONNECT_S, SILENCE_S), AUTHORITY, cert, proxies)
        except SSLError as error:
            sys.stderr.write(f"mmc: certificate refused: {' '.join(str(error).split())}\n")
            raise

    HTTPAdapter.send = send
    sys.stderr.write("mmc: certificates are checked\n")
