"""Addresses are shown without logins, however a password is made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.catalogue.addresses import has_login, host_of, is_private, is_server, public
from mmc.compiler.language.diagnostics import without_login


@given(st.text(alphabet="ab:/@?#%&", max_size=12))
def test_no_password_is_shown(password: str) -> None:
    uri = f"https://me:{password}@host.example/x"
    assert public(uri) == "https://host.example/x" and has_login(uri)
    assert public(f"no answer of {uri}: Errno 1") == "no answer of https://host.example/x: Errno 1"


@given(st.text(alphabet="ab:/@?#%&", max_size=12))
def test_no_password_is_in_an_excerpt(password: str) -> None:
    line = f'uri: "https://me:{password}@host.example/x"'
    hidden = without_login(line)
    assert hidden == f'uri: "https://{"*" * len(f"me:{password}")}@host.example/x"' and len(hidden) == len(line)


@pytest.mark.parametrize("uri", ["https://host", "http://127.0.0.1:5000/x", "sqlite:////a.db", "", "https://["])
def test_an_address_without_login(uri: str) -> None:
    assert public(uri) == uri and not has_login(uri)


def test_kinds_of_addresses() -> None:
    assert [is_server(uri) for uri in ("https://a", "http://a", "https://", "sqlite:////a", "file:///a", "x")] == [
        *(True, True, False, False, False, False)
    ]
    assert [host_of(uri) for uri in ("https://[::1", "https://a:x", "https://u:p@A:1", "http://a")] == [
        *(None, None, "a:1", "a:80")
    ]
    assert [
        is_private(uri) for uri in ("http://[::1]:5", "http://127.0.0.9", "http://a", "https://a", "https://[")
    ] == [*(True, True, False, True, False)]
