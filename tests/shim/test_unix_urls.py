"""URLs of HTTP over Unix sockets: one spelling that survives what clients do to a host."""

from __future__ import annotations

import os
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack import AddressError
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.shim.unix_urls import leads_to_a_socket, socket_of, unix_url

posix = pytest.mark.skipif(os.name != "posix", reason="paths as POSIX has them; runs there")


@posix
@pytest.mark.parametrize(
    ("path", "target", "tls", "url"),
    [
        pytest.param("/run/app.sock", "/", False, "http+unix://%2Frun%2Fapp.sock/", id="plain"),
        pytest.param("/run/app.sock", "/a?b=c#d", False, "http+unix://%2Frun%2Fapp.sock/a?b=c#d", id="target"),
        pytest.param("/run/App", "/", True, "https+unix://%2Frun%2F%41pp/", id="capitals-and-tls"),
        pytest.param("/a b:c@d[e]%41", "/", False, "http+unix://%2Fa%20b%3Ac%40d%5Be%5D%2541/", id="delimiters"),
        pytest.param("/é", "/", False, "http+unix://%2F%C3%A9/", id="not-ascii"),
        pytest.param(b"/\xff", "/", False, "http+unix://%2F%FF/", id="not-utf-8"),
        pytest.param("\0name", "/", False, "http+unix://%00name/", id="abstract"),
    ],
)
def test_written(path, target, tls, url):
    assert unix_url(path, target, tls=tls) == url


@posix
@given(st.binary(min_size=1, max_size=80).filter(lambda name: b"\0" not in name))
def test_what_is_written_is_read_whatever_clients_do_to_it(name):
    endpoint = UnixEndpoint(b"/" + name)
    host = urllib.parse.urlsplit(unix_url(b"/" + name, "/x")).hostname  # makes small letters
    assert host is not None
    assert socket_of(host) == socket_of(host.lower()) == endpoint


@posix
@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        pytest.param("%2frun%2fapp.sock", UnixEndpoint("/run/app.sock"), id="small"),
        pytest.param("%2Frun%2FApp.sock", UnixEndpoint("/run/App.sock"), id="capitals-by-hand"),
        pytest.param("%40name", UnixEndpoint(b"\0name"), id="at"),
        pytest.param("%00name", UnixEndpoint(b"\0name"), id="nul"),
    ],
)
def test_read(host, endpoint):
    assert socket_of(host) == endpoint


@posix
@pytest.mark.parametrize(
    ("host", "reason"),
    [
        pytest.param("", "missing", id="empty"),
        pytest.param("%00", "missing", id="empty-abstract"),
        pytest.param("app.sock", "relative", id="relative"),
        pytest.param("run%2Fapp.sock", "relative", id="no-root"),
        pytest.param("%2Frun%00x", "NUL", id="nul-inside"),
    ],
)
def test_what_is_no_socket_is_refused(host, reason):
    with pytest.raises(AddressError, match=reason) as caught:
        socket_of(host)
    assert caught.value.text == host
    path = urllib.parse.unquote_to_bytes(host)
    with pytest.raises(AddressError, match=reason):
        unix_url(path)


def test_a_target_begins_with_a_slash():
    with pytest.raises(ValueError, match=r"slash: 'status'"):
        unix_url("/run/app.sock", "status")


def test_relative_references_are_resolved():
    assert urllib.parse.urljoin("http+unix://%2Fa/b/c", "/d") == "http+unix://%2Fa/d"
    assert urllib.parse.urljoin("https+unix://%2Fa/b/c", "d?e") == "https+unix://%2Fa/b/d?e"


@pytest.mark.parametrize(
    ("url", "location", "leads"),
    [
        pytest.param("http://a/", None, False, id="no-redirect"),
        pytest.param("http://a/", "/x", False, id="relative"),
        pytest.param("http://a/", "http://b/", False, id="another-host"),
        pytest.param("http://a/", "http+unix://%2Fs/", True, id="from-the-network"),
        pytest.param("http://a/", "HTTP+UNIX://%2Fs/", True, id="capitals"),
        pytest.param("http+unix://%2Fs/", "/x", False, id="the-same-socket"),
        pytest.param("http+unix://%2Fs/", "http+unix://%2Fs/x", False, id="the-same-socket-in-full"),
        pytest.param("http+unix://%2Fs/", "//%2Ft/x", True, id="another-socket"),
        pytest.param("http+unix://%2Fs/", "http://localhost/", False, id="out-of-the-socket"),
    ],
)
def test_redirects_that_lead_to_a_socket(url, location, leads):
    assert leads_to_a_socket(location, url) is leads
