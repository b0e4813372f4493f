"""The resolver of the fake world: literals, ``localhost``, a few services, and the names a test scripts."""

from __future__ import annotations

import socket
from typing import Any

from .clock import Clock
from .hosts import Host

__all__ = ("Resolver",)

_SERVICES = {"http": 80, "https": 443, "domain": 53, "ssh": 22}
_PROTOCOLS = {
    socket.SOCK_STREAM: socket.IPPROTO_TCP,
    socket.SOCK_DGRAM: socket.IPPROTO_UDP,
    socket.SOCK_RAW: 0,
}
Row = tuple[int, int, int, str, tuple[Any, ...]]


class _Answer:
    def __init__(self, addresses: list[str], after: float, failure: BaseException | None) -> None:
        self.addresses = addresses
        self.after = after
        self.failure = failure


class Resolver:
    """Answers scripted per name and family; everything else does not exist."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self.host = host
        self.clock = clock
        #: Every question asked, as (host, port, family), in order.
        self.questions: list[tuple[str | None, Any, int]] = []
        self._answers: dict[tuple[str, int], _Answer] = {}

    def answer(self, name: str, family: int, addresses: list[str], after: float, failure: BaseException | None) -> None:
        self._answers[name.lower().rstrip("."), family] = _Answer(addresses, after, failure)

    def getservbyname(self, service: str) -> int:
        try:
            return _SERVICES[service]
        except KeyError:
            raise OSError("service/proto not found") from None

    def getaddrinfo(self, name: str | None, port: Any, family: int, type: int, proto: int, flags: int) -> list[Row]:
        self.questions.append((name, port, family))
        number = self._port(port)
        families: list[int] = [wanted for wanted in (socket.AF_INET6, socket.AF_INET) if family in (0, wanted)]
        if not families:
            raise socket.gaierror(socket.EAI_FAMILY, "ai_family not supported")
        if name is None:
            passive = flags & socket.AI_PASSIVE
            hosts = [("0.0.0.0" if passive else "127.0.0.1", 0), ("::" if passive else "::1", 0)]
        else:
            hosts = self._literal(name) or self._name(name, families, flags)
        rows: list[Row] = []
        for host, scope in hosts:
            six = ":" in host
            if (socket.AF_INET6 if six else socket.AF_INET) not in families:
                continue
            for kind, protocol in _PROTOCOLS.items():
                if type in (0, kind) and proto in (0, protocol):
                    sockaddr = (host, number, 0, scope) if six else (host, number)
                    rows.append((socket.AF_INET6 if six else socket.AF_INET, kind, protocol, "", sockaddr))
        if not rows:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return rows

    def _port(self, port: Any) -> int:
        if port is None:
            return 0
        if isinstance(port, int) or port.isdigit():
            return int(port) & 0xFFFF  # glibc wraps; callers must have checked
        try:
            return self.getservbyname(port)
        except OSError:
            raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype") from None

    def _literal(self, name: str) -> list[tuple[str, int]]:
        bare, _, zone = name.partition("%")
        scope = 0
        if zone:
            scope = int(zone) if zone.isdigit() else self.host.index_of(zone)
            if not scope:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                return [(socket.inet_ntop(family, socket.inet_pton(family, bare)), scope)]
            except OSError:
                continue
        return []

    def _name(self, name: str, families: list[int], flags: int) -> list[tuple[str, int]]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        key = name.lower().rstrip(".")
        if key == "localhost" and not any((key, family) in self._answers for family in families):
            return [found for text in self.host.localhost for found in self._literal(text)]
        found = [self._answers[key, family] for family in families if (key, family) in self._answers]
        if found:
            # One call for both families takes as long as the slower of the two.
            self.clock.sleep(max(answer.after for answer in found), f"getaddrinfo({name!r})")
        failures = [answer.failure for answer in found if answer.failure is not None]
        if failures and len(failures) == len(found):
            raise failures[0]
        return [literal for answer in found for text in answer.addresses for literal in self._literal(text)]
