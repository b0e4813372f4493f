"""connect: Happy Eyeballs (RFC 8305) in plain synchronous code, on selectors, without a thread of its own.

The decisions are core/race.py's, the waiting is selecting.py's; here are the arguments and their meaning.

An address that stands alone, a literal mostly, has nothing to race: one blocking connect does it. Several that are
known are tried in turn first (turns.py), which is what the race does until an attempt takes longer than its delay.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, SOCK_STREAM

from .. import doors
from ..core.delays import ATTEMPT_DELAY_SECONDS, RESOLUTION_DELAY_SECONDS, check_delays, check_timeout
from ..core.endpoint import (
    AF_UNIX,
    Endpoint,
    IPv4Endpoint,
    IPv6Endpoint,
    canonical_endpoint,
    ipv4_endpoint,
    ipv6_endpoint,
    loopback_endpoints,
)
from ..core.history import History
from ..core.text import ipv4_packed, ipv6_packed
from .attempt import TRIES, SelfConnected, Ways, local_addresses
from .names import Question, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from socket import socket as Socket

    from ..core.guard import Allow
    from ..core.trace import Trace
    from ..doors import Doors
    from ..errors import ConnectError
    from .attempt import Local, Options
    from .resolve import Host

__all__ = ("connect", "history")

#: What the connects of this process remember unless they are given another History: see core/history.py.
history: History = History()

_UNSPECIFIED = {b"\0\0\0\0": ("127.0.0.1",), bytes(16): ("::1", "127.0.0.1")}
# Imported once, when first needed.
_connect_unix: list[Callable[[Doors, Socket, Endpoint, float | None], None]] = []
_read_unix: list[Callable[[str], Endpoint]] = []


def connect(
    host: Host,
    port: int | str | None = None,
    *,
    timeout: float | None = None,
    local: Local | None = None,
    attempt_delay: float | None = ATTEMPT_DELAY_SECONDS,
    resolution_delay: float = RESOLUTION_DELAY_SECONDS,
    family: int | None = None,
    allow: Allow | None = None,
    trace: Trace | None = None,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    options: Options | None = None,
    history: History | None = history,
) -> Socket:
    """Connect to a host by the first of its addresses that answers; returns a blocking stdlib socket.

    All addresses of both families race as RFC 8305 says, so a dead one costs *attempt_delay* (0.25 s), not a timeout.
    *timeout* in seconds covers everything, the name look-up and the TLS handshake included; without one (None or
    infinity) a black hole lasts until the system gives up, two minutes or more.

    * *host* may carry its port (``"[::1]:80"``), be ``"unix:/path"``, an Address or an Endpoint. ``"::"``,
      ``"0.0.0.0"`` and ``"*"`` mean loopback on every system.
    * *local*: where to connect from: a port, an address (``"192.0.2.1"``, ``"[::]:5000"``), an interface
      (``"%eth0"``, or ``"eth0"``, as names are not resolved here), or a list with one address per family. Candidates
      of a family without one are not tried.
    * *attempt_delay*: 0.01 to 2 seconds between attempts; None tries one address at a time.
    * *allow*: a function of each Endpoint (not an async one), or networks; asked right before the socket is made, so
      that there is no second look-up to fool. ``dualstack.public_only`` keeps a server from reaching into its own
      network.
    * *trace*: called with a TraceEvent for each thing that happens.
    * *tls*: an SSLContext; *server_hostname* defaults to the host as written, which is right for names and IP literals.
      A Unix socket needs it spelled out.
    * *options*: SocketOptions, or a function that is called with each new socket before it is bound and connected.
    * *history*: what to remember about silent families (10 minutes, per process); None remembers nothing.

    Raises ConnectError, whose ``attempts`` say what happened to each address and after how long, and which is also a
    ConnectionRefusedError, TimeoutError, PermissionError or FileNotFoundError when all agree; ResolveError for a name
    without addresses; AddressError for what is no address; ssl.SSLError from the handshake, with a note of its address
    where Python has notes (3.11).
    """
    door = doors.current
    started = door.monotonic()
    if timeout is not None:
        timeout = check_timeout(timeout)
    if family is None and trace is None and tls is None and server_hostname is None:
        if type(host) is str and type(port) is int:
            name, endpoints = plain(door, host, port)
            if endpoints:
                check_delays(attempt_delay, resolution_delay)
                ways = ways_of(door, allow, local, options)
                if len(endpoints) == 1:
                    return alone(ways, endpoints[0], started, timeout)
                question = Question(host, port, endpoints, name)
                return reach(ways, question, started, timeout, attempt_delay, resolution_delay, history)
        elif port is None:
            path = plain_unix(host)
            if path is not None:
                check_delays(attempt_delay, resolution_delay)
                if allow is None and local is None and options is None:
                    return _to_path(door, path, started, timeout)
                return alone(ways_of(door, allow, local, options), path, started, timeout)
    question = read(door, host, port, family)
    check_delays(attempt_delay, resolution_delay)
    server_hostname = tls_name(question, tls, server_hostname)
    ways = ways_of(door, allow, local, options)
    ways.unix_type = question.unix_type
    sock = reach(ways, question, started, timeout, attempt_delay, resolution_delay, history, trace)
    if tls is None:
        return sock
    from .tls import wrap

    return wrap(door, sock, tls, server_hostname, started, timeout, trace)


# ---------------------------------------------------------------------- shared with shim/


def reach(
    ways: Ways,
    question: Question,
    started: float,
    timeout: float | None = None,
    attempt_delay: float | None = ATTEMPT_DELAY_SECONDS,
    resolution_delay: float = RESOLUTION_DELAY_SECONDS,
    history: History | None = history,
    trace: Trace | None = None,
) -> Socket:
    """Connect to what *question* is about: what ``connect`` does once its arguments are read."""
    known = question.endpoints
    if known is not None and len(known) == 1 and trace is None:
        return alone(ways, known[0], started, timeout)
    if known is not None and len(known) == 1 and trace is not None and known[0].family == AF_UNIX:
        # Not a race: that would take a full queue for an end, and nothing may depend on who listens in.
        telling = Telling(trace, ways.door, known[0])
        try:
            sock = alone(ways, known[0], started, timeout)
        except OSError as error:
            telling.failed(error)
            raise
        telling.won(sock)
        return sock
    from .conductor import Settings

    settings = Settings(target_of(question), started, timeout, attempt_delay, resolution_delay, history, trace)
    if known is not None and trace is None:
        from .turns import in_turn

        return in_turn(ways, question, settings)
    from .selecting import Selecting

    return Selecting(ways, question, settings).run()


# ---------------------------------------------------------------------- shared with aio/


def read(door: Doors, host: Host, port: int | str | None, family: int | None) -> Question:
    """``prepare`` for connecting: an unspecified address means loopback."""
    if port is None and family is None:  # the way of a Unix path over Address costs a quarter of its connection
        path = plain_unix(host)
        if path is not None:
            return Question(None, 0, [path])
    question = prepare(door, host, port, family, SOCK_STREAM, False)
    known = question.endpoints
    if known is not None and len(known) == 1:
        only = known[0]
        if isinstance(only, (IPv4Endpoint, IPv6Endpoint)) and only.packed in _UNSPECIFIED:
            # Linux takes these for loopback, Windows refuses them with WSAEADDRNOTAVAIL.
            question.endpoints = [
                IPv6Endpoint(text, only.port) if ":" in text else IPv4Endpoint(text, only.port)
                for text in _UNSPECIFIED[only.packed]
                if family is None or family == (AF_INET6 if ":" in text else AF_INET)
            ]
    return question


def tls_name(question: Question, tls: object, server_hostname: str | None) -> str | None:
    """The name for SNI and verification: the host as written, without its zone, which only this host understands."""
    if tls is None:
        if server_hostname is not None:
            raise ValueError("server_hostname without tls=: the connection would not be encrypted")
        return None
    if not hasattr(tls, "wrap_socket"):
        raise TypeError(f"tls is an ssl.SSLContext, such as ssl.create_default_context(), not {tls!r}")
    if server_hostname is not None:
        return server_hostname
    if not question.host:
        raise ValueError("tls needs server_hostname here: the address has no host name to verify")
    return (question.name or question.host).partition("%")[0].rstrip(".")


def ways_of(door: Doors, allow: Allow | None, local: Local | None, options: Options | None) -> Ways:
    """Read the arguments about how sockets are made."""
    guard = None
    if allow is not None:
        from ..core.guard import guard_from

        guard = guard_from(allow)
    if options is not None and not callable(options):
        from ..core.options import SocketOptions

        if not isinstance(options, SocketOptions):
            raise TypeError(f"options is a SocketOptions or a function of the new socket, not {options!r}")
    return Ways(door, guard, local_addresses(door, local) if local is not None else None, options)


def target_of(question: Question) -> str:
    """How messages name what was connected to."""
    known = question.endpoints
    if known is not None and len(known) == 1:
        return str(known[0])
    return f"{question.host or 'this host'} port {question.port}"


# ---------------------------------------------------------------------- one address


def plain(door: Doors, host: str, port: int) -> tuple[str, list[Endpoint]]:
    """The endpoints of a plain literal, of ``localhost`` or of a name in the hosts file: the common cases made short.

    Also the name, where there is one to remember something about; ``localhost`` is none. Empty for everything that
    needs a closer look.
    """
    if not 0 <= port < 65536:
        return "", []
    if not host[-1:].isalpha() or ":" in host:
        if ":" not in host:
            return "", [ipv4_endpoint(host, port)] if ipv4_packed(host) and host != "0.0.0.0" else []
        packed = ipv6_packed(host)
        return "", [ipv6_endpoint(packed, port)] if packed and _is_plain(packed) else []
    if host == "localhost":
        return "", loopback_endpoints(port)
    from .etc import hosts_addresses

    found: list[Endpoint] = []
    for text in hosts_addresses(door, host):  # canonical
        packed = ipv6_packed(text) if ":" in text else None
        if packed is None:
            found.append(ipv4_endpoint(text, port))
        else:
            found.append(canonical_endpoint(packed, port, text))
        if text == "0.0.0.0" or (packed is not None and not _is_plain(packed)):
            return "", []
    return host, found


def _is_plain(packed: bytes) -> bool:
    """Not the unspecified address, which means loopback, and nothing that may need a zone."""
    return packed[0] != 0xFE and packed != bytes(16)


def plain_unix(host: Host) -> Endpoint | None:
    """The Unix endpoint that *host* is or, as ``unix:/path``, spells; None for all else. Raises AddressError."""
    if not isinstance(host, str):
        return host if isinstance(host, Endpoint) and host.family == AF_UNIX else None
    if not host.startswith("unix:/"):
        return None
    if not _read_unix:
        from ..core.endpoint_unix import UnixEndpoint

        _read_unix.append(UnixEndpoint.read)
    return _read_unix[0](host)


def _to_path(door: Doors, endpoint: Endpoint, started: float, timeout: float | None) -> Socket:
    """``alone`` for a Unix stream with nothing to ask and nothing to set, at half its cost."""
    if not _connect_unix:
        from .sunpath import connect as connect_unix

        _connect_unix.append(connect_unix)
    try:
        sock = door.unix_socket(SOCK_STREAM)
        try:
            _connect_unix[0](door, sock, endpoint, None if timeout is None else started + timeout)
            sock.setblocking(True)
            return sock
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        failure = error
    try:
        raise lone_failure(endpoint, failure, started, door.monotonic(), timeout)
    finally:
        del failure


def alone(ways: Ways, endpoint: Endpoint, started: float, timeout: float | None, keep_timeout: bool = False) -> Socket:
    """Connect to the one address there is; the same errors as a race of one.

    The socket blocks; with *keep_timeout* it has the timeout, for a caller that has just begun and would set it anyway.
    """
    door, sockaddr = ways.door, endpoint.sockaddr
    tries = TRIES
    while True:
        try:
            sock = ways.open(endpoint)
            try:
                if endpoint.family == AF_UNIX:
                    if not _connect_unix:
                        from .sunpath import connect as connect_unix

                        _connect_unix.append(connect_unix)
                    _connect_unix[0](door, sock, endpoint, None if timeout is None else started + timeout)
                    sock.setblocking(True)
                elif timeout is None:
                    if sock.gettimeout() is not None:  # of socket.setdefaulttimeout
                        sock.setblocking(True)
                    sock.connect(sockaddr)
                else:
                    left = timeout if keep_timeout and tries == TRIES else started + timeout - door.monotonic()
                    if left <= 0:
                        raise TimeoutError
                    sock.settimeout(left)
                    sock.connect(sockaddr)
                    if not keep_timeout:
                        sock.settimeout(None)
                ways.check(sock, endpoint)
            except BaseException:
                sock.close()
                raise
            return sock
        except SelfConnected as error:
            tries -= 1
            failure: OSError = error
            if tries:
                continue
        except OSError as error:
            failure = error
        break
    try:
        raise lone_failure(endpoint, failure, started, door.monotonic(), timeout)
    finally:
        del failure  # the exception's frame is this one: a cycle otherwise


class Telling:
    """Tells a trace about the one attempt there is, in the words of a race."""

    __slots__ = ("_door", "_endpoint", "_trace")

    def __init__(self, trace: Trace, door: Doors, endpoint: Endpoint) -> None:
        self._trace = trace
        self._door = door
        self._endpoint = endpoint
        self._tell("attempt-started")

    def _tell(self, kind: str, error: BaseException | None = None) -> None:
        from ..core.trace import TraceEvent

        self._trace(TraceEvent(kind, self._door.monotonic(), self._endpoint, error))

    def failed(self, error: OSError) -> None:
        """It ended, or its time was up."""
        attempts = getattr(error, "attempts", None)
        cause = attempts[-1].error if attempts else error
        self._tell("attempt-dropped" if cause is None else "attempt-failed", cause)

    def won(self, sock: Socket) -> None:
        """It is connected; closed if the trace raises."""
        try:
            self._tell("attempt-won")
        except BaseException:
            sock.close()
            raise


def lone_failure(
    endpoint: Endpoint, failure: OSError, started: float, now: float, timeout: float | None
) -> ConnectError:
    """What a race of one that ended with *failure* amounts to."""
    from ..core.report import NotTried, report
    from ..errors import Attempt

    late = timeout is not None and isinstance(failure, TimeoutError) and failure.errno is None  # ours, not ETIMEDOUT
    if isinstance(failure, NotTried):
        attempt = Attempt(endpoint, None, None, failure)
    else:
        attempt = Attempt(endpoint, 0.0, now - started, None if late else failure)
    error = report(str(endpoint), [attempt], timeout=timeout, timed_out=late)
    error.__cause__ = attempt.error
    error.__suppress_context__ = True
    return error
