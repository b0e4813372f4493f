"""``socket.create_connection`` and urllib3's own copy of it, by the race of RFC 8305.

``http.client``, ``urllib.request``, ``smtplib``, ``ftplib``, ``imaplib``, ``logging.handlers`` and many others connect
by ``socket.create_connection`` and look it up at each call; urllib3 (hence requests) has a copy with socket options.
Both are replaced, with the arguments, results and exceptions that they had. Who has said ``from socket import
create_connection`` before the patch keeps what it imported.

urllib3 asks ``allowed_gai_family()`` for the family, and programs replace that function, or set ``HAS_IPV6``, to have
IPv4 alone. Where it says anything but AF_UNSPEC, urllib3's own code connects; so it does where a program has put
something else in place of ``socket.socket`` or ``socket.getaddrinfo``.
"""

from __future__ import annotations

import socket
import sys
from functools import wraps
from socket import _GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]  # the default that callers pass on

from ..errors import AddressError
from .points import Feature, notices, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .points import Spell

__all__ = ("CONNECT",)

_OWN_CLASS = socket.socket
_URLLIB3 = "urllib3.util.connection"


def _create_connection(spell: Spell) -> Any:
    from .socket_connect import create_connection as racing

    original = spell.original
    resolver = socket.getaddrinfo

    @wraps(original)
    def create_connection(
        address: Any,
        timeout: Any = _GLOBAL_DEFAULT_TIMEOUT,
        source_address: Any = None,
        *,
        all_errors: bool = False,
    ) -> Any:
        if not spell.alive:
            more = {"all_errors": True} if all_errors else {}  # Python 3.10 has no such argument
            return spell.over()(address, timeout, source_address, **more)
        if notices:
            tell("socket.create_connection", *address[:2])
        lookup: Any = socket.getaddrinfo if socket.getaddrinfo is not resolver else None
        return racing(address, timeout, source_address, all_errors=all_errors, lookup=lookup)

    return create_connection


def _urllib3_create_connection(spell: Spell) -> Any:
    from .dial import Dial

    original = spell.original
    dial = Dial()
    resolver = socket.getaddrinfo

    @wraps(original)
    def create_connection(
        address: Any, timeout: Any = None, source_address: Any = None, socket_options: Any = None
    ) -> Any:
        module = sys.modules.get(_URLLIB3)
        family = getattr(module, "allowed_gai_family", lambda: 0)()
        theirs = spell.original if spell.alive else spell.over()
        replaced = socket.socket is not _OWN_CLASS or socket.getaddrinfo is not resolver
        if not spell.alive or family != socket.AF_UNSPEC or replaced:
            return theirs(address, timeout, source_address, socket_options)
        host, port = address
        host = host.strip("[]") if host.startswith("[") else host
        try:
            host.encode("idna")
        except UnicodeError:  # urllib3 has an exception of its own for it
            return theirs(address, timeout, source_address, socket_options)
        if not (timeout is None or isinstance(timeout, (int, float))):
            timeout = socket.getdefaulttimeout()  # the sentinel of either version
        if timeout == 0:
            return theirs(address, timeout, source_address, socket_options)
        try:
            sock = dial.connect(host, port, timeout, source_address, socket_options)
        except AddressError:  # "127.1", say: what comes of it is the system's to tell
            return theirs(address, timeout, source_address, socket_options)
        sock.settimeout(timeout)
        return sock

    return create_connection


CONNECT = Feature(
    (
        ("socket", "", "create_connection", _create_connection),
        (_URLLIB3, "", "create_connection", _urllib3_create_connection),
    )
)
