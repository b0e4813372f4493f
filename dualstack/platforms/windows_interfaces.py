"""Windows' interfaces, routes and change notices: the calls into iphlpapi.dll, whose answers ``iphlpapi.py`` reads.

Run under Wine 10 only. There the Notify functions return success without a handle and never call back; such a source
polls instead.
"""

from __future__ import annotations

import ctypes
from _socket import AF_INET6
from threading import Condition

from ..core.interfaces import Interfaces
from ..errors import UnsupportedError
from .change_source import ChangeSource, PollingSource
from .iphlpapi import ROUTE_ROW, decode_adapters, decode_best_route, decode_routes, pack_sockaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.interface import Interface
    from ..core.route import Route, SourceAddress

__all__ = ("best_route", "open_source", "read_interfaces", "read_routes")

_AF_UNSPEC = 0
# GAA_FLAG_SKIP_ANYCAST, _SKIP_MULTICAST, _SKIP_DNS_SERVER. Not INCLUDE_PREFIX, which some systems refuse (13):
# OnLinkPrefixLength says it.
_FLAGS = 0x2 | 0x4 | 0x8
_FIRST_SIZE = 16384  # what the documentation recommends; 15 kB and more
_ATTEMPTS = 5  # the list may grow between two calls
_BUFFER_OVERFLOW = 111
_NO_DATA = 232
_NOT_SUPPORTED = 50
_POINTER = ctypes.sizeof(ctypes.c_void_p)

_library: Any = None


def _api() -> Any:
    """Load the library and declare every function: the default types cut a 64-bit handle in half."""
    global _library  # noqa: PLW0603 - loaded once; two threads load the same
    if _library is None:
        api = ctypes.WinDLL("iphlpapi")  # type: ignore[attr-defined, unused-ignore]  # on Windows only
        u16, u32, pointer = ctypes.c_uint16, ctypes.c_uint32, ctypes.c_void_p
        declared = {
            "GetAdaptersAddresses": (u32, (u32, u32, pointer, pointer, pointer)),
            "GetIpForwardTable2": (u32, (u16, pointer)),
            "FreeMibTable": (None, (pointer,)),
            "GetBestRoute2": (u32, (pointer, u32, pointer, pointer, u32, pointer, pointer)),
            "NotifyUnicastIpAddressChange": (u32, (u16, pointer, pointer, ctypes.c_uint8, pointer)),
            "NotifyIpInterfaceChange": (u32, (u16, pointer, pointer, ctypes.c_uint8, pointer)),
            "NotifyRouteChange2": (u32, (u16, pointer, pointer, ctypes.c_uint8, pointer)),
            "CancelMibChangeNotify2": (u32, (pointer,)),
        }
        for name, (result, arguments) in declared.items():
            function = getattr(api, name)
            function.restype, function.argtypes = result, arguments
        _library = api
    return _library


def _failed(what: str, code: int) -> OSError:
    # The fourth argument makes Python translate the code into an errno; the first is ignored then.
    text = ctypes.FormatError(code)  # type: ignore[attr-defined, unused-ignore]  # exists on Windows only
    return OSError(0, f"{what}: {text}", None, code)


def _adapters() -> list[tuple[Interface, int, int]]:
    size = ctypes.c_uint32(_FIRST_SIZE)
    get = _api().GetAdaptersAddresses
    code = _BUFFER_OVERFLOW
    for _ in range(_ATTEMPTS):
        # Eight-byte elements: the system aligns to the start it is given.
        buffer = (ctypes.c_uint64 * (size.value // 8 + 1))()
        size.value = ctypes.sizeof(buffer)
        code = get(_AF_UNSPEC, _FLAGS, None, buffer, ctypes.byref(size))
        if code == 0:
            return decode_adapters(bytes(buffer), ctypes.addressof(buffer), _POINTER, AF_INET6)
        if code == _NO_DATA:
            return []
        if code != _BUFFER_OVERFLOW:
            break
    raise _failed("GetAdaptersAddresses", code)


def read_interfaces() -> Interfaces:
    """Read all adapters with their addresses."""
    return Interfaces([nic for nic, _, _ in _adapters()])


def _names() -> dict[int, tuple[str, int, int]]:
    return {nic.index: (nic.name, metric4, metric6) for nic, metric4, metric6 in _adapters()}


def read_routes() -> list[Route]:
    """Read the default routes of both families."""
    api = _api()
    table = ctypes.c_void_p()
    code = api.GetIpForwardTable2(_AF_UNSPEC, ctypes.byref(table))
    if code:
        raise _failed("GetIpForwardTable2", code)
    try:
        count = int.from_bytes(ctypes.string_at(table.value or 0, 4), "little")
        data = ctypes.string_at(table.value or 0, 8 + count * ROUTE_ROW.size)
    finally:
        api.FreeMibTable(table)
    return decode_routes(data, _names(), AF_INET6)


def best_route(packed: bytes, destination: str, scope_id: int) -> SourceAddress:
    """Ask which route and source address a packet to *packed* would use."""
    row, source = ctypes.create_string_buffer(ROUTE_ROW.size), ctypes.create_string_buffer(28)
    target = ctypes.create_string_buffer(pack_sockaddr(packed, scope_id), 28)
    code = _api().GetBestRoute2(None, scope_id, None, target, 0, row, source)
    if code == _NOT_SUPPORTED:  # Wine 10
        raise UnsupportedError("asking for the route to a destination", "this Windows", "see gateways()")
    if code:
        raise _failed(f"no packet can go to {destination}", code)
    return decode_best_route(row.raw, source.raw, destination, _names(), AF_INET6)


class _NotifySource(ChangeSource):
    """Callbacks on a thread of the system's set a flag; nothing else may be done there."""

    def __init__(self) -> None:
        self._state = Condition()
        self._noticed = self._closed = False
        # (context, row, notification type); stdcall on 32-bit Windows.
        stdcall = ctypes.WINFUNCTYPE  # type: ignore[attr-defined, unused-ignore]  # exists on Windows only
        kind = stdcall(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
        self._callback = kind(self._notice)  # referenced until close() has cancelled
        self._handles: list[ctypes.c_void_p] = []
        try:
            self._subscribe(_api())
        except BaseException:
            self.close()
            raise

    def _subscribe(self, api: Any) -> None:
        for name in ("NotifyUnicastIpAddressChange", "NotifyIpInterfaceChange", "NotifyRouteChange2"):
            handle = ctypes.c_void_p()
            code = getattr(api, name)(_AF_UNSPEC, self._callback, None, 0, ctypes.byref(handle))
            if code:
                raise _failed(name, code)
            if handle.value:
                self._handles.append(handle)

    @property
    def is_working(self) -> bool:
        """Whether the system gave handles; without them nothing will ever be said."""
        return bool(self._handles)

    def _notice(self, context: object, row: object, kind: object) -> None:
        with self._state:
            self._noticed = True
            self._state.notify_all()

    def wait(self, timeout: float | None) -> bool:
        with self._state:
            self._state.wait_for(lambda: self._noticed or self._closed, timeout)
            noticed, self._noticed = self._noticed, False
            return noticed and not self._closed

    def close(self) -> None:
        with self._state:
            self._closed = True
            handles, self._handles = self._handles, []
            self._state.notify_all()
        # Outside the lock: it waits for callbacks that run now, and they take the lock.
        for handle in handles:
            _api().CancelMibChangeNotify2(handle)


def open_source() -> ChangeSource:
    """Subscribe to changes of addresses, interfaces and routes."""
    source = _NotifySource()
    if source.is_working:
        return source
    source.close()
    return PollingSource()
