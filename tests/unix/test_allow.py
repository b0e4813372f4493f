"""Who may connect: open_listener(allow=...) and abstract names, on every driver; peers of other users are real ones."""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys

import pytest

import dualstack

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux, and run there")
root_only = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="needs root to become another user; ci/ runs as root"
)


def client(address: object, family: int = socket.AF_UNIX) -> socket.socket:
    """Connect; what a refused peer then sees is the end of the stream."""
    sock = socket.socket(family)
    sock.settimeout(10)
    sock.connect(address)
    return sock


def ended(sock: socket.socket) -> bool:
    with sock:
        try:
            return sock.recv(1) == b""
        except ConnectionResetError:
            return True


class Stranger:
    """A process of another user that connects once; ``refused()`` says how that ended."""

    def __init__(self, address: object, uid: int = 12, gid: int = 34) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            status = 99
            try:
                os.setgroups([])
                os.setgid(gid)
                os.setuid(uid)
                with client(address) as sock:
                    status = 0 if sock.recv(1) == b"" else 1
            except ConnectionResetError:
                status = 0
            finally:
                os._exit(status)

    def refused(self) -> bool:
        return {0: True, 1: False}[os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])]


def test_a_function_is_given_who_it_is(verbs, run, path):
    seen = []

    def allow(who):
        seen.append(who)
        return len(seen) > 1

    async def scenario():
        listener = await verbs.open_listener([f"unix:{path}", "127.0.0.1:0"], allow=allow)
        first, second = client(path), client(path)
        server, _ = await listener.accept(timeout=10)
        assert ended(first)
        server.sendall(b"x")
        assert second.recv(1) == b"x"
        third = client(listener.endpoints[0].sockaddr, socket.AF_INET)
        other, peer = await listener.accept(timeout=10)
        assert peer.sockaddr == third.getsockname()
        assert listener.refused == 1
        for sock in (second, server, third, other):
            sock.close()
        listener.close()
        assert [isinstance(who, dualstack.PeerCredentials) for who in seen] == [True, True, False]
        assert seen[0].uid == seen[1].uid == os.geteuid()
        assert seen[2] == peer

    run(scenario())


def test_networks_are_about_ip_peers(verbs, run, path):
    """The mode of the file stays what decides about Unix peers."""

    async def scenario():
        listener = await verbs.open_listener(["127.0.0.1:0", f"unix:{path}"], allow=["192.0.2.0/24"])
        stranger, friend = client(listener.endpoints[0].sockaddr, socket.AF_INET), client(path)
        server, peer = await listener.accept(timeout=10)
        assert isinstance(peer, dualstack.UnixEndpoint)
        with pytest.raises(TimeoutError):
            await listener.accept(timeout=0.05)
        assert ended(stranger)
        assert listener.refused == 1
        friend.close()
        server.close()
        listener.close()

    run(scenario())


def test_a_mapped_peer_is_in_its_ipv4_network(verbs, run):
    async def scenario():
        if not dualstack.capabilities().dual_stack:
            pytest.skip("no dual-stack sockets here; the other hosts run it")
        listener = await verbs.open_listener("::", 0, allow=["127.0.0.0/8"])
        port = listener.endpoints[0].port
        stranger, friend = client(("::1", port), socket.AF_INET6), client(("127.0.0.1", port), socket.AF_INET)
        server, peer = await listener.accept(timeout=10)
        assert peer.host == "127.0.0.1"
        assert ended(stranger)
        friend.close()
        server.close()
        listener.close()

    run(scenario())


def test_a_function_that_raises_refuses_and_the_server_goes_on(verbs, run, path, caplog):
    def allow(who):
        if not caplog.records:
            raise RuntimeError("a mistake of its author")
        return True

    async def scenario():
        listener = await verbs.open_listener(f"unix:{path}", allow=allow)
        first, second = client(path), client(path)
        server, _ = await listener.accept(timeout=10)
        assert ended(first)
        assert listener.refused == 1
        second.close()
        server.close()
        listener.close()

    with caplog.at_level(logging.INFO, "dualstack"):
        run(scenario())
    assert "a mistake of its author" in caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert f"refused a connection from unix: on unix:{path}" in caplog.text


async def anybody(who):
    return True


def test_something_to_await_lets_nobody_in(verbs, run, path, caplog):
    """It is true, so the listener must not take it for a yes."""

    async def scenario():
        listener = await verbs.open_listener(f"unix:{path}", allow=functools.partial(anybody))
        one = client(path)
        with pytest.raises(TimeoutError):
            await listener.accept(timeout=0.1)
        assert ended(one)
        assert listener.refused == 1
        listener.close()

    run(scenario())
    assert "not an async one" in caplog.text


def test_what_is_no_rule_is_said_before_anything_is_opened(verbs, run, path):
    async def scenario():
        wrong = ((["10.0.0.1/8"], ValueError), ("10.0.0.0/8", TypeError), (7, TypeError), (anybody, TypeError))
        for allow, kind in wrong:
            with pytest.raises(kind):
                await verbs.open_listener(f"unix:{path}", allow=allow)
            assert not os.path.lexists(path)

    run(scenario())


@linux_only
def test_an_abstract_name_lets_our_own_user_in(verbs, run):
    async def scenario():
        name = f"unix:@ds-allow-{os.getpid()}"
        listener = await verbs.open_listener(name)
        friend = client(listener.endpoints[0].sockaddr)
        server, _ = await listener.accept(timeout=10)
        friend.close()
        server.close()
        assert listener.refused == 0
        listener.close()

    run(scenario())


@linux_only
@root_only
def test_an_abstract_name_keeps_other_users_out_unless_told_otherwise(verbs, run):
    name = f"unix:@ds-allow-{os.getpid()}"

    async def keeps_out():
        listener = await verbs.open_listener(name)
        stranger = Stranger(listener.endpoints[0].sockaddr)
        with pytest.raises(TimeoutError):
            await listener.accept(timeout=0.2)
        while not listener.refused:  # it takes its time to start
            with pytest.raises(TimeoutError):
                await listener.accept(timeout=0.2)
        assert stranger.refused()
        listener.close()

    async def lets_in(allow):
        listener = await verbs.open_listener(name, allow=allow)
        stranger = Stranger(listener.endpoints[0].sockaddr)
        server, _ = await listener.accept(timeout=30)
        assert dualstack.peer_credentials(server)[1:] == (12, 34)
        server.sendall(b"x")
        assert not stranger.refused()
        server.close()
        listener.close()

    run(keeps_out())
    run(lets_in(dualstack.anyone))
    run(lets_in(lambda who: who.gid == 34))


@root_only
def test_a_path_is_protected_by_its_mode_and_by_a_function(verbs, run, folder, path):
    os.chmod(folder, 0o755)

    async def scenario():
        listener = await verbs.open_listener(f"unix:{path}", mode=0o666, allow=lambda who: who.uid == 12)
        stranger, friend = Stranger(path, uid=13), Stranger(path)
        server, _ = await listener.accept(timeout=30)
        assert dualstack.peer_credentials(server).uid == 12
        server.sendall(b"x")
        assert not friend.refused()
        while not listener.refused:
            with pytest.raises(TimeoutError):
                await listener.accept(timeout=0.2)
        assert stranger.refused()
        server.close()
        listener.close()

    run(scenario())


@root_only
def test_networks_leave_a_path_to_its_mode(verbs, run, folder, path):
    os.chmod(folder, 0o755)

    async def scenario():
        listener = await verbs.open_listener(f"unix:{path}", mode=0o666, allow=["192.0.2.0/24"])
        stranger = Stranger(path)
        server, _ = await listener.accept(timeout=30)
        server.sendall(b"x")
        assert not stranger.refused()
        server.close()
        listener.close()

    run(scenario())


def test_where_the_system_does_not_tell(verbs, run, path, monkeypatch):
    """A function is asked all the same, and sees that nothing is known."""
    from dualstack import platforms

    def untold(sock):
        raise dualstack.UnsupportedError("asking who is there", "this test")

    monkeypatch.setattr(platforms.current, "peer_credentials", untold)
    seen = []

    async def scenario():
        listener = await verbs.open_listener(f"unix:{path}", allow=lambda who: seen.append(who) or True)
        friend = client(path)
        server, _ = await listener.accept(timeout=10)
        friend.close()
        server.close()
        listener.close()
        assert seen == [(None, None, None)]

    run(scenario())


def test_start_server_asks_too(folder, path):
    """asyncio's streams go through the same accept."""
    import asyncio

    from dualstack.aio.streams import start_server

    async def main():
        async def echo(reader, writer):
            writer.close()

        async with await start_server(echo, f"unix:{path}", allow=lambda who: False) as server:
            sock = client(path)
            await asyncio.to_thread(ended, sock)
            assert server.listener.refused == 1

    asyncio.run(main())
