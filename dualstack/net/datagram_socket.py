"""The datagram socket: receive with the address that was asked, answer from it, close from any thread.

Problem: a server on a host with several addresses is asked on one of them and answers from another, because the
kernel picks the source by the route. A client that called connect() never sees that answer. And a server for both
families is two sockets on some systems and one on others, with peers spelled ``::ffff:192.0.2.7``.

Rule: every socket asks for packet information (core/ancillary.py), every datagram keeps it, and ``reply`` puts it
back. ``local`` is None rather than a guess. One dual-stack socket where the system does everything above on it, two
sockets on one port behind one ``recv()`` where it does not; where packet information cannot be had at all, one socket
per local address.

Receiving is one system call when a datagram waits. Only when none does is a selector asked, together with a socket
that ``close()`` makes readable: so closing from any thread wakes every waiter, and the last one out closes the
descriptors. Closing under a thread that is inside a call could hand its descriptor number to somebody else's socket.

Left out: fragmentation, retries and ordering are the protocol's business; so is path MTU.
"""

from __future__ import annotations

import errno
import selectors
from _thread import get_ident

from .. import platforms
from ..core.delays import check_timeout
from ..core.endpoint import Endpoint
from ..errors import TruncatedError
from .datagram_base import closed
from .groups import Groups
from .packet import Channel, Datagram
from .sending import explain, route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ..doors import Doors
    from .unix import BoundUnix

__all__ = ("DatagramSocket",)

# An ICMP error about some earlier datagram of ours. On Windows all of them are WSAECONNRESET (port unreachable) or
# WSAENETRESET (time to live expired).
_ICMP = frozenset(
    getattr(errno, name)
    for name in ("ECONNREFUSED", "ECONNRESET", "ENETRESET", "WSAECONNRESET")
    if hasattr(errno, name)
)
_WOULD_BLOCK = frozenset((errno.EAGAIN, errno.EWOULDBLOCK))


class DatagramSocket(Groups):
    """A bound (or connected) datagram socket; made by ``open_datagram``.

    Any thread may use any method at any time. Owns its descriptors: close it, or use it in a ``with`` block.
    """

    def __init__(
        self,
        world: Doors,
        channels: Sequence[Channel],
        *,
        strict: bool = False,
        bound_unix: BoundUnix | None = None,
        source_selection: str = "",
    ) -> None:
        super().__init__(world, channels, bound_unix)
        self._only = self._channels[0] if len(self._channels) == 1 else None
        self._turn = 0
        self._strict = strict
        #: How answers get their source: ``"packet information"``, ``"one socket per address"``, ``"fixed"`` (one
        #: address or peer, nothing to choose) or ``"none"`` (the system cannot).
        self.source_selection = source_selection
        self._cut = self._channels[0].cut
        self._lost = platforms.current.udp.constants.get("MSG_CTRUNC", 0x8)
        self._odd = self._cut | self._lost
        self._unix = self._channels[0].unix
        self._spill = bytearray(65536)  # takes what does not fit a caller's buffer, so that its size is known

    def __enter__(self) -> DatagramSocket:
        return self

    # ------------------------------------------------------------------ receiving

    def recv(
        self, timeout: float | None = None, *, max_size: int | None = None, strict: bool | None = None
    ) -> Datagram:
        """Wait for a datagram and return it with its peer, the address it was sent to, and the interface.

        *timeout* is in seconds, None for ever, 0 not at all. A datagram longer than *max_size* is cut and says so in
        ``truncated`` and ``size``; with *strict* (default: that of the socket) it raises TruncatedError instead.
        Datagrams of 0 bytes are datagrams.

        Raises TimeoutError; on a connected socket ConnectionRefusedError and its kin when the peer's host answered by
        ICMP, naming the peer; OSError EBADF once closed. The errors of an unconnected socket's peers are nobody's
        business here and are skipped.
        """
        me = get_ident()
        try:
            self._inside[me] = None
            if self._closing:
                raise closed()
            only = self._only
            if only is None:
                datagram = self._wait_for(self._receive_any, timeout)
            else:
                try:
                    datagram = Datagram(only.recvmsg(only.room, only.control_room), only)
                except OSError as error:
                    datagram = self._wait_for(self._receive_any, timeout, error)
            if datagram._received[2] & self._odd or self._unix or max_size is not None:
                self.check(datagram, max_size, strict)
            return datagram
        finally:
            self._inside.pop(me, None)
            if self._closing:
                self._finish()

    def recv_into(self, buffer: Any, timeout: float | None = None, *, strict: bool | None = None) -> Datagram:
        """Receive into a writable *buffer*; ``data`` of the result is a memoryview of the part that was filled.

        Otherwise as ``recv``. What does not fit is lost; ``size`` says how much was sent.
        """
        receive = self.into(buffer)
        me = get_ident()
        try:
            self._inside[me] = None
            datagram = self._wait_for(lambda: self._receive_any(receive), timeout)
            self.check(datagram, None, strict)
            return datagram
        finally:
            self._inside.pop(me, None)
            if self._closing:
                self._finish()

    def into(self, buffer: Any) -> Callable[[Channel], Datagram]:
        """How to receive into *buffer*, for ``grab``."""
        view = memoryview(buffer).cast("B")

        def receive(channel: Channel) -> Datagram:
            size, control, flags, raw = channel.recvmsg_into((view, self._spill), channel.control_room)
            datagram = Datagram((view[:size], control, flags & ~channel.cut, raw), channel)
            if size > len(view):
                # With MSG_TRUNC even the spare 64 KiB were too small (Unix sockets only): the full size is not known.
                datagram.cut_to(len(view), None if flags & channel.cut else size)
            return datagram

        return receive

    def recv_many(
        self, most: int, timeout: float | None = None, *, max_size: int | None = None, strict: bool | None = None
    ) -> list[Datagram]:
        """Wait for one datagram, then take what else is there without waiting, up to *most* in all.

        An error that comes after the first datagram is left for the next call.
        """
        if most < 1:
            raise ValueError(f"recv_many takes at least 1, not {most}")
        got = [self.recv(timeout, max_size=max_size, strict=strict)]
        while len(got) < most:
            datagram = None if self._closing else self._poll(max_size=max_size, strict=strict)
            if datagram is None:
                break
            got.append(datagram)
        return got

    def _poll(self, *, max_size: int | None = None, strict: bool | None = None) -> Datagram | None:
        """The next datagram if one is there."""
        datagram = self.grab()
        if datagram is not None:
            self.check(datagram, max_size, strict)
        return datagram

    def grab(self, receive: Callable[[Channel], Datagram] | None = None) -> Datagram | None:
        """The next datagram if one is there, not yet checked: for the drivers in ``aio/``, which ``check`` it once."""
        me = get_ident()
        try:
            self._inside[me] = None
            if self._closing:
                raise closed()
            return self._receive_any(receive)
        finally:
            self._inside.pop(me, None)
            if self._closing:
                self._finish()

    def take_row(self, into: deque[Datagram | OSError], most: int) -> None:
        """``grab`` as long as there is something, up to *most*, for one who holds the socket already (``hold``)."""
        only = self._only
        try:
            if only is None or self._unix:
                for _ in range(most):
                    datagram = self.grab()
                    if datagram is None:
                        return
                    into.append(datagram)
            else:
                receive, room, control_room = only.recvmsg, only.room, only.control_room
                for _ in range(most):
                    into.append(Datagram(receive(room, control_room), only))
        except BlockingIOError:
            pass
        except OSError as error:
            try:
                if only is None or not self._skips(error, only):
                    into.append(error)
            except OSError as attributed:
                into.append(attributed)

    def __iter__(self) -> Iterator[Datagram]:
        """Datagrams as they come, until the socket is closed."""
        while True:
            try:
                datagram = self.recv()
            except OSError:
                if self._closing:
                    return
                raise
            yield datagram

    def _receive_any(self, receive: Callable[[Channel], Datagram] | None = None) -> Datagram | None:
        """Take one datagram from whichever socket has one, in turn; None when none has."""
        channels = self._channels
        count = len(channels)
        for _ in range(count):
            self._turn = turn = (self._turn + 1) % count
            channel = channels[turn]
            while True:
                try:
                    if receive is not None:
                        return receive(channel)
                    return Datagram(channel.recvmsg(channel.room, channel.control_room), channel)
                except OSError as error:
                    if error.errno in _WOULD_BLOCK:
                        break
                    if not self._skips(error, channel):
                        raise
        return None

    def _skips(self, error: OSError, channel: Channel) -> bool:
        """Whether to receive again after *error*; raises the better error where there is one."""
        if channel.remote is not None:
            raise _attributed(error, channel.remote) from None
        return error.errno in _ICMP

    def _wait_for(
        self, attempt: Callable[[], Datagram | None], timeout: float | None, error: OSError | None = None
    ) -> Datagram:
        """Try, wait until something is there, try again; *error* is what the first try already met."""
        if error is not None and error.errno not in _WOULD_BLOCK and not self._skips(error, self._channels[0]):
            raise error
        timeout = check_timeout(timeout)
        deadline: float | None = None
        while True:
            if self._closing:
                raise closed()
            datagram = attempt()
            if datagram is not None:
                return datagram
            if timeout is not None:
                now = self._world.monotonic()
                if deadline is None:
                    deadline = now + timeout
                if now >= deadline:
                    raise TimeoutError(errno.ETIMEDOUT, f"no datagram within {timeout:g} s")
                self._readable().select(deadline - now)
            else:
                self._readable().select()

    def check(self, datagram: Datagram, max_size: int | None, strict: bool | None) -> None:
        """Cut to *max_size*, and raise TruncatedError for what must not be lost; once per datagram."""
        if not (datagram._received[2] & self._odd or self._unix or max_size is not None):
            return
        datagram._channel.check_control(datagram, self._lost)
        if max_size is not None and max_size < 0:
            raise ValueError(f"max_size is 0 or more bytes, or None, not {max_size}")
        if max_size is not None and len(datagram.data) > max_size:
            datagram.cut_to(max_size, datagram.size)
        if datagram.truncated and (self._strict if strict is None else strict):
            size = "unknown" if datagram.size is None else datagram.size
            raise TruncatedError(
                errno.EMSGSIZE,
                f"a datagram of {size} bytes from {datagram.peer} did not fit {len(datagram.data)} bytes; dropped",
                datagram.size,
            )

    # ------------------------------------------------------------------ sending

    def reply(self, datagram: Datagram, data: Any, timeout: float | None = None) -> int:
        """Answer *datagram* with *data*, from the address it was sent to; returns the bytes sent.

        An answer to a multicast or broadcast datagram leaves from the interface it came in on. Raises OSError
        (EADDRNOTAVAIL) when the address that was asked is not one of this host any more, rather than answering from
        another; EMSGSIZE when *data* is too long for a datagram.
        """
        me = get_ident()
        try:
            self._inside[me] = None
            return self.answer(datagram, data, timeout)
        finally:
            self._inside.pop(me, None)
            if self._closing:
                self._finish()

    def answer(self, datagram: Datagram, data: Any, timeout: float | None) -> int:
        """``reply`` for one who holds the socket already (``hold``)."""
        if self._closing:
            raise closed()
        channel = datagram._channel
        _, control, _, raw = datagram._received
        try:
            source = channel.answers[control[0]]
        except (KeyError, IndexError):
            source = channel.answer(control)
        if channel.remote is not None:
            raw = None
        try:
            sent: int = channel.sendmsg((data,), source, 0, raw)
            return sent
        except OSError as error:
            return self._send(
                channel, data, source, raw, timeout, datagram.peer, datagram.local if source else None, error
            )

    def send(
        self,
        data: Any,
        to: Endpoint | str | tuple[Any, ...] | None = None,
        *,
        source: Endpoint | str | None = None,
        interface: str | int | None = None,
        timeout: float | None = None,
    ) -> int:
        """Send one datagram; returns the bytes sent.

        *to* is an Endpoint, its text, or the tuple the socket module uses: always a concrete address (``resolve``
        finds those of a name). None sends to the peer of a connected socket. *source* is one of this host's addresses
        to send from, *interface* the name or index of the interface to use; by default routing decides both.

        Raises OSError: EADDRNOTAVAIL for a source this host does not have, EACCES for a broadcast address without
        ``broadcast=True``, EMSGSIZE; UnsupportedError where this system cannot choose the source.
        """
        me = get_ident()
        try:
            self._inside[me] = None
            if self._closing:
                raise closed()
            if to is None:
                if self.remote is None:
                    raise OSError(errno.EDESTADDRREQ, "where to? The socket is not connected to anybody")
                if source is not None or interface is not None:
                    raise ValueError("a connected socket has its source already")
                return self._send(self._channels[0], data, (), None, timeout, self.remote, None)
            channel, control, raw, peer, chosen = route(self._channels, to, source, interface)
            return self._send(channel, data, control, raw, timeout, peer, chosen)
        finally:
            self._inside.pop(me, None)
            if self._closing:
                self._finish()

    def _send(
        self,
        channel: Channel,
        data: Any,
        control: Any,
        raw: Any,
        timeout: float | None,
        peer: Endpoint | None,
        source: Endpoint | None,
        error: OSError | None = None,
    ) -> int:
        """Send, waiting for room while the send buffer is full (an interface with a full queue, a slow Unix peer).

        *error* is what a first try already met.
        """
        if error is None:
            try:
                return int(channel.sendmsg((data,), control, 0, raw))
            except OSError as failure:
                error = failure
        _must_be_full(error, channel, data, peer, source)
        timeout = check_timeout(timeout)
        deadline = None if timeout is None else self._world.monotonic() + timeout
        waiter: selectors.BaseSelector | None = None
        try:
            while True:
                left = None if deadline is None else deadline - self._world.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(errno.ETIMEDOUT, f"no room to send to {peer} within {timeout:g} s")
                if waiter is None:
                    waiter = self._writable(channel)
                waiter.select(left)
                if self._closing:
                    raise closed()
                try:
                    return int(channel.sendmsg((data,), control, 0, raw))
                except OSError as failure:
                    _must_be_full(failure, channel, data, peer, source)
        finally:
            if waiter is not None:
                waiter.close()


def _must_be_full(error: OSError, channel: Channel, data: Any, peer: Endpoint | None, source: Endpoint | None) -> None:
    """Raise what sending failed with, explained; return when there was no room just now."""
    if error.errno in _WOULD_BLOCK:
        return
    if error.errno in _ICMP and channel.remote is not None:
        raise _attributed(error, channel.remote) from None
    raise explain(error, data, peer, source) from None


def _attributed(error: OSError, peer: Endpoint) -> OSError:
    """An ICMP error of a connected socket, attributed; port unreachable is the same exception on every system."""
    if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET, getattr(errno, "WSAECONNRESET", -1)):
        return ConnectionRefusedError(errno.ECONNREFUSED, f"{peer}: nothing listens there (ICMP port unreachable)")
    return type(error)(error.errno, f"{peer}: {error.strerror}")
