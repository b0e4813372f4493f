"""Portable socket options: one value, and the plan of ``setsockopt`` calls it means on a given system.

Problem: "keep this connection alive after 60 s" is TCP_KEEPIDLE on Linux, TCP_KEEPALIVE on macOS and missing on
OpenBSD; "traffic class" is IP_TOS on one family and IPV6_TCLASS on the other, and on a dual-stack socket it is both;
"use eth0" is a name on Linux, an index on macOS, and on Windows an index in network order for IPv4 and in host order
for IPv6. Code that tries an option and ignores the error behaves differently per system without a word.

Rule: ``SocketOptions`` says what is wanted. ``plan`` turns it into the exact calls for one system and one kind of
socket, or raises UnsupportedError before anything was set. It reads tables of numbers and makes no system call, so
the plan of every system is tested on every system.

Left out: options that only tune one kernel (TCP_USER_TIMEOUT, TCP_QUICKACK, SO_BUSY_POLL). Set those yourself on the
socket; this value is for what can be said portably.
"""

from __future__ import annotations

from ..errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ("SocketOptions", "Step", "plan", "wants_index")

#: One call to make: what it is for, then the level, option and value of ``setsockopt``.
Step = tuple[str, int, int, "int | bytes"]

_RANGES = {
    "keepalive_idle": (1, 32767),  # seconds; the upper bound is Linux's MAX_TCP_KEEPIDLE
    "keepalive_interval": (1, 32767),
    "keepalive_count": (1, 127),  # probes; the upper bound is Linux's MAX_TCP_KEEPCNT
    "traffic_class": (0, 255),
    "hop_limit": (1, 255),  # 0 never leaves the host and Linux refuses it for IPv4
    "receive_buffer": (1, 2**31 - 1),  # bytes
    "send_buffer": (1, 2**31 - 1),
    "mark": (0, 2**32 - 1),
}


class SocketOptions:
    """Say what sockets should be like, once, for every family and system.

    Give it as ``options=`` to ``open_listener``, ``connect`` and ``open_datagram``. None leaves an option as the
    system has it. What a system cannot do raises UnsupportedError when the socket is opened, never silently.

    * ``keepalive``: probe an idle TCP peer. ``keepalive_idle`` and ``keepalive_interval`` are seconds,
      ``keepalive_count`` unanswered probes until the connection is dead; giving any of the three turns it on.
    * ``no_delay``: send small TCP segments at once (TCP_NODELAY).
    * ``traffic_class``: the DSCP and ECN byte, 0 to 255, of both families (RFC 2474): IP_TOS and IPV6_TCLASS.
    * ``hop_limit``: unicast TTL and hop limit, 1 to 255. Multicast has its own, on the datagram socket.
    * ``receive_buffer``, ``send_buffer``: bytes. The kernel really gives that much or opening fails with ENOBUFS:
      Linux would silently cut the size to ``net.core.rmem_max`` and ``wmem_max``.
    * ``bind_to_device``: name or index of the one interface to use, whatever the routes say. On Linux it needs
      CAP_NET_RAW if the socket is bound already. Windows can only steer what is sent, so only ``connect`` has it.
    * ``mark``: the packet mark of Linux (SO_MARK), for routing rules and firewalls; needs CAP_NET_ADMIN.
    """

    __slots__ = (
        "keepalive",
        "keepalive_idle",
        "keepalive_interval",
        "keepalive_count",
        "no_delay",
        "traffic_class",
        "hop_limit",
        "receive_buffer",
        "send_buffer",
        "bind_to_device",
        "mark",
    )

    keepalive: bool | None
    keepalive_idle: int | None
    keepalive_interval: int | None
    keepalive_count: int | None
    no_delay: bool | None
    traffic_class: int | None
    hop_limit: int | None
    receive_buffer: int | None
    send_buffer: int | None
    bind_to_device: str | int | None
    mark: int | None

    def __init__(
        self,
        *,
        keepalive: bool | None = None,
        keepalive_idle: int | None = None,
        keepalive_interval: int | None = None,
        keepalive_count: int | None = None,
        no_delay: bool | None = None,
        traffic_class: int | None = None,
        hop_limit: int | None = None,
        receive_buffer: int | None = None,
        send_buffer: int | None = None,
        bind_to_device: str | int | None = None,
        mark: int | None = None,
    ) -> None:
        timed = (keepalive_idle, keepalive_interval, keepalive_count) != (None, None, None)
        if timed and keepalive is False:
            raise ValueError("keepalive=False contradicts keepalive_idle, _interval or _count")
        values = locals()
        values["keepalive"] = True if timed else keepalive
        for name in self.__slots__:
            value = values[name]
            if value is not None:
                _check(name, value)
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("SocketOptions does not change; make another one with replace()")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("SocketOptions does not change")

    def replace(self, **changes: Any) -> SocketOptions:
        """Return a copy with the named options changed."""
        return SocketOptions(**{**self._given(), **changes})

    def _given(self) -> dict[str, Any]:
        pairs = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in pairs if value is not None}

    def __repr__(self) -> str:
        return f"SocketOptions({', '.join(f'{k}={v!r}' for k, v in self._given().items())})"

    def __eq__(self, other: object) -> bool:
        return self._given() == other._given() if isinstance(other, SocketOptions) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._given().items()))

    def __bool__(self) -> bool:
        return bool(self._given())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._given(),)


def _restore(given: dict[str, Any]) -> SocketOptions:
    return SocketOptions(**given)


def _check(name: str, value: object) -> None:
    if name in ("keepalive", "no_delay"):
        if not isinstance(value, bool):
            raise TypeError(f"{name} is True, False or None, not {value!r}")
    elif name == "bind_to_device":
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise TypeError(f"bind_to_device is an interface name or index, not {value!r}")
        # An empty name would *remove* a binding on Linux, and index 0 on macOS: say None for that.
        if not value or (isinstance(value, int) and value < 0) or (isinstance(value, str) and "\0" in value):
            raise ValueError(f"bind_to_device is not an interface: {value!r}")
    else:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} is an integer, not {value!r}")
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise ValueError(f"{name} is {low} to {high}, not {value}")


def plan(
    options: SocketOptions,
    constants: Mapping[str, int],
    system: str,
    *,
    family: str,
    stream: bool,
    dual: bool = False,
    connecting: bool = False,
    device: str | int | None = None,
) -> list[Step]:
    """List the ``setsockopt`` calls that give a new socket these options on *system*.

    *family* is ``"ipv4"``, ``"ipv6"`` or ``"unix"``; *dual* says that an IPv6 socket also carries IPv4;
    *connecting* that it will be connected, not bound and listened on. *device* is ``bind_to_device`` as the system
    wants it, an index where ``wants_index`` says so, else a name.

    Raises UnsupportedError for the first option this system or family does not have.
    """
    steps: list[Step] = []

    def add(feature: str, level: str, name: str, value: int | bytes, instead: str = "") -> None:
        number = constants.get(name)
        if number is None:
            raise UnsupportedError(feature, system, instead)
        steps.append((feature, constants[level], number, value))

    for feature, name in (("receive_buffer", "SO_RCVBUF"), ("send_buffer", "SO_SNDBUF")):
        size = getattr(options, feature)
        if size is not None:
            add(feature, "SOL_SOCKET", name, size)
    if family == "unix":
        _refuse_for_unix(options, stream=stream)
        return steps
    _tcp(options, add, system, stream=stream)
    # The IPv4 options of a dual-stack socket are set beside the IPv6 ones. On macOS and the BSDs an AF_INET6 socket
    # has no IPPROTO_IP level (EINVAL), so there only the IPv6 half could be had: an error, not half of a promise.
    four = family == "ipv4" or (dual and "IP_RECVDSTADDR" not in constants)
    six = family == "ipv6"
    apart = 'open "0.0.0.0" and "::" with v6only=True as two sockets'
    for feature, v4, v6 in (("traffic_class", "IP_TOS", "IPV6_TCLASS"), ("hop_limit", "IP_TTL", "IPV6_UNICAST_HOPS")):
        value = getattr(options, feature)
        if value is None:
            continue
        if dual and not four:
            raise UnsupportedError(f"{feature} on a dual-stack socket", system, apart)
        if feature == "traffic_class" and "SO_EXCLUSIVEADDRUSE" in constants:
            # setsockopt(IP_TOS) succeeds on Windows and changes nothing (Microsoft KB 248611).
            raise UnsupportedError(feature, system, "set a QoS policy for the program (qWAVE)")
        if six:
            add(feature, "IPPROTO_IPV6", v6, value)
        if four:
            add(feature, "IPPROTO_IP", v4, value)
    if options.bind_to_device is not None:
        wanted = options.bind_to_device if device is None else device
        _device(wanted, add, constants, system, six=six, four=four, connecting=connecting)
    if options.mark is not None:
        # An unsigned 32-bit mark travels as the C int of the same bits.
        mark = options.mark - 2**32 if options.mark >= 2**31 else options.mark
        add("mark", "SOL_SOCKET", "SO_MARK", mark, "mark packets in the firewall by user or port")
    return steps


def _refuse_for_unix(options: SocketOptions, *, stream: bool) -> None:
    # no_delay and keepalive hold by themselves: local data is never delayed and a dead peer closes its end.
    for feature in ("traffic_class", "hop_limit", "bind_to_device", "mark"):
        if getattr(options, feature) is not None:
            raise UnsupportedError(f"{feature} on a Unix socket", "any system", "open the IP socket by itself")
    if not stream:
        _tcp(options, None, "any system", stream=False)


def _tcp(options: SocketOptions, add: Any, system: str, *, stream: bool) -> None:
    if not stream:
        for feature in ("keepalive", "no_delay"):
            if getattr(options, feature):
                raise UnsupportedError(f"{feature} on a datagram socket", system, "it is for TCP only")
        return
    if options.keepalive is not None:
        add("keepalive", "SOL_SOCKET", "SO_KEEPALIVE", int(options.keepalive))
    for feature, name in (
        ("keepalive_idle", "TCP_KEEPIDLE"),
        ("keepalive_interval", "TCP_KEEPINTVL"),
        ("keepalive_count", "TCP_KEEPCNT"),
    ):
        value = getattr(options, feature)
        if value is not None:
            # OpenBSD has these for the whole system only.
            add(feature, "IPPROTO_TCP", name, value, "set net.inet.tcp.keepidle and keepintvl by sysctl")
    if options.no_delay is not None:
        add("no_delay", "IPPROTO_TCP", "TCP_NODELAY", int(options.no_delay))


def wants_index(constants: Mapping[str, int]) -> bool:
    """Whether ``bind_to_device`` is given to this system as an index (macOS, Windows), not as a name (Linux)."""
    return "SO_BINDTODEVICE" not in constants


def _device(
    device: str | int,
    add: Any,
    constants: Mapping[str, int],
    system: str,
    *,
    six: bool,
    four: bool,
    connecting: bool,
) -> None:
    by_name = 'listen on "%NAME" instead, which binds the addresses of that interface'
    if not wants_index(constants):
        if not isinstance(device, str):
            raise TypeError(f"{system} binds to a device by name, not by index {device}")
        add("bind_to_device", "SOL_SOCKET", "SO_BINDTODEVICE", device.encode("utf-8", "surrogateescape") + b"\0")
        return
    if "IP_UNICAST_IF" in constants and not connecting:
        raise UnsupportedError("bind_to_device for receiving", system, by_name)
    bound = "IP_UNICAST_IF" if "IP_UNICAST_IF" in constants else "IP_BOUND_IF"
    if bound not in constants:
        raise UnsupportedError("bind_to_device", system, by_name)
    if not isinstance(device, int):
        raise TypeError(f"{system} binds to a device by index, not by name {device!r}")
    if six:
        add("bind_to_device", "IPPROTO_IPV6", bound.replace("IP_", "IPV6_"), device)
    if four:
        # IP_UNICAST_IF alone takes the index in network byte order, because it also takes an address there.
        value = device.to_bytes(4, "big") if bound == "IP_UNICAST_IF" else device
        add("bind_to_device", "IPPROTO_IP", bound, value)
