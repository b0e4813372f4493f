"""The HTTP adapters under the real libraries, against real servers: one scenario, every library."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

import dualstack
from dualstack import doors
from dualstack.errors import AddressError, ConnectError, ResolveError
from dualstack.shim.dial import cause_of
from dualstack.shim.unix_urls import unix_url

linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux treats loopback; runs there")
unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this Python has no AF_UNIX; runs on POSIX")


class ScriptedNames(doors.Doors):
    """The real world, but for some names."""

    def __init__(self, names):
        self.names = names

    def getaddrinfo(self, host, port, family, type, proto, flags):
        if host not in self.names:
            return super().getaddrinfo(host, port, family, type, proto, flags)
        texts = self.names[host]()
        found = [text for text in texts if (":" in text) == (family == socket.AF_INET6)]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(family, socket.SOCK_STREAM, 6, "", (text, port)) for text in found]


def seen(answer):
    assert answer.status == 200
    return json.loads(answer.text)


def guard(refuse=()):
    """A guard that notes what it is asked, once per address and connection (it is asked about the peer too)."""
    asked = []

    def allow(endpoint):
        asked.append(endpoint)
        return endpoint.port not in refuse

    return allow, asked


def refused(kind, scenario, expected, **options):
    """Play a scenario that must fail with an exception of the library; returns it."""
    caught = []

    async def played(client):
        try:
            await scenario(client)
        except Exception as error:  # noqa: BLE001 - what it is, is the test
            caught.append(error)

    kind.run(played, **options)
    (error,) = caught
    assert isinstance(error, getattr(kind.errors, expected)), repr(error)
    return error


# ---------------------------------------------------------------------- connections


def test_both_families_and_keep_alive(kind, site):
    async def scenario(client):
        return [seen(await client.get(f"{site.url}/{n}")) for n in range(3)]

    answers = kind.run(scenario)
    assert [answer["connection"] for answer in answers] == [1, 1, 1]
    assert answers[0]["peer"] == "::1" and answers[0]["host"] == f"localhost:{site.port}"


def test_one_family_only(kind, serve):
    async def scenario(client):
        return seen(await client.get(server.url))

    for address in ("127.0.0.1", "::1"):
        with serve((address, 0)) as server:
            assert kind.run(scenario)["peer"] == address


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_literals(kind, site, host):
    async def scenario(client):
        return seen(await client.get(f"http://{host}:{site.port}/"))

    answer = kind.run(scenario)
    assert answer["peer"] == host.strip("[]") and answer["host"] == f"{host}:{site.port}"


def test_a_server_that_closes_is_connected_to_again(kind, site):
    asked_guard, asked = guard()

    async def scenario(client):
        return [seen(await client.get(f"{site.url}/close")) for _ in range(2)]

    assert [answer["connection"] for answer in kind.run(scenario, allow=asked_guard)] == [1, 2]
    assert len(asked) == 4 and set(map(str, asked)) == {f"[::1]:{site.port}"}


@linux
def test_local_address(kind, site):
    async def scenario(client):
        return seen(await client.get(site.url))

    assert kind.run(scenario, local="127.0.0.9")["peer"] == "127.0.0.9"


def test_further_keywords(kind, site):
    events = []

    async def scenario(client):
        return seen(await client.get(site.url))

    options = {"family": socket.AF_INET, "trace": events.append}
    assert kind.run(scenario, connecting=options)["peer"] == "127.0.0.1"
    assert events


# ---------------------------------------------------------------------- the guard


def test_a_redirect_to_a_private_address(kind, site, other):
    asked_guard, asked = guard(refuse={other.port})

    async def scenario(client):
        await client.get(f"{site.url}/to?http://127.0.0.1:{other.port}/")

    error = refused(kind, scenario, "refused", allow=asked_guard)
    assert [endpoint.port for endpoint in asked] == [site.port, site.port, other.port]
    assert other.connections == 0
    ours = cause_of(error)
    assert isinstance(ours, ConnectError)
    assert [str(attempt.error) for attempt in ours.attempts] == ["[Errno 13] not allowed (allow=)"]


def test_public_only_keeps_out_of_this_host(kind, site):
    for host in ("localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):

        async def scenario(client, host=host):
            await client.get(f"http://{host}:{site.port}/")

        error = refused(kind, scenario, "refused", allow=dualstack.public_only)
        assert isinstance(cause_of(error), ConnectError)
    assert site.connections == 0


def test_a_name_that_changes_its_mind(kind, site):
    """DNS rebinding: allowed at the first look, private at the next; there is no next look."""
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
    allowed = []

    def allow(endpoint):
        allowed.append(endpoint.host)
        return endpoint.host == "127.0.0.1"

    async def scenario(client):
        url = f"http://rebind.example:{site.port}/close"
        assert seen(await client.get(url))["host"] == f"rebind.example:{site.port}"
        await client.get(url)

    with doors.using(ScriptedNames({"rebind.example": lambda: next(answers)})):
        refused(kind, scenario, "refused", allow=allow, connecting={"history": None})
    assert allowed == ["127.0.0.1", "127.0.0.1", "127.0.0.2"]


# ---------------------------------------------------------------------- errors


def test_nobody_listens(kind, dual_port):
    async def scenario(client):
        await client.get(f"http://localhost:{dual_port}/")

    error = refused(kind, scenario, "refused")
    ours = cause_of(error)
    assert isinstance(ours, ConnectionRefusedError)
    assert {str(attempt.endpoint) for attempt in ours.attempts} == {f"[::1]:{dual_port}", f"127.0.0.1:{dual_port}"}
    assert ours in (error.__cause__, getattr(error.__cause__, "__cause__", None))


def test_a_name_that_does_not_resolve(kind):
    async def scenario(client):
        await client.get("http://nobody.example/")

    with doors.using(ScriptedNames({"nobody.example": list})):
        error = refused(kind, scenario, "name")
    ours = cause_of(error)
    assert isinstance(ours, ResolveError) and ours.host == "nobody.example"
    assert "nobody.example" in str(error)


def test_the_connect_timeout_covers_the_look_up(kind):
    over = threading.Event()

    def hangs():
        over.wait(20)
        return []

    async def scenario(client):
        await client.get("http://hangs.example/", timeout=0.1)

    try:
        with doors.using(ScriptedNames({"hangs.example": hangs})):
            error = refused(kind, scenario, "timeout")
    finally:
        over.set()
    assert isinstance(cause_of(error), TimeoutError)
    assert "no answer from the resolver" in str(cause_of(error))


@contextmanager
def full_queue():
    """A listener that lets nobody in: Linux drops a SYN for a full queue."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filler.connect(listener.getsockname())
        yield listener.getsockname()[1]


@linux
def test_the_connect_timeout_covers_the_race(kind):
    with full_queue() as port:

        async def scenario(client):
            await client.get(f"http://127.0.0.1:{port}/", timeout=0.1)

        error = refused(kind, scenario, "timeout")
    ours = cause_of(error)
    assert isinstance(ours, TimeoutError)
    assert [str(attempt.endpoint) for attempt in ours.attempts] == [f"127.0.0.1:{port}"]


def test_an_address_in_disguise(kind):
    """getaddrinfo would read octal; aiohttp and httpx refuse this before they connect."""
    if not kind.name.startswith(("urllib3", "requests")):
        pytest.skip("refused by the library before it connects; runs with urllib3 and requests")

    async def scenario(client):
        await client.get("http://0177.0.0.1/")

    error = refused(kind, scenario, "no_host")
    assert "octal" in str(error)


# ---------------------------------------------------------------------- TLS


def test_tls_to_a_name_with_both_families(kind, secure, ca):
    async def scenario(client):
        return [seen(await client.get(secure.url)) for _ in range(2)]

    answers = kind.run(scenario, ca=ca)
    assert [answer["connection"] for answer in answers] == [1, 1]
    assert answers[0]["peer"] == "::1"


def test_tls_verifies_the_name(kind, secure, ca):
    async def scenario(client):
        await client.get(f"https://wrong.example:{secure.port}/")

    with doors.using(ScriptedNames({"wrong.example": lambda: ["127.0.0.1"]})):
        error = refused(kind, scenario, "tls", ca=ca, connecting={"history": None})
    assert "wrong.example" in str(error)
    assert cause_of(error) is None


def test_tls_verifies_the_issuer(kind, secure):
    async def scenario(client):
        await client.get(secure.url)

    assert "certificate" in str(refused(kind, scenario, "tls")).lower()


# ---------------------------------------------------------------------- Unix sockets


@unix_sockets
def test_a_socket_named_by_the_url(kind, at_unix):
    async def scenario(client):
        return [seen(await client.get(unix_url(at_unix.path, "/a?b=c"))) for _ in range(2)]

    answers = kind.run(scenario)
    assert [answer["connection"] for answer in answers] == [1, 1]
    assert (answers[0]["host"], answers[0]["path"]) == ("localhost", "/a?b=c")


@unix_sockets
def test_two_sockets_are_two_servers(kind, serve, unix_path):
    """The paths differ in capitals only."""
    paths = [f"{unix_path[:-1]}A", f"{unix_path[:-1]}a"]
    with serve(f"unix:{paths[0]}") as first, serve(f"unix:{paths[1]}") as second:

        async def scenario(client):
            return [seen(await client.get(unix_url(path))) for path in (paths[0], paths[1], paths[0])]

        kind.run(scenario)
        assert (first.connections, second.connections) == (1, 1)


@unix_sockets
def test_everything_through_one_socket(kind, at_unix):
    async def scenario(client):
        return [seen(await client.get(f"http://{host}/x")) for host in ("app.internal", "app.internal:81")]

    answers = kind.run(scenario, unix=at_unix.path)
    assert [answer["host"] for answer in answers] == ["app.internal", "app.internal:81"]


@unix_sockets
def test_tls_through_a_socket(kind, serve, unix_path, tls_pair, ca):
    async def scenario(client):
        return seen(await client.get("https://localhost/"))

    with serve(f"unix:{unix_path}", tls_pair[0]):
        assert kind.run(scenario, unix=unix_path, ca=ca)["host"] == "localhost"


@unix_sockets
def test_tls_to_a_socket_named_by_the_url(kind, serve, unix_path, tls_pair, ca):
    if kind.name.startswith("aiohttp"):
        pytest.skip("aiohttp's pool knows TLS by the scheme https alone; runs with the other libraries")

    async def scenario(client):
        return seen(await client.get(unix_url(unix_path, tls=True)))

    with serve(f"unix:{unix_path}", tls_pair[0]):
        assert kind.run(scenario, ca=ca)["host"] == "localhost"


@unix_sockets
def test_a_redirect_within_a_socket(kind, at_unix):
    async def scenario(client):
        return seen(await client.get(unix_url(at_unix.path, "/to?/there")))

    assert kind.run(scenario)["path"] == "/there"

    async def through(client):
        return seen(await client.get("http://app.internal/to?/there"))

    assert kind.run(through, unix=at_unix.path)["path"] == "/there"


def test_the_order_of_imports_does_not_matter_for_redirects(kind):
    """Lists of schemes are copied by some libraries when they are imported."""
    if not kind.name.startswith("aiohttp"):
        pytest.skip("the others ask urllib.parse when they need it; runs with aiohttp")
    program = "import aiohttp, yarl, dualstack.shim.aiohttp\nprint(yarl.URL('http+unix://%2fa/b').join(yarl.URL('/c')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "http+unix://%2fa/c"


@unix_sockets
def test_a_redirect_from_the_network_does_not_reach_a_socket(kind, site, at_unix):
    async def scenario(client):
        await client.get(f"{site.url}/to?{unix_url(at_unix.path)}")

    refused(kind, scenario, "redirect")
    assert (site.connections, at_unix.connections) == (1, 0)


@unix_sockets
def test_the_guard_sees_sockets_too(kind, at_unix):
    async def scenario(client):
        await client.get(unix_url(at_unix.path))

    refused(kind, scenario, "refused", allow=dualstack.public_only)
    assert at_unix.connections == 0


@unix_sockets
@pytest.mark.parametrize("url", ["http+unix://app.sock/", "http+unix://run%2Fapp.sock/", "http+unix://%2Fa%00b/"])
def test_a_path_that_is_none(kind, url):
    async def scenario(client):
        await client.get(url)

    error = refused(kind, scenario, "no_socket")
    chain = (error, error.__cause__, error.__context__, getattr(error.__context__, "__cause__", None))
    assert any(isinstance(one, AddressError) for one in chain)


@unix_sockets
def test_a_socket_that_is_not_there(kind, unix_path):
    async def scenario(client):
        await client.get(unix_url(unix_path))

    ours = cause_of(refused(kind, scenario, "refused"))
    assert isinstance(ours, ConnectError)
    assert [str(attempt.endpoint) for attempt in ours.attempts] == [f"unix:{unix_path}"]
