"""URLs of HTTP over a Unix socket: ``http+unix://%2Frun%2Fapp.sock/path``, the spelling that HTTP clients share.

Problem: there is no standard for it. The most used spelling, which tools of container engines read, puts the
percent-encoded path where the host stands. But a host has no case: urllib.parse, yarl and httpx make small letters of
it, and ``/run/App.sock`` becomes another file.

Our rule: ``unix_url`` makes the URL; it also writes capital letters as ``%41``, which no client changes into something
else. Reading takes both. An abstract name (Linux) begins with ``%00`` or ``%40`` (@). Relative paths are refused: they
are nearly always a path that somebody forgot to encode. The Host header and the name for TLS are ``localhost``; for
any other name use an ordinary URL and the ``unix=`` argument of the client.

Importing this tells ``urllib.parse`` that references in these schemes may be relative, without which nobody can follow
a redirect to ``/login``.
"""

from __future__ import annotations

import os
import urllib.parse

from ..core.endpoint_unix import UnixEndpoint
from ..errors import AddressError

__all__ = ("unix_url",)

#: The schemes, and what is spoken over the socket in each.
SCHEMES = {"http+unix": "http", "https+unix": "https"}
#: Host header and TLS name of a server that has no name.
HOST = "localhost"

_KEPT = "abcdefghijklmnopqrstuvwxyz0123456789-._~"

for _scheme in SCHEMES:
    for _list in (urllib.parse.uses_relative, urllib.parse.uses_netloc):
        if _scheme not in _list:
            _list.append(_scheme)


def unix_url(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], target: str = "/", *, tls: bool = False) -> str:
    """Make the URL of *target* (path and query) on the server at a Unix socket.

    ``unix_url("/run/app.sock", "/status?full")`` is ``"http+unix://%2Frun%2Fapp.sock/status?full"``. A path that
    begins with NUL is an abstract name. *tls* asks for ``https+unix``. Raises AddressError for a relative path, for
    an empty one and for a NUL inside, ValueError for a *target* that does not begin with a slash.
    """
    if not target.startswith("/"):
        raise ValueError(f"the target begins with a slash: {target!r}")
    endpoint = _checked(os.fsencode(path))
    raw = b"\0" + endpoint.abstract if endpoint.abstract is not None else os.fsencode(endpoint.path or "")
    host = "".join(chr(byte) if chr(byte) in _KEPT else f"%{byte:02X}" for byte in raw)
    return f"{'https' if tls else 'http'}+unix://{host}{target}"


def socket_of(host: str) -> UnixEndpoint:
    """Read the host part of such a URL; AddressError when it is not the path of a socket."""
    raw = urllib.parse.unquote_to_bytes(host)
    return _checked(b"\0" + raw[1:] if raw.startswith(b"@") else raw, host)


def leads_to_a_socket(location: str | None, url: str) -> bool:
    """Whether a redirect from *url* to *location* would reach a Unix socket that *url* did not name.

    A server on the network has no business there; no client follows such a redirect.
    """
    if not location:
        return False
    here, there = urllib.parse.urlsplit(url), urllib.parse.urlsplit(urllib.parse.urljoin(url, location))
    return there.scheme in SCHEMES and (here.scheme not in SCHEMES or here.netloc != there.netloc)


def _checked(raw: bytes, text: str | None = None) -> UnixEndpoint:
    shown = os.fsdecode(raw) if text is None else text
    if not raw or raw == b"\0":
        raise AddressError(shown, 0, "the path of the socket is missing")
    if not raw.startswith((b"/", b"\0")) and not os.path.isabs(os.fsdecode(raw)):
        raise AddressError(shown, 0, "a relative path; write it from the root and encoded, %2Frun%2Fapp.sock")
    try:
        return UnixEndpoint(raw)
    except AddressError as error:
        raise AddressError(shown, 0, error.reason) from None
