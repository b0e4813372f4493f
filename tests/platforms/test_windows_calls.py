"""The calls of Windows' interfaces into iphlpapi.dll, on a scripted one: arguments, codes, growth, callbacks.

How the answers are read is in test_iphlpapi.py; the real DLL answers under Wine and on Windows (tests/windows). Here
each code that it can answer comes once, and what it was given is looked at.
"""

from __future__ import annotations

import ctypes
import socket
import threading
from types import SimpleNamespace

import pytest

from dualstack.errors import UnsupportedError
from dualstack.platforms import windows_interfaces
from dualstack.platforms.change_source import PollingSource
from dualstack.platforms.iphlpapi import ROUTE_ROW, Layouts, pack_sockaddr
from dualstack.platforms.windows import Windows

POINTER = ctypes.sizeof(ctypes.c_void_p)
NOTICES = ("NotifyUnicastIpAddressChange", "NotifyIpInterfaceChange", "NotifyRouteChange2")


class Function:
    """What ctypes gives for a function of a DLL: called with what the code passes, after its types were declared."""

    def __init__(self, call) -> None:
        self.call = call

    def __call__(self, *arguments):
        assert len(arguments) == len(self.argtypes) and hasattr(self, "restype")
        return self.call(*arguments)


class Iphlpapi:
    """One Ethernet adapter and a default route through it; *codes* says what a function answers instead."""

    def __init__(self, **codes: int) -> None:
        self.codes = codes
        self.needs = 0
        self.sizes: list[int] = []
        self.freed = 0
        self.callback = None
        self.handles = 0
        self.gives_handles = True
        self.cancelled: list[int] = []
        for name in ("GetAdaptersAddresses", "GetIpForwardTable2", "FreeMibTable", "GetBestRoute2"):
            setattr(self, name, Function(getattr(self, f"_{name}")))
        for name in NOTICES:
            setattr(self, name, Function(lambda *arguments, name=name: self._notify(name, *arguments)))
        self.CancelMibChangeNotify2 = Function(lambda handle: self.cancelled.append(handle.value))

    def _GetAdaptersAddresses(self, family, flags, reserved, buffer, size):
        assert (family, flags, reserved) == (0, 0xE, None)
        given = size._obj
        assert ctypes.sizeof(buffer) == given.value and ctypes.addressof(buffer) % 8 == 0
        self.sizes.append(given.value)
        if given.value < self.needs:
            given.value = self.needs
            return 111
        layouts, start = Layouts(POINTER), ctypes.addressof(buffer)
        adapter = layouts.Adapter.from_address(start)
        name = start + ctypes.sizeof(layouts.Adapter)
        raw = "Ethernet\0".encode("utf-16-le")
        ctypes.memmove(name, raw, len(raw))
        adapter.Length, adapter.IfIndex, adapter.Ipv6IfIndex, adapter.FriendlyName = ctypes.sizeof(adapter), 7, 7, name
        adapter.IfType, adapter.OperStatus, adapter.Ipv4Metric, adapter.Ipv6Metric = 6, 1, 25, 35
        return self.codes.get("GetAdaptersAddresses", 0)

    def _GetIpForwardTable2(self, family, table):
        assert family == 0
        row = ROUTE_ROW.pack(7, pack_sockaddr(bytes(4)), 0, pack_sockaddr(bytes([192, 0, 2, 1])), 10)
        self.table = ctypes.create_string_buffer((1).to_bytes(4, "little") + bytes(4) + row)
        table._obj.value = ctypes.addressof(self.table)
        return self.codes.get("GetIpForwardTable2", 0)

    def _FreeMibTable(self, table):
        assert table.value == ctypes.addressof(self.table)
        self.freed += 1

    def _GetBestRoute2(self, luid, index, source, target, options, row, best):
        assert (luid, index, source, options) == (None, 0, None, 0)
        assert target.raw == pack_sockaddr(bytes([198, 51, 100, 1])).ljust(28, b"\0")
        row.raw = ROUTE_ROW.pack(7, pack_sockaddr(bytes(4)), 0, pack_sockaddr(bytes([192, 0, 2, 1])), 10)
        best.raw = pack_sockaddr(bytes([192, 0, 2, 7])).ljust(28, b"\0")
        return self.codes.get("GetBestRoute2", 0)

    def _notify(self, name, family, callback, context, initial, handle):
        assert (family, context, initial) == (0, None, 0)
        self.callback = callback
        if name in self.codes:
            return self.codes[name]
        if self.gives_handles:
            self.handles += 1
            handle._obj.value = 0x1_0000_0000 + self.handles  # beyond 32 bits: a cut handle would not come back
        return 0


@pytest.fixture
def api(monkeypatch):
    def script(**codes):
        library = Iphlpapi(**codes)
        double = SimpleNamespace(**vars(ctypes))
        double.WinDLL = {"iphlpapi": library}.__getitem__
        double.FormatError = "error {}".format
        double.WINFUNCTYPE = lambda result, *arguments: lambda call: call
        monkeypatch.setattr(windows_interfaces, "ctypes", double)
        monkeypatch.setattr(windows_interfaces, "_library", None)
        return library

    return script


def test_the_interfaces(api):
    library = api()
    (nic,) = Windows().interfaces()
    assert (nic.name, nic.index, nic.is_up) == ("Ethernet", 7, True)
    assert library.sizes == [16392]


def test_a_list_that_grows_is_asked_for_again(api):
    library = api()
    library.needs = 40_000
    (nic,) = Windows().interfaces()
    assert nic.name == "Ethernet"
    assert library.sizes == [16392, 40_008]


def test_a_list_that_always_grows_ends_in_an_error(api):
    library = api()
    library.needs = 2**20

    class Growing(Function):
        def __call__(self, *arguments):
            library.needs *= 2
            return super().__call__(*arguments)

    library.GetAdaptersAddresses = Growing(library._GetAdaptersAddresses)
    with pytest.raises(OSError, match="GetAdaptersAddresses: error 111"):
        Windows().interfaces()
    assert len(library.sizes) == 5


def test_no_adapter_at_all(api):
    api(GetAdaptersAddresses=232)
    assert len(Windows().interfaces()) == 0


def test_a_list_that_is_refused(api):
    library = api(GetAdaptersAddresses=87)
    with pytest.raises(OSError, match="GetAdaptersAddresses: error 87"):
        Windows().interfaces()
    assert len(library.sizes) == 1


def test_the_routes(api):
    library = api()
    (route,) = Windows().routes()
    assert (route.host, route.interface, route.metric) == ("192.0.2.1", "Ethernet", 35)
    assert library.freed == 1


def test_routes_that_are_refused(api):
    library = api(GetIpForwardTable2=5)
    with pytest.raises(OSError, match="GetIpForwardTable2: error 5"):
        Windows().routes()
    assert library.freed == 0


def best(platform: Windows):
    return platform.route_to(socket.AF_INET, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 17, 0)


def test_the_route_to_a_destination(api):
    api()
    found = best(Windows())
    assert (found.host, found.interface, found.gateway) == ("192.0.2.7", "Ethernet", "192.0.2.1")


def test_no_route_to_a_destination(api):
    api(GetBestRoute2=1231)  # ERROR_NETWORK_UNREACHABLE
    with pytest.raises(OSError, match=r"no packet can go to 198\.51\.100\.1: error 1231"):
        best(Windows())


def test_a_windows_that_cannot_be_asked(api):
    api(GetBestRoute2=50)
    with pytest.raises(UnsupportedError, match="route to a destination"):
        best(Windows())


def test_a_notice_wakes_who_waits_and_closing_gives_back_every_handle(api):
    library = api()
    source = Windows().watch()
    assert source.wait(0) is False
    library.callback(None, None, 1)
    assert source.wait(0) is True
    assert source.wait(0) is False  # once per notice
    thread = threading.Thread(target=library.callback, args=(None, None, 1))
    thread.start()
    assert source.wait(20) is True
    thread.join()
    source.close()
    source.close()
    assert library.cancelled == [0x1_0000_0001, 0x1_0000_0002, 0x1_0000_0003]
    library.callback(None, None, 1)  # one that was under way
    assert source.wait(20) is False


def test_a_system_that_gives_no_handles_is_polled(api):
    api().gives_handles = False
    source = Windows().watch()
    assert isinstance(source, PollingSource)
    source.close()


def test_a_subscription_that_fails_takes_back_the_others(api):
    library = api(NotifyRouteChange2=8)
    with pytest.raises(OSError, match="NotifyRouteChange2: error 8"):
        Windows().watch()
    assert library.cancelled == [0x1_0000_0001, 0x1_0000_0002]


def test_a_watch_that_polls_asks_nothing(api):
    library = api()
    Windows().watch(5.0).close()
    assert library.handles == 0
