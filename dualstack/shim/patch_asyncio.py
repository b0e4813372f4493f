"""asyncio: racing by default, ``create_server("::")`` for both families, and the proactor of Windows.

* ``create_connection`` (hence ``open_connection``) tries one address after the other unless it is given
  ``happy_eyeballs_delay``; under the patch it gets 0.25 seconds where the program gave neither that nor a family.
* ``create_server("::")`` (hence ``start_server``) sets IPV6_V6ONLY, on purpose and without saying so. Under the patch
  it gets ``["::", "0.0.0.0"]``: two sockets on one port, port 0 included, so that each client has the address of its
  family. Where IPv4 cannot be had, it is ``"::"`` alone, as before.
* ``create_server("0.0.0.0")`` needs nothing here: its socket goes through ``bind`` and ``listen`` of patch_listen.py,
  unless the program named a family.

The methods are those of the base class of asyncio's own loops: they reach loops that exist already. Other loops
(uvloop) have their own and are left alone. No event loop is imported here; asyncio is patched if and when it is there.
"""

from __future__ import annotations

import socket
from contextvars import ContextVar
from errno import EACCES, EADDRINUSE
from functools import wraps

from .. import doors
from .patch_listen import explicit
from .points import Feature, tell
from .shapes import mark, marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .points import Spell

__all__ = ("ASYNCIO_CONNECT", "ASYNCIO_LISTEN")

_ATTEMPT_DELAY_SECONDS = 0.25  # RFC 8305 section 8
_PORT_ROUNDS = 32  # as in core/plan.py
_LOOP = ("asyncio.base_events", "BaseEventLoop")


def _create_connection(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    async def create_connection(self: Any, protocol_factory: Any, host: Any = None, *args: Any, **keywords: Any) -> Any:
        theirs = spell.original if spell.alive else spell.over()
        if spell.alive and host is not None:
            tell("create_connection", host, args[0] if args else keywords.get("port"))
        settled = {"happy_eyeballs_delay", "family", "interleave"} & keywords.keys()
        if spell.alive and host is not None and (not settled or (settled == {"family"} and not keywords["family"])):
            keywords["happy_eyeballs_delay"] = _ATTEMPT_DELAY_SECONDS
        return await theirs(self, protocol_factory, host, *args, **keywords)

    return create_connection


def _create_server(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    async def create_server(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **keywords: Any
    ) -> Any:
        theirs = spell.original if spell.alive else spell.over()
        if not spell.alive:
            return await theirs(self, protocol_factory, host, port, **keywords)
        if keywords.get("family"):
            token = explicit.set(True)
            try:
                return await theirs(self, protocol_factory, host, port, **keywords)
            finally:
                explicit.reset(token)
        if host != "::" or keywords.get("sock") is not None:
            return await theirs(self, protocol_factory, host, port, **keywords)
        for _ in range(_PORT_ROUNDS):
            # asyncio would choose port 0 twice, and differently.
            chosen = port or _free_port()
            if chosen is None:
                break
            token = explicit.set(True)
            try:
                return await theirs(self, protocol_factory, ["::", "0.0.0.0"], chosen, **keywords)
            except OSError as error:
                if port or error.errno not in (EADDRINUSE, EACCES):  # the second is Windows' word for it, at times
                    break
            finally:
                explicit.reset(token)
        return await theirs(self, protocol_factory, host, port, **keywords)

    return create_server


def _free_port() -> int | None:
    """A port that was free on IPv6 just now; it may be taken again, or on IPv4, hence the rounds."""
    try:
        with doors.current.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::", 0))
            port: int = sock.getsockname()[1]
            return port
    except OSError:
        return None


#: True while the proactor prepares to accept from a listener that looks like AF_INET and is not.
_accepting: ContextVar[bool] = ContextVar("dualstack_accepting", default=False)


def _proactor_accept(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def accept(self: Any, listener: Any) -> Any:
        token = _accepting.set(id(listener) in marks.entries)
        try:
            return original(self, listener)
        finally:
            _accepting.reset(token)

    return accept


def _accept_socket(spell: Spell) -> Any:
    """AcceptEx wants a socket of the listener's true family ready before the connection is there."""
    original = spell.original

    @wraps(original)
    def _get_accept_socket(self: Any, family: Any) -> Any:
        if not _accepting.get():
            return original(self, family)
        sock = original(self, socket.AF_INET6)
        mark(sock)
        return sock

    return _get_accept_socket


_PROACTOR = ("asyncio.windows_events", "IocpProactor")

ASYNCIO_CONNECT = Feature(((*_LOOP, "create_connection", _create_connection),))
ASYNCIO_LISTEN = Feature(
    (
        (*_LOOP, "create_server", _create_server),
        (*_PROACTOR, "accept", _proactor_accept),
        (*_PROACTOR, "_get_accept_socket", _accept_socket),
    )
)
