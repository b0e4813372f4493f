"""What changed between two snapshots: a table, and the law that applying the changes to the old gives the new."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.core.changes import Change, State, difference
from dualstack.core.interface import RUNNING, UP, Interface
from dualstack.core.interface_address import DEPRECATED, InterfaceAddress
from dualstack.core.interfaces import Interfaces
from dualstack.core.route import Route, SourceAddress, mark_effective


def address(last: int = 1, index: int = 1, **more) -> InterfaceAddress:
    return InterfaceAddress(socket.AF_INET, bytes([192, 0, 2, last]), f"192.0.2.{last}", 24, f"e{index}", index, **more)


def nic(index: int = 1, *addresses: InterfaceAddress, flags: int = UP, **more) -> Interface:
    return Interface(f"e{index}", index, flags, addresses=addresses, **more)


def state(*nics: Interface, routes: tuple[Route, ...] = ()) -> State:
    return State(Interfaces(nics), routes)


ROUTE = Route(socket.AF_INET, "192.0.2.254", "e1", 1, 100)

CASES = [
    pytest.param(state(nic()), state(nic()), [], id="nothing"),
    pytest.param(state(), state(nic()), ["added interface"], id="interface-added"),
    pytest.param(state(nic()), state(), ["removed interface"], id="interface-removed"),
    pytest.param(state(nic()), state(nic(flags=UP | RUNNING)), ["changed interface"], id="flags"),
    pytest.param(state(nic(mtu=1500)), state(nic(mtu=1400)), ["changed interface"], id="mtu"),
    pytest.param(state(nic()), state(nic(1, address())), ["added address"], id="address-added"),
    pytest.param(state(nic(1, address())), state(nic()), ["removed address"], id="address-removed"),
    pytest.param(
        state(nic(1, address())), state(nic(1, address(flags=DEPRECATED))), ["changed address"], id="address-deprecated"
    ),
    pytest.param(
        state(nic(1, address(valid_lifetime=600))), state(nic(1, address(valid_lifetime=590))), [], id="time-goes-by"
    ),
    pytest.param(
        state(nic(1, address(valid_lifetime=600))), state(nic(1, address())), ["changed address"], id="now-for-ever"
    ),
    pytest.param(
        state(nic(1, address())),
        state(nic(1, address(2))),
        ["removed address", "added address"],
        id="address-replaced",
    ),
    pytest.param(state(nic()), state(nic(), routes=(ROUTE,)), ["added route"], id="route-added"),
    pytest.param(
        state(nic(1, address()), routes=(ROUTE,)),
        state(),
        ["removed route", "removed address", "removed interface"],
        id="what-hangs-on-it-goes-first",
    ),
    pytest.param(
        state(),
        state(nic(1, address()), routes=(ROUTE,)),
        ["added interface", "added address", "added route"],
        id="and-comes-last",
    ),
    pytest.param(
        state(Interface("old", 1, UP)), state(Interface("new", 1, UP)), ["changed interface"], id="a-rename-is-a-change"
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_difference(old: State, new: State, expected: list[str]) -> None:
    found = difference(old, new)
    assert [f"{change.action} {change.subject}" for change in found] == expected
    json.dumps([change.to_dict() for change in found])


def test_a_change_says_what_and_where() -> None:
    (change,) = difference(state(nic()), state(nic(1, address())))
    assert change.interface == "e1" and change.value is change.new and change.old is None
    assert str(change) == "added address 192.0.2.1/24 on e1"
    (gone,) = difference(state(nic()), state())
    assert gone.value is gone.old and str(gone).startswith("removed interface 1: e1 <up>")
    resync = Change("resync", "all")
    assert resync.interface is None and "lost events" in str(resync)


addresses = st.builds(address, st.integers(1, 3), st.just(1), flags=st.sampled_from([0, DEPRECATED]))


@st.composite
def states(draw) -> State:
    nics = []
    for index in draw(st.sets(st.integers(1, 3))):
        lasts = draw(st.sets(st.integers(1, 3)))
        nics.append(nic(index, *(address(last, index) for last in lasts), mtu=draw(st.integers(1, 2))))
    metrics = draw(st.sets(st.integers(1, 3)))
    return state(*nics, routes=tuple(Route(2, "192.0.2.254", "e1", 1, metric) for metric in metrics))


FACTS = {"interface": lambda n: (n.index, n.mtu), "address": lambda a: a.key, "route": lambda r: r}


def facts(one: State) -> tuple[set[object], set[object], set[object]]:
    return (
        {(n.index, n.mtu) for n in one.interfaces},
        {a.key for n in one.interfaces for a in n.addresses},
        set(one.routes),
    )


@given(states(), states())
def test_applying_the_changes_gives_the_new_state(old: State, new: State) -> None:
    nics, keys, routes = facts(old)
    for change in difference(old, new):
        group = {"interface": nics, "address": keys, "route": routes}[change.subject]
        fact = FACTS[change.subject]
        if change.old is not None:
            group.remove(fact(change.old))
        if change.new is not None:
            group.add(fact(change.new))
    assert (nics, keys, routes) == facts(new)


# --------------------------------------------------------------------- default routes


def route(metric: int = 0, **more) -> Route:
    return Route(more.pop("family", 2), more.pop("host", "192.0.2.1"), "e1", 1, metric, **more)


@pytest.mark.parametrize(
    ("routes", "effective"),
    [
        pytest.param([], [], id="none"),
        pytest.param([route(100), route(50)], [False, True], id="lowest-metric"),
        pytest.param([route(4294967290), route(5)], [False, True], id="metrics-are-unsigned"),
        pytest.param([route(10), route(10, host="192.0.2.2")], [True, True], id="members-of-one"),
        pytest.param([route(0, table=100), route(100)], [False, True], id="other-table"),
        pytest.param([route(0, tos=16), route(100)], [False, True], id="one-type-of-service"),
        pytest.param([route(0, is_alive=False), route(100)], [False, True], id="link-down"),
        pytest.param([route(0, host=None)], [True], id="no-gateway"),
        pytest.param([route(9), route(1, family=10)], [True, True], id="each-family-for-itself"),
        pytest.param([route(0, prefix_length=1), route(9)], [True], id="half-of-the-address-space-is-no-default"),
    ],
)
def test_which_default_counts(routes: list[Route], effective: list[bool]) -> None:
    assert [one.is_effective for one in mark_effective(routes)] == effective


def test_routes_as_text() -> None:
    assert str(route(5, weight=2, source="192.0.2.9")) == "via 192.0.2.1 dev e1 metric 5 weight 2 source 192.0.2.9"
    assert str(route(host=None, table=7, tos=16, is_alive=False)) == "dev e1 metric 0 table 7 tos 0x10 (link down)"
    assert route(host=None).is_on_link and not route().is_on_link


def test_source_address() -> None:
    ipv4 = SourceAddress(2, "198.51.100.1", "192.0.2.7", "e1", 1, "192.0.2.1")
    assert str(ipv4) == "198.51.100.1 from 192.0.2.7 dev e1 via 192.0.2.1"
    assert ipv4.endpoint(80).sockaddr == ("192.0.2.7", 80)
    link_local = SourceAddress(10, "fe80::2%e1", "fe80::1%e1", "e1", 7)
    assert str(link_local).endswith("on link")
    assert link_local.endpoint().sockaddr == ("fe80::1", 0, 0, 7)
    assert "this host itself" in str(SourceAddress(2, "192.0.2.7", "192.0.2.7", "lo", 1, is_local=True))


@pytest.mark.parametrize(("family", "name"), [(socket.AF_INET, "IPv4"), (socket.AF_INET6, "IPv6")])
def test_a_route_as_json_says_its_family(family: int, name: str) -> None:
    """Without a gateway nothing else does."""
    told = json.loads(json.dumps(Route(family, None, "wg0", 7, 5, tos=16).to_dict()))
    assert (told["family"], told["host"], told["is_on_link"], told["tos"]) == (name, None, True, 16)
