"""Sorting destinations as Windows would: SIO_ADDRESS_LIST_SORT (WSAIoctl, ws2_32).

Windows keeps the policy table of RFC 6724 in the registry (``netsh interface ipv6 show prefixpolicies``) and gives no
file to read; this call applies it, with the sources and routes of the moment. The list is a SOCKET_ADDRESS_LIST of
sockaddr_in6, IPv4 in mapped form, on an AF_INET6 socket; the answer is the same structure, sorted, in the buffer given.

Never run on Windows: the layout is tested by a scripted WSAIoctl that answers as the documentation of Winsock says.
"""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    #: Takes the socket, the input buffer and the output buffer; returns what WSAIoctl returned.
    Call = Callable[[int, "ctypes.Array[ctypes.c_char]", "ctypes.Array[ctypes.c_char]"], int]

__all__ = ("sort_addresses",)

_SIO_ADDRESS_LIST_SORT = 0xC8000019
_AF_INET6 = 23  # on Windows
_POINTER = ctypes.sizeof(ctypes.c_void_p)
_ENTRY = 2 * _POINTER  # SOCKET_ADDRESS: LPSOCKADDR and INT, padded
_SOCKADDR_IN6 = 28


def sort_addresses(fileno: int, addresses: Sequence[tuple[bytes, int]], call: Call | None = None) -> list[int]:
    """The order in which Windows would try *addresses* (16 bytes and scope id each), as indexes; [] if it fails."""
    count = len(addresses)
    # INT iAddressCount, padded to a pointer, then the entries; the sockaddrs stand behind them.
    head = _POINTER + count * _ENTRY
    size = head + count * _SOCKADDR_IN6
    given = ctypes.create_string_buffer(size)
    base = ctypes.addressof(given)
    ctypes.c_int32.from_buffer(given, 0).value = count
    for index, (packed, scope) in enumerate(addresses):
        at = head + index * _SOCKADDR_IN6
        entry = _POINTER + index * _ENTRY
        ctypes.c_void_p.from_buffer(given, entry).value = base + at
        ctypes.c_int32.from_buffer(given, entry + _POINTER).value = _SOCKADDR_IN6
        ctypes.c_uint16.from_buffer(given, at).value = _AF_INET6
        ctypes.memmove(base + at + 8, packed, 16)
        ctypes.c_uint32.from_buffer(given, at + 24).value = scope
    answer = ctypes.create_string_buffer(size)
    if (call or _wsaioctl)(fileno, given, answer):
        return []
    known: dict[tuple[bytes, int], list[int]] = {}
    for index, (packed, scope) in enumerate(addresses):
        known.setdefault((packed, scope), []).append(index)
    order: list[int] = []
    for index in range(min(ctypes.c_int32.from_buffer(answer, 0).value, count)):
        pointer = ctypes.c_void_p.from_buffer(answer, _POINTER + index * _ENTRY).value
        if pointer is None:
            return []
        raw = ctypes.string_at(pointer, _SOCKADDR_IN6)
        places = known.get((raw[8:24], int.from_bytes(raw[24:28], "little")))
        if not places:
            return []
        order.append(places.pop(0))
    return order


def _wsaioctl(fileno: int, given: ctypes.Array[ctypes.c_char], answer: ctypes.Array[ctypes.c_char]) -> int:
    returned = ctypes.c_uint32()
    library = getattr(ctypes, "WinDLL")("ws2_32")  # noqa: B009  # no such name for type checkers off Windows
    call = library.WSAIoctl
    call.argtypes = (
        ctypes.c_void_p,  # SOCKET is UINT_PTR
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    status: int = call(
        fileno,
        _SIO_ADDRESS_LIST_SORT,
        given,
        ctypes.sizeof(given),
        answer,
        ctypes.sizeof(answer),
        ctypes.byref(returned),
        None,
        None,
    )
    return status
