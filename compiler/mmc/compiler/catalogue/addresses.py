"""Addresses of servers: which of them a study may name, and how they are shown and written."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from mmc.printing import replace_logins


def public(text: str) -> str:
    """An address, or a text with addresses, without users and passwords; a password may contain ``@`` and ``/``.

    >>> public("https://me:a/b@c@host:5000/x"), public("no answer of http://me@host: Errno 1")
    ('https://host:5000/x', 'no answer of http://host: Errno 1')
    """
    return replace_logins(text, lambda _login: "")


def has_login(uri: str) -> bool:
    """Whether an address contains a user or a password."""
    return public(uri) != uri


def is_server(uri: str) -> bool:
    """Whether an address is one of a server on the web, rather than of a file or a database."""
    return re.match(r"https?://[^/?#]", uri, re.IGNORECASE) is not None


def host_of(uri: str) -> str | None:
    """The host of a server's address with its port, in lower case; None if it is not such an address.

    >>> host_of("https://Tracking.example/x"), host_of("http://127.0.0.1:5000"), host_of("sqlite:////a.db")
    ('tracking.example:443', '127.0.0.1:5000', None)
    """
    try:
        parts = urlsplit(public(uri))
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return f"{parts.hostname}:{port}" if parts.hostname else None


def is_private(uri: str) -> bool:
    """Whether nobody else can read what is sent to a server: by https, or on this machine.

    >>> is_private("https://host"), is_private("http://localhost:5000"), is_private("http://host")
    (True, True, False)
    """
    try:
        parts = urlsplit(public(uri))
        host = parts.hostname or ""
    except ValueError:
        return False
    try:
        return parts.scheme == "https" or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
