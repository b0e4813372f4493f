"""dualstack.shim.patch as such: what it replaces, that all of it comes back, and in which bad moments."""

from __future__ import annotations

import importlib
import itertools
import pickle
import socket
import sys
import threading
from unittest import mock

import pytest

from dualstack import shim
from dualstack.shim import points

pytestmark = pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="listening is patched on CPython alone; runs there"
)
EVERYTHING = {"connect": True, "listen": True, "datagram": True, "netifaces": True}


def state() -> dict[str, object]:
    """Every namespace that a patch may touch, entry by entry."""
    import asyncio.base_events

    found: dict[str, object] = {f"socket.{name}": value for name, value in vars(socket).items()}
    found |= {f"socket.socket.{name}": value for name, value in vars(socket.socket).items()}
    found |= {f"BaseEventLoop.{name}": value for name, value in vars(asyncio.base_events.BaseEventLoop).items()}
    found |= {f"meta_path {number}": value for number, value in enumerate(sys.meta_path)}
    found["netifaces"] = sys.modules.get("netifaces", "missing")
    return found


def changed(before: dict[str, object]) -> set[str]:
    now = state()
    return {name for name in before.keys() | now.keys() if before.get(name, before) is not now.get(name, now)}


@pytest.fixture(autouse=True)
def restored():
    """Whatever a test does, nothing is left of it."""
    import dualstack.shim.netifaces  # noqa: F401 - a patch imports it, and it registers nothing

    before = state()
    yield before
    assert changed(before) == set()
    assert not points.late._waiting


def test_all_is_replaced_and_all_comes_back(restored) -> None:
    with shim.patch(**EVERYTHING) as patch:
        assert patch.active
        touched = changed(restored)
        assert {"socket.create_connection", "netifaces", "BaseEventLoop.create_connection"} <= touched
        assert {"BaseEventLoop.create_server", "socket.socket.bind", "socket.socket.listen"} <= touched
        assert {"socket.socket.recvfrom", "socket.socket.family"} <= touched
    assert not patch.active
    assert changed(restored) == set()


@pytest.mark.parametrize(
    ("keywords", "touched", "not_touched"),
    [
        pytest.param({}, {"socket.create_connection", "socket.socket.listen", "netifaces"}, "sendto", id="default"),
        pytest.param({"connect": True}, {"socket.create_connection"}, "socket.socket.", id="connect"),
        pytest.param({"listen": True}, {"socket.socket.bind", "socket.socket.listen"}, "connect", id="listen"),
        pytest.param({"datagram": True}, {"socket.socket.bind", "socket.socket.sendto"}, "listen", id="datagram"),
        pytest.param({"netifaces": True}, {"netifaces"}, "socket", id="netifaces"),
    ],
)
def test_each_part_alone(restored, keywords: dict[str, bool], touched: set[str], not_touched: str) -> None:
    wanted = dict.fromkeys(EVERYTHING, False) | keywords if keywords else {}
    with shim.patch(**wanted):
        now = changed(restored)
        assert touched <= now
        assert not [name for name in now if not_touched in name]


def test_function_and_unpatch(restored) -> None:
    patch = shim.patch()
    assert "in force" in repr(patch)
    patch.unpatch()
    assert "ended" in repr(patch)
    assert changed(restored) == set()
    patch.unpatch()  # the second time is nothing
    assert changed(restored) == set()


def test_the_same_replacement_for_all_who_overlap() -> None:
    with shim.patch() as outer:
        ours = socket.create_connection
        with shim.patch():
            assert socket.create_connection is ours
        assert socket.create_connection is ours
        outer.unpatch()
        assert socket.create_connection is not ours


SETS = [
    {"connect": True, "listen": False, "netifaces": False},
    {"connect": False, "listen": True, "netifaces": True},
    {"connect": False, "listen": False, "datagram": True},
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_ended_in_any_order(restored, order: tuple[int, ...]) -> None:
    patches = [shim.patch(**keywords) for keywords in SETS]
    alive = set(range(3))
    names = ["socket.create_connection", "socket.socket.listen", "socket.socket.recvfrom"]
    for number in order:
        patches[number].unpatch()
        alive.discard(number)
        now = changed(restored)
        assert {names.index(name) for name in names if name in now} == alive
        assert ("socket.socket.bind" in now) is bool(alive & {1, 2})
    assert changed(restored) == set()


def test_an_exception_inside_ends_it(restored) -> None:
    with pytest.raises(ZeroDivisionError), shim.patch():
        1 / 0  # noqa: B018 - raising is the test
    assert changed(restored) == set()


def test_a_part_that_cannot_be_put_in_place_leaves_nothing(restored, monkeypatch) -> None:
    from dualstack.shim import patch_listen

    def broken(spell):
        raise MemoryError

    monkeypatch.setattr(patch_listen.LISTEN, "_rows", (("socket", "socket", "listen", broken),))
    monkeypatch.setattr(patch_listen.LISTEN, "_points", {})
    with pytest.raises(MemoryError):
        shim.patch()
    assert changed(restored) == set()


# ---------------------------------------------------------------------- others who patch


def test_mock_inside() -> None:
    with shim.patch():
        ours = socket.create_connection
        with mock.patch("socket.create_connection") as theirs:
            assert socket.create_connection is theirs
        assert socket.create_connection is ours


def test_around_mock() -> None:
    with mock.patch("socket.create_connection") as theirs:
        with shim.patch():
            assert socket.create_connection is not theirs
        assert socket.create_connection is theirs


def test_mock_that_outlives_the_patch(restored) -> None:
    """It puts ours back when we are gone; ours then does nothing, and leaves at its first call."""
    original = socket.create_connection
    patch = shim.patch()
    ours = socket.create_connection
    theirs = mock.patch("socket.create_connection")
    theirs.start()
    patch.unpatch()
    theirs.stop()
    assert socket.create_connection is ours
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert socket.create_connection is original


def test_mock_that_outlives_it_and_a_new_patch(restored) -> None:
    original = socket.create_connection
    first = shim.patch()
    stale = socket.create_connection
    theirs = mock.patch("socket.create_connection")
    theirs.start()
    first.unpatch()
    theirs.stop()
    with shim.patch():
        assert socket.create_connection is not stale
        assert socket.create_connection.__wrapped__ is original
    assert socket.create_connection is original


def test_wrapped_ours_then_patched_again() -> None:
    """Somebody keeps ours inside theirs (instrumentation does): no endless recursion in the next spell."""
    original = socket.create_connection
    calls = []
    with shim.patch():
        inner = socket.create_connection

    def theirs(*args, **keywords):
        calls.append(args)
        return inner(*args, **keywords)

    with mock.patch("socket.create_connection", theirs), shim.patch(), socket.create_server(("", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
        assert calls == []  # ours races by itself
        with mock.patch("socket.create_connection", theirs):
            socket.create_connection(("localhost", server.getsockname()[1])).close()
        assert len(calls) == 1
    assert socket.create_connection is original


def test_mock_of_a_method_over_ours() -> None:
    with shim.patch(), mock.patch.object(socket.socket, "listen", side_effect=OSError(95, "no")) as theirs:
        with socket.socket() as sock:
            sock.bind(("", 0))
            with pytest.raises(OSError, match="no"):
                sock.listen()
        theirs.assert_called_once_with()
    assert "listen" not in vars(socket.socket)


# ---------------------------------------------------------------------- what programs look at


def test_modules_and_classes_stay_what_they_are() -> None:
    module, kind, native = sys.modules["socket"], socket.socket, socket.SocketType
    with shim.patch(**EVERYTHING):
        assert sys.modules["socket"] is module is socket
        assert socket.socket is kind
        assert socket.SocketType is native
        assert issubclass(kind, native)
        assert socket.create_connection.__name__ == "create_connection"
        assert socket.socket.bind.__name__ == "bind"
        assert importlib.import_module("socket") is module


def test_addresses_are_plain_tuples_and_pickle() -> None:
    with shim.patch(**EVERYTHING), socket.socket() as sock:
        sock.bind(("", 0))
        sock.listen()
        with socket.create_connection(("127.0.0.1", sock.getsockname()[1])) as client:
            connection, peer = sock.accept()
            with connection:
                for address in (peer, sock.getsockname(), connection.getpeername(), connection.getsockname()):
                    assert type(address) is tuple
                    assert pickle.loads(pickle.dumps(address)) == address
                assert peer == client.getsockname()


def test_inspection_sees_the_signatures() -> None:
    import inspect

    def seen() -> tuple[object, ...]:
        functions = socket.socket, socket.create_connection
        return *map(inspect.signature, functions), *map(inspect.getdoc, (*functions, socket.socket.family))

    before = seen()
    with shim.patch(**EVERYTHING):
        assert seen() == before


# ---------------------------------------------------------------------- modules that come later


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A stand-in for urllib3, importable and not yet imported."""
    folder = tmp_path / "urllib3" / "util"
    folder.mkdir(parents=True)
    (tmp_path / "urllib3" / "__init__.py").write_text("from .util import connection\n")
    (folder / "__init__.py").write_text("")
    (folder / "connection.py").write_text(
        "import socket\n"
        "def allowed_gai_family():\n    return socket.AF_UNSPEC\n"
        "def create_connection(address, timeout=None, source_address=None, socket_options=None):\n"
        "    return 'theirs', address, timeout, source_address, socket_options\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "urllib3"}
    yield "urllib3.util.connection"
    for name in [name for name in sys.modules if name.partition(".")[0] == "urllib3"]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_imported_after_the_patch(restored, package: str) -> None:
    with shim.patch(listen=False):
        assert sys.meta_path[0] is points.late
        module = importlib.import_module(package)
        assert hasattr(module.create_connection, "__wrapped__")
        assert type(module.__spec__.loader).__name__ == "SourceFileLoader"
        assert module.__loader__ is module.__spec__.loader
        original = module.create_connection.__wrapped__
    assert module.create_connection is original
    assert changed(restored) == set()
    assert importlib.import_module(package).create_connection(("h", 1))[0] == "theirs"


def test_imported_before_the_patch(package: str) -> None:
    module = importlib.import_module(package)
    original = module.create_connection
    with shim.patch(listen=False):
        assert module.create_connection.__wrapped__ is original
    assert module.create_connection is original


def test_imported_twice_within_the_patch(package: str) -> None:
    with shim.patch(listen=False):
        first = importlib.import_module(package)
        del sys.modules[package]
        second = importlib.import_module(package)
        assert second is not first
        assert hasattr(second.create_connection, "__wrapped__")
    assert not hasattr(first.create_connection, "__wrapped__")
    assert not hasattr(second.create_connection, "__wrapped__")


def test_an_import_that_fails_is_theirs_to_see(package: str, tmp_path) -> None:
    (tmp_path / "urllib3" / "util" / "connection.py").write_text("import nothing_of_this_name")
    with shim.patch(listen=False), pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        importlib.import_module(package)


def test_a_module_that_does_not_exist_is_not_found() -> None:
    with shim.patch(listen=False):
        points.late.wait_for("no_module_has_this_name", print)
        with pytest.raises(ModuleNotFoundError, match="no_module_has_this_name"):
            importlib.import_module("no_module_has_this_name")
        points.late.forget("no_module_has_this_name", print)


# ---------------------------------------------------------------------- netifaces


def test_netifaces_for_a_while(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "netifaces", raising=False)
    with shim.patch(connect=False, listen=False):
        with shim.patch(connect=False, listen=False):
            from dualstack.shim import netifaces

            assert importlib.import_module("netifaces") is netifaces
        assert sys.modules["netifaces"] is netifaces
    assert "netifaces" not in sys.modules


def test_netifaces_that_was_there_comes_back(monkeypatch) -> None:
    theirs = object()
    monkeypatch.setitem(sys.modules, "netifaces", theirs)
    with shim.patch(connect=False, listen=False):
        assert sys.modules["netifaces"] is not theirs
    assert sys.modules["netifaces"] is theirs


# ---------------------------------------------------------------------- threads


def test_patched_and_unpatched_while_threads_connect(restored) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()
    done = [0, 0]
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:

        def accepting() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if connection.recv(1) != b"x":
                        return

        def connecting(number: int) -> None:
            try:
                while not stop.is_set() or not done[number]:
                    with socket.create_connection(server.getsockname(), timeout=30) as client:
                        assert client.getpeername() == server.getsockname()
                        client.send(b"x")
                        client.recv(1)
                        done[number] += 1
            except BaseException as error:  # noqa: BLE001 - shown by the main thread
                failures.append(error)

        threads = [threading.Thread(target=connecting, args=(number,)) for number in range(2)]
        accepter = threading.Thread(target=accepting)
        for thread in (accepter, *threads):
            thread.start()
        for _ in range(200):
            with shim.patch():
                pass
        stop.set()
        for thread in threads:
            thread.join(60)
        socket.create_connection(server.getsockname()).close()
        accepter.join(60)
    assert failures == []
    assert min(done) > 0


def test_patched_from_many_threads(restored) -> None:
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def patching(number: int) -> None:
        try:
            barrier.wait(30)
            for round in range(50):
                with shim.patch(**SETS[(number + round) % 3]):
                    pass
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            failures.append(error)

    threads = [threading.Thread(target=patching, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert changed(restored) == set()
