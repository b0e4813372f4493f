"""aio.connect, aio.resolve and asyncio's open_connection: the verbs of ``net/``, awaited.

Arguments, meanings and errors are those of the synchronous verbs; the race is the same machine (core/race.py), only the
waiting differs (racing.py).
"""

from __future__ import annotations

from _socket import SOCK_STREAM
from errno import ETIMEDOUT

from .. import doors
from ..core.delays import ATTEMPT_DELAY_SECONDS, RESOLUTION_DELAY_SECONDS, check_delays, check_timeout
from ..core.endpoint import AF_UNIX
from ..core.trace import TLS_DONE, TLS_FAILED, TLS_STARTED, TraceEvent
from ..errors import UnsupportedError
from ..net.attempt import TRIES, SelfConnected, in_progress, outcome
from ..net.conductor import Settings
from ..net.connect import Telling, history, lone_failure, plain, read, target_of, tls_name, ways_of
from ..net.names import prepare, timed_out
from ..net.resolve import Answers, found, in_order
from ..net.sunpath import FIRST_PAUSE, LONGEST_PAUSE, QUEUE_FULL, refusal
from ..platforms.words import os_error
from .backend import AsyncioBackend, current
from .inbox import AsyncioInbox, TrioInbox
from .racing import CompletingDriver, ReadinessDriver, TrioDriver

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import ssl
    from socket import socket as Socket
    from typing import Any

    from ..core.endpoint import Endpoint
    from ..core.guard import Allow
    from ..core.history import History
    from ..core.trace import Trace
    from ..net.attempt import Local, Options, Ways
    from ..net.lookup import Lookup
    from ..net.names import Question
    from ..net.resolve import Host
    from .backend import Backend

__all__ = ("connect", "open_connection", "resolve")


async def connect(
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
    """Connect to a host by the first of its addresses that answers; returns a non-blocking stdlib socket.

    As ``dualstack.connect``, which explains the arguments. Cancelling leaves nothing behind, and is never swallowed.
    With *tls* the result is an ``ssl.SSLSocket`` whose handshake is done; asyncio's stream and ``sock_*`` functions do
    not take those, so asyncio programs use ``open_connection``, and on the Proactor loop *tls* is an UnsupportedError.
    """
    backend = current()
    door = doors.current
    started = door.monotonic()
    timeout = check_timeout(timeout)
    plainly = family is None and trace is None and tls is None and server_hostname is None
    if plainly and type(host) is str and type(port) is int:
        _, endpoints = plain(door, host, port)
        if len(endpoints) == 1 and isinstance(backend, AsyncioBackend) and backend.can_wait:
            check_delays(attempt_delay, resolution_delay)
            return await _alone(backend.loop, ways_of(door, allow, local, options), endpoints[0], started, timeout)
    question = read(door, host, port, family)
    check_delays(attempt_delay, resolution_delay)
    server_hostname = tls_name(question, tls, server_hostname)
    if tls is not None and not backend.can_wait:
        raise UnsupportedError("TLS on a bare socket", "the Proactor event loop", "use aio.open_connection(tls=)")
    ways = ways_of(door, allow, local, options)
    ways.unix_type = question.unix_type
    settings = Settings(target_of(question), started, timeout, attempt_delay, resolution_delay, history, trace)
    known = question.endpoints
    if known is not None and len(known) == 1 and known[0].family == AF_UNIX:
        telling = Telling(trace, door, known[0]) if trace is not None else None
        try:
            sock = await _connect_unix(backend, ways, known[0], settings)
        except OSError as error:
            if telling is not None:
                telling.failed(error)
            raise
        if telling is not None:
            telling.won(sock)
    else:
        sock = await _race(backend, ways, question, settings)
    if tls is None:
        return sock
    return await _shake_hands(backend, sock, tls, server_hostname, settings)


async def _race(backend: Backend, ways: Ways, question: Question, settings: Settings) -> Socket:
    driver: TrioDriver | ReadinessDriver | CompletingDriver
    if not isinstance(backend, AsyncioBackend):
        driver = TrioDriver(ways, question, settings)
    elif backend.can_wait:
        driver = ReadinessDriver(backend.loop, ways, question, settings)
    else:
        driver = CompletingDriver(backend.loop, ways, question, settings)
    return await driver.run()


async def _connect_unix(backend: Backend, ways: Ways, endpoint: Endpoint, settings: Settings) -> Socket:
    """The one way to a Unix socket: it connects at once, or the queue is full and asked again (net/sunpath.py)."""
    door = ways.door
    await backend.checkpoint()
    pause = FIRST_PAUSE
    try:
        sock = ways.open(endpoint)
        try:
            sock.setblocking(False)
            while (code := ways.dial(sock, endpoint)) in QUEUE_FULL:
                left = settings.left(door.monotonic())
                if left == 0.0:
                    raise TimeoutError(ETIMEDOUT, "the queue of the listener stayed full")
                await backend.sleep(pause if left is None else min(pause, left))
                pause = min(2 * pause, LONGEST_PAUSE)
            if code:
                raise refusal(door, endpoint, code)
            ways.check(sock, endpoint)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        failure = lone_failure(endpoint, error, settings.started, door.monotonic(), settings.timeout)
    else:
        return sock
    try:
        raise failure
    finally:
        del failure  # the exception's frame is this one: a cycle otherwise


async def _alone(
    loop: asyncio.AbstractEventLoop, ways: Ways, endpoint: Endpoint, started: float, timeout: float | None
) -> Socket:
    """Connect to the one address there is: a race of one without the machine, on loops that can wait for readiness."""
    tries = TRIES
    while True:
        try:
            sock = ways.open(endpoint)
            try:
                sock.setblocking(False)
                code = sock.connect_ex(endpoint.sockaddr)
                if code and in_progress(code, endpoint):
                    left = None if timeout is None else started + timeout - ways.door.monotonic()
                    await _writable(loop, sock.fileno(), left)
                    ended = outcome(sock)
                    if ended is not None:
                        raise ended
                elif code:
                    raise os_error(code)
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
        raise lone_failure(endpoint, failure, started, ways.door.monotonic(), timeout)
    finally:
        del failure  # the exception's frame is this one: a cycle otherwise


async def _writable(loop: asyncio.AbstractEventLoop, fileno: int, seconds: float | None) -> None:
    """Wait until a connect has ended; TimeoutError when *seconds* went by first."""
    ended: asyncio.Future[bool] = loop.create_future()
    timer = None if seconds is None else loop.call_later(seconds, _settle, ended, False)
    loop.add_writer(fileno, _settle, ended, True)
    try:
        # A result, not an exception in the future: that would hold this frame, which holds the future.
        in_time = await ended
    finally:
        loop.remove_writer(fileno)  # before anybody may close the descriptor
        if timer is not None:
            timer.cancel()
    if not in_time:
        raise TimeoutError


def _settle(ended: asyncio.Future[bool], in_time: bool) -> None:
    if not ended.done():
        ended.set_result(in_time)


async def _shake_hands(
    backend: Backend, sock: Socket, context: ssl.SSLContext, name: str | None, settings: Settings
) -> Socket:
    from ssl import SSLWantReadError, SSLWantWriteError

    from ..core.endpoint import Endpoint
    from ..net.tls import handshake_timed_out, say_where

    door, trace = doors.current, settings.trace
    wrapped: Socket = sock
    try:
        endpoint = Endpoint.peer(sock)
        begun = door.monotonic()
        if trace is not None:
            trace(TraceEvent(TLS_STARTED, begun, endpoint))
        secure = wrapped = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        nobody = backend.wake_up()
        try:
            while True:
                try:
                    secure.do_handshake()
                    break
                except SSLWantReadError:
                    left = settings.left(door.monotonic())
                    if left == 0.0:
                        raise TimeoutError from None
                    await backend.wait_any([secure], nobody, left)
                except SSLWantWriteError:
                    await backend.wait_writable(secure)  # a handshake is far smaller than a send buffer
        except OSError as error:
            if trace is not None:
                trace(TraceEvent(TLS_FAILED, door.monotonic(), endpoint, error))
            if isinstance(error, TimeoutError):
                now = door.monotonic()
                raise handshake_timed_out(
                    endpoint, begun - settings.started, now - settings.started, settings.timeout
                ) from None
            say_where(error, endpoint)
            raise
        if trace is not None:
            trace(TraceEvent(TLS_DONE, door.monotonic(), endpoint))
        return secure
    except BaseException:
        wrapped.close()
        sock.close()
        raise


async def resolve(
    host: Host,
    port: int | str | None = None,
    *,
    family: int | None = None,
    type: int = SOCK_STREAM,
    passive: bool = False,
    timeout: float | None = None,
) -> list[Endpoint]:
    """Find the endpoints of a host, best first; as ``dualstack.resolve``, without blocking the loop."""
    backend = current()
    door = doors.current
    timeout = check_timeout(timeout)
    question = prepare(door, host, port, family, type, passive)
    if question.endpoints is not None:
        await backend.checkpoint()
        return in_order(door, question.endpoints) if question.name else question.endpoints
    deadline = None if timeout is None else door.monotonic() + timeout
    inbox = AsyncioInbox(backend.loop) if isinstance(backend, AsyncioBackend) else TrioInbox()
    answers = Answers(question, inbox.post)
    done: list[Lookup] = []
    late = None
    try:
        answers.ask()
        while len(done) < len(question.families):
            left = None if deadline is None else deadline - door.monotonic()
            if left is not None and left <= 0:
                late = timed_out(question, timeout or 0.0, answers.busy)
                break
            await inbox.wait(left)
            done += inbox.items
            inbox.items.clear()
    finally:
        answers.forget()
    return in_order(door, found(question, done, late))


async def open_connection(
    host: Host,
    port: int | str | None = None,
    *,
    limit: int = 2**16,
    timeout: float | None = None,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    **connecting: Any,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect and return an asyncio reader and writer; asyncio only.

    As ``asyncio.open_connection``, with the race, the errors and the *timeout* of ``connect`` and its other keywords.
    *limit* is the reader's buffer in bytes. The TLS handshake is asyncio's own and works on every loop.
    """
    import asyncio

    door = doors.current
    started = door.monotonic()
    timeout = check_timeout(timeout)
    if tls is not None or server_hostname is not None:
        server_hostname = tls_name(read(door, host, port, connecting.get("family")), tls, server_hostname)
    sock = await connect(host, port, timeout=timeout, **connecting)
    try:
        if tls is None:
            return await asyncio.open_connection(sock=sock, limit=limit)
        left = None
        if timeout is not None:
            left = max(started + timeout - door.monotonic(), 0.001)  # asyncio refuses 0
        return await asyncio.open_connection(
            sock=sock, limit=limit, ssl=tls, server_hostname=server_hostname, ssl_handshake_timeout=left
        )
    except BaseException:
        sock.close()
        raise
