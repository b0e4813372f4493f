"""What a running program does over IPv4 alone: every call, where it stands, and which rule of the checker it breaks.

The source is ``sys.addaudithook``: Python tells of every socket, bind, connect and look-up, whoever makes it, and the
stack tells who. A call is put down to the innermost frame that is neither the standard library nor dualstack: the line
a person can change. What the standard library did in between decides the rule: a ``bind`` below ``socketserver`` is
the address family of a server class, the same ``bind`` below asyncio is its ``host=``.

An AF_INET socket is no proof. Code that asks ``getaddrinfo`` for every family and takes what comes makes them too, so
``socket.getaddrinfo`` is wrapped, the addresses it gave for names are remembered, and a bind or connect to one of these
counts for nothing; asking it for AF_INET does. Connections that race (shim/socket_connect.py) are made by dualstack and
are not looked at; what the program asked them for is.

An audit hook cannot be taken out again and must not raise: an exception would stop the call it hears of.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
from functools import wraps

from ..shim import points
from ..shim.patch_asyncio import ASYNCIO_CONNECT
from ..shim.patch_listen import asked
from ..shim.points import Feature
from ..shim.shapes import ByIdentity, family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

    from ..shim.points import Spell

__all__ = ("Observer", "Seen")

_AF_INET, _DGRAM = int(socket.AF_INET), int(socket.SOCK_DGRAM)
# An embedded Python has a zip file, and names a folder that is not there for what is frozen, as os is.
_LIBRARY = tuple(os.path.dirname(os.path.abspath(one)) + os.sep for one in (os.__file__, selectors.__file__))
_PACKAGES = ("site-packages", "dist-packages")
# Ours, but they stand in for the function of the program's choice.
_TRANSPARENT = ("dualstack.shim.patch_", "dualstack.shim.shapes", "dualstack.shim.points", "dualstack.cli.observed")
_MOST_ADDRESSES = 20_000


class Seen:
    """One place that did one thing, and how often."""

    __slots__ = ("call", "code", "count", "instruction", "line", "rule", "through")

    def __init__(self, rule: str, call: str, code: CodeType, line: int, instruction: int, through: str) -> None:
        self.rule = rule
        self.call = call  # as it would be written: bind(('', 80))
        self.code = code
        self.line = line
        self.instruction = instruction  # byte offset in the code, for the column
        self.through = through  # the module of the standard library between the place and the call, or ""
        self.count = 1


class _Place:
    """Where a call comes from."""

    __slots__ = ("direct", "frame", "names", "through")

    def __init__(self, frame: FrameType, through: list[str], names: list[str]) -> None:
        self.frame = frame
        self.through = through  # modules in between, innermost first
        self.names = names  # functions in between, as module.function
        self.direct = not through


class Observer:
    """Collects what is seen in this process; forked children have their own copy, which nobody reads."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, CodeType, int], Seen] = {}
        self.pid = os.getpid()
        self._resolved: dict[tuple[str, Any], None] = {}
        self._born = ByIdentity()  # IPv4 sockets that the program made itself: their place
        self._handlers: dict[str, Callable[..., None]] = {
            "socket.__new__": self._new,
            "socket.bind": self._bind,
            "socket.connect": self._connect,
            "socket.sendto": self._sendto,
            "socket.gethostbyname": self._gethostbyname,
            "socket.gethostbyaddr": self._gethostbyaddr,
            "socket.getaddrinfo": self._getaddrinfo,
        }

    @classmethod
    def start(cls) -> Observer:
        """Begin to look, for good."""
        observer = cls()
        Feature(
            (
                ("socket", "", "getaddrinfo", observer._remembering),
                ("asyncio.base_events", "BaseEventLoop", "getaddrinfo", observer._in_a_loop),
            )
        ).acquire()
        points.notices.append(observer._asked)
        sys.addaudithook(observer._hook)
        return observer

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        handler = self._handlers.get(event)
        if handler is None:
            return
        try:
            handler(*args)
        except Exception:  # noqa: BLE001 - whatever goes wrong here must not stop the program's own call
            return

    # ------------------------------------------------------------------ what happens

    def _new(self, sock: Any, family: int, type: int, proto: int) -> None:
        if family not in (_AF_INET, -1) or type == -1:  # -1 and -1: of a descriptor that tells
            return
        place = _place()
        if place is not None and place.names == ["socket.__init__"]:
            self._born.put(sock, (place.frame.f_code, place.frame.f_lineno, place.frame.f_lasti))

    def _bind(self, sock: Any, address: Any) -> None:
        if not self._is_four(sock, address):
            return
        place = _place()
        if place is None:
            return
        host = _text(address[0])
        wildcard = {"": "DST605", "0.0.0.0": "DST601"}.get(host)
        rule = _rule_of_bind(place, wildcard is not None) or wildcard or _rule_of_literal(host)
        if rule is not None:
            self._put(rule, f"bind({asked.get() or address!r})", place)
            self._put_birth(sock)

    def _connect(self, sock: Any, address: Any) -> None:
        if not self._is_four(sock, address):
            return
        place = _place()
        if place is None or (ASYNCIO_CONNECT.active and "asyncio.base_events._connect_sock" in place.names):
            return  # asyncio's race runs in tasks of its own, and the program was asked what it wants (_asked)
        host = _text(address[0])
        rule = _rule_of_literal(host) or "DST101"
        if rule == "DST606" and sock.type == _DGRAM:
            rule = "DST603"
        if "multiprocessing.connection" in place.through:
            rule = "DST110"
        self._put(rule, f"connect({address!r})", place)
        self._put_birth(sock)

    def _sendto(self, sock: Any, address: Any) -> None:
        if not self._is_four(sock, address):
            return
        host, place = _text(address[0]), _place()
        if place is None:
            return
        if "logging.handlers" in place.through:
            self._put("DST109", f"sendto(..., {address!r})", place)
        elif host in ("255.255.255.255", "<broadcast>"):
            self._put("DST607", f"sendto(..., {address!r})", place)
        elif not _is_literal(host):  # an address may be that of somebody who is answered
            self._put("DST101", f"sendto(..., {address!r})", place)
            self._put_birth(sock)

    def _gethostbyname(self, name: Any) -> None:
        place = _place()
        if place is not None:
            rule = "DST203" if name == socket.gethostname() else "DST201"
            self._put(rule, f"gethostbyname({name!r})", place)

    def _gethostbyaddr(self, address: Any) -> None:
        place = _place()
        if place is not None and place.direct:  # socketserver and others ask by themselves
            self._put("DST205", f"gethostbyaddr({address!r})", place)

    def _getaddrinfo(self, host: Any, port: Any, family: int, type: int, proto: int) -> None:
        if family == _AF_INET:
            place = _place()
            if place is not None:
                self._put("DST104", f"getaddrinfo({host!r}, {port!r}, AF_INET)", place)

    def _asked(self, call: str, host: Any, port: Any) -> None:
        """What the program asked a function for that dualstack has taken over."""
        place = _place()
        rule = _rule_of_literal(_text(host)) if isinstance(host, (str, bytes)) else None
        if place is not None and rule is not None:
            shown = f"({host!r}, {port!r})" if call == "socket.create_connection" else f"{host!r}, {port!r}"
            self._put(rule, f"{call.removeprefix('socket.')}({shown})", place)

    # ------------------------------------------------------------------ putting it down

    def _is_four(self, sock: Any, address: Any) -> bool:
        """Whether this is an IPv4 socket with an address that did not come from an open look-up."""
        if family_of(sock) != _AF_INET or not isinstance(address, tuple) or len(address) < 2:
            return False
        host, port = _text(address[0]), address[1]
        return (host, port) not in self._resolved and not (asked.get() and (host, 0) in self._resolved)

    def _put(self, rule: str, call: str, place: _Place) -> None:
        through = place.through[-1] if place.through else ""
        code, line, instruction = place.frame.f_code, place.frame.f_lineno, place.frame.f_lasti
        self._count(rule, call, code, line, instruction, "" if through == "socket" else through)

    def _put_birth(self, sock: Any) -> None:
        born = self._born.pop(sock)
        if born is not None:
            code, line, instruction = born
            self._count("DST101", "socket(AF_INET)", code, line, instruction, "")

    def _count(self, rule: str, call: str, code: CodeType, line: int, instruction: int, through: str) -> None:
        if os.getpid() != self.pid:
            return
        key = (rule, code, instruction)
        known = self.seen.get(key)
        if known is None:
            self.seen[key] = Seen(rule, call, code, line, instruction, through)
        else:
            known.count += 1

    def _remembering(self, spell: Spell) -> Any:
        original = spell.original

        @wraps(original)
        def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
            found = original(host, port, family, type, proto, flags)
            if not (isinstance(host, (str, bytes)) and _is_literal(_text(host))):
                if len(self._resolved) > _MOST_ADDRESSES:
                    self._resolved.clear()
                self._resolved.update(dict.fromkeys((row[4][0], row[4][1]) for row in found if row[0] == _AF_INET))
            return found

        return getaddrinfo

    def _in_a_loop(self, spell: Spell) -> Any:
        """asyncio resolves in a thread, where the program is not on the stack; here it is."""
        original = spell.original

        @wraps(original)
        async def getaddrinfo(loop: Any, host: Any, port: Any, *args: Any, **keywords: Any) -> Any:
            self._getaddrinfo(host, port, keywords.get("family", 0), 0, 0)
            return await original(loop, host, port, *args, **keywords)

        return getaddrinfo


# ---------------------------------------------------------------------- reading the stack


def _place() -> _Place | None:
    """Who is behind the call that is under way; None when dualstack makes it for itself."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(_TRANSPARENT):
        frame = frame.f_back
    innermost = frame
    through: list[str] = []
    names: list[str] = []
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module.startswith("dualstack."):
            if not module.startswith(_TRANSPARENT):
                break
        elif module == "__main__" or not _is_library(frame):
            return _Place(frame, through, names)
        else:
            through.append(module)
            names.append(f"{module}.{frame.f_code.co_name}")
        frame = frame.f_back
    # In a thread of the standard library the program is not on the stack; the work of an executor says nothing then.
    if frame is None and innermost is not None and "concurrent.futures.thread" not in through:
        return _Place(innermost, through, names)
    return None


def _is_library(frame: FrameType) -> bool:
    if frame.f_code.co_filename.startswith("<frozen "):
        return True
    filename = frame.f_globals.get("__file__")  # code in a zip file (embedded Pythons) has the bare name alone
    if not isinstance(filename, str):
        filename = frame.f_code.co_filename
    return filename.startswith(_LIBRARY) and not any(part in filename for part in _PACKAGES)


def _rule_of_bind(place: _Place, wildcard: bool) -> str | None:
    """The rule that the code between the program and ``bind`` decides."""
    for module, rule, only_wildcard in (
        ("multiprocessing.connection", "DST110", False),
        ("socketserver", "DST106", False),
        ("asyncio.base_events", "DST604", True),
    ):
        if module in place.through and (wildcard or not only_wildcard):
            return rule
    return "DST107" if "socket.create_server" in place.names else None


def _rule_of_literal(host: str) -> str | None:
    if not _is_literal(host):
        return None
    return "DST602" if host.startswith("127.") else "DST606"


def _is_literal(host: str) -> bool:
    try:
        socket.inet_aton(host)  # noqa: DST301 - the question is whether the system takes it for IPv4
    except OSError:
        return False
    return True


def _text(host: Any) -> str:
    return host.decode("latin-1") if isinstance(host, (bytes, bytearray)) else str(host)
