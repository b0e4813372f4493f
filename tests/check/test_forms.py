"""The forms one pattern is written in, and the right code that looks like it. A bug report is a new row."""

from __future__ import annotations

import textwrap

import pytest

from dualstack.check.engine import check_text


def codes(text: str, *, strict: bool = False, path: str = "server.py") -> list[str]:
    found = check_text(path, textwrap.dedent(text))
    return sorted({f.code for f in found if strict or not f.strict})


FOUND = [
    # names: imports, aliases, attributes
    pytest.param(
        "DST101",
        "from socket import AF_INET as V4, socket\ndef f(h):\n    s = socket(V4)\n    s.connect(h)",
        id="alias",
    ),
    pytest.param("DST101", "import socket as s\ndef f(h):\n    s.socket(s.AF_INET).connect(h)", id="module alias"),
    pytest.param(
        "DST101",
        "def f(self, a):\n    s = self.sock_mod.socket(self.sock_mod.AF_INET, 1)\n    s.connect(a)",
        id="module in an attribute",
    ),
    pytest.param(
        "DST101",
        "from gevent import socket\ndef f(a):\n    s = socket.socket(socket.AF_INET)\n    s.connect(a)",
        id="gevent",
    ),
    pytest.param(
        "DST101",
        "from socket import *\ndef f(a):\n    s = socket(AF_INET, SOCK_STREAM)\n    s.connect(a)",
        id="star import",
    ),
    pytest.param("DST101", "import socket\ndef f(a):\n    s = socket.socket()\n    s.connect(a)", id="default family"),
    pytest.param(
        "DST101",
        "import socket\nfrom contextlib import closing\ndef f(a):\n    with closing(socket.socket(socket.AF_INET)) as s:\n        s.connect(a)",
        id="closing",
    ),
    pytest.param(
        "DST101",
        "import socket\ndef f(a):\n    s = socket.socket(family=socket.AF_INET)\n    s.bind(a)",
        id="keyword",
    ),
    pytest.param(
        "DST101",
        """
        import socket
        def f(host, port):
            for _ in range(3):
                s = socket.socket(socket.AF_INET)
                s.connect((host, port))
            try:
                t = socket.socket(socket.AF_INET)
            except OSError:
                t = socket.socket(socket.AF_INET6)
        """,
        id="a careful end does not excuse the start",
    ),
    pytest.param("DST102", "import socket\nasync def f(host, *, af=socket.AF_INET): ...", id="keyword-only default"),
    pytest.param(
        "DST103",
        "import socket\nclass A:\n    def __init__(self):\n        self.family = socket.AF_INET",
        id="self.family",
    ),
    pytest.param(
        "DST103",
        "import socket\ndef get_family(host):\n    return socket.AF_INET",
        id="function that answers AF_INET",
    ),
    pytest.param(
        "DST104",
        "import aiohttp, socket\nc = aiohttp.TCPConnector(family=socket.AF_INET)",
        id="aiohttp connector",
    ),
    pytest.param(
        "DST104",
        "import socket\ndef f(h):\n    families = [socket.AF_INET]\n    return [g(h, a) for a in families]",
        id="list of families",
    ),
    pytest.param(
        "DST105",
        "import socket\ndef f(fam):\n    if fam != socket.AF_INET:\n        raise ValueError",
        id="not AF_INET raises",
    ),
    pytest.param(
        "DST106",
        "import socketserver\nclass S(socketserver.ThreadingMixIn, socketserver.TCPServer):\n    pass",
        id="subclass",
    ),
    pytest.param(
        "DST106",
        "from wsgiref.simple_server import make_server\ndef f(host, app):\n    make_server(host, 80, app)",
        id="wsgiref",
    ),
    pytest.param(
        "DST106",
        "from xmlrpc.server import SimpleXMLRPCServer\ndef f(a):\n    return SimpleXMLRPCServer(a)",
        id="xmlrpc",
    ),
    pytest.param("DST106", "import eventlet\ndef f(a):\n    return eventlet.listen(a)", id="eventlet"),
    pytest.param(
        "DST201",
        "from socket import gethostbyname as lookup\ndef f(h):\n    return lookup(h)",
        id="aliased look-up",
    ),
    pytest.param("DST202", "import socket\nips = socket.gethostbyname_ex(socket.gethostname())[2]", id="own addresses"),
    pytest.param(
        "DST204",
        "import socket\ndef f(h, p):\n    infos = socket.getaddrinfo(h, p)\n    return infos[0][4]",
        id="first by variable",
    ),
    pytest.param("DST204", "async def f(loop, h, p):\n    return (await loop.getaddrinfo(h, p))[0]", id="awaited"),
    pytest.param("DST301", "import socket\ndef f(xs):\n    return list(map(socket.inet_aton, xs))", id="passed to map"),
    pytest.param(
        "DST304",
        "from ipaddress import IPv4Network as N\ndef f(text):\n    return N(text)",
        id="aliased class",
    ),
    pytest.param(
        "DST305",
        "import re\ndef valid_ip(s):\n    return re.match(r'(\\d{1,3}\\.){3}\\d{1,3}$', s)",
        id="repeated group",
    ),
    pytest.param(
        "DST305", "HOST = r'^(25[0-5]|\\d+)\\.(25[0-5]|\\d+)\\.(25[0-5]|\\d+)\\.(25[0-5]|\\d+)$'", id="octets"
    ),
    pytest.param(
        "DST306",
        "def is_ip(s):\n    parts = s.split('.')\n    return len(parts) == 4 and all(int(p) < 256 for p in parts)",
        id="parts",
    ),
    pytest.param("DST306", "def is_addr(host):\n    return host.count('.') == 3", id="dots"),
    pytest.param(
        "DST307",
        "import struct\ndef f(ip_int):\n    return struct.pack('!I', ip_int)",
        id="integer of an address",
    ),
    pytest.param("DST401", "def f(s):\n    conn, (host, port) = s.accept()", id="nested accept"),
    pytest.param("DST401", "def f(s):\n    data, addr = s.recvfrom(99)\n    host, port = addr", id="by variable"),
    pytest.param(
        "DST401",
        "import socket\ndef f(h):\n    for *_, (a, b) in []: pass\n    for f, t, p, c, (ip, port) in socket.getaddrinfo(h, 1):\n        print(ip)",
        id="in a loop",
    ),
    pytest.param(
        "DST401",
        "class H:\n    def handle(self):\n        host, port = self.client_address",
        id="client_address",
    ),
    pytest.param(
        "DST401",
        "class P:\n    def datagram_received(self, data, addr):\n        host, port = addr",
        id="datagram_received",
    ),
    pytest.param(
        "DST402",
        "def f(s):\n    a = s.getsockname()\n    return a[0] if len(a) == 2 else None",
        id="conditional",
    ),
    pytest.param(
        "DST501",
        "import requests\ndef f(host, port):\n    return requests.get(f'http://{host}:{port}/x')",
        id="f-string",
    ),
    pytest.param("DST501", "def f(c, cfg):\n    c.connect('{}:{}'.format(cfg.host, cfg.port))", id="format"),
    pytest.param("DST501", "def f(c, o):\n    c.connect('{0.host}:{0.port}'.format(o))", id="format with attributes"),
    pytest.param("DST501", "def f(c, host, port):\n    c.connect(host + ':' + str(port))", id="sum"),
    pytest.param("DST501", "def f(c, host_port):\n    c.connect('http://%s:%s' % host_port)", id="one tuple"),
    pytest.param("DST501", "def f(c, d):\n    c.open('http://%(host)s:%(port)s/' % d)", id="mapping"),
    pytest.param(
        "DST501",
        "def f(host, port):\n    netloc = host\n    netloc += f':{port}'\n    return netloc",
        id="appended",
    ),
    pytest.param(
        "DST501",
        "def f(s, host, port):\n    s.send('CONNECT %s:%d HTTP/1.1\\r\\n' % (host, port))",
        id="request line",
    ),
    pytest.param(
        "DST501",
        "def f(host, headers):\n    target = f'{host}:8080'\n    headers['Host'] = target",
        id="literal port, by variable",
    ),
    pytest.param("DST501", "def hostport(host, port):\n    return b'%s:%d' % (host, port)", id="bytes returned"),
    pytest.param("DST502", "def f(text):\n    host, port = text.rsplit(':', 1)", id="rsplit"),
    pytest.param("DST502", "def f(url):\n    return url.netloc.split(':')[0]", id="netloc"),
    pytest.param(
        "DST502",
        "def f(request):\n    host, _, port = request.headers['Host'].partition(':')",
        id="Host header",
    ),
    pytest.param(
        "DST502",
        "def f(hosts):\n    return [(h, int(p)) for h, p in (host.split(':') for host in hosts)]",
        id="generator",
    ),
    pytest.param("DST503", "import zmq\ndef f(s, a):\n    s.connect('tcp://%s:%i' % a.addr)", id="tuple for both"),
    pytest.param("DST604", "import uvicorn\nuvicorn.run(app, host='0.0.0.0', port=80)", id="uvicorn"),
    pytest.param("DST604", "from aiohttp import web\nweb.run_app(app, host='0.0.0.0')", id="aiohttp"),
    pytest.param(
        "DST701",
        "import socket\nclass A:\n    def join(self, m):\n        self.s.setsockopt(0, socket.IP_ADD_MEMBERSHIP, m)",
        id="in a class",
    ),
    pytest.param(
        "DST703",
        "import psutil, socket\ndef f():\n    return [a.address for n in psutil.net_if_addrs().values() for a in n if a.family == socket.AF_INET]",
        id="psutil",
    ),
    pytest.param(
        "DST703",
        "import fcntl, socket, struct\ndef f(s, n):\n    return fcntl.ioctl(s.fileno(), 0x8915, n)",
        id="ioctl number",
    ),
    pytest.param("DST801", "from socket import AF_UNIX, socket\ns = socket(AF_UNIX)", id="from import"),
    pytest.param(
        "DST804",
        "import asyncio\nasync def f(h):\n    await asyncio.start_server(h, None, 1, reuse_port=True)",
        id="reuse_port=True",
    ),
    pytest.param("DST806", "def f(s, n):\n    s.bind(f'\\0{n}')", id="f-string name"),
    pytest.param("DST808", "import os, socket\ndef f():\n    return os.fork()", id="fork"),
    pytest.param("DST812", "import socket\nimport termios", id="termios"),
]

SILENT = [
    pytest.param("import socketserver\nfrom dualstack.shim.servers import DualStackMixIn\nclass S(DualStackMixIn, socketserver.TCPServer):\n    pass", id="our mix-in"),
    pytest.param("import socket\ndef f(host):\n    family = socket.AF_INET\n    if ':' in host:\n        family = socket.AF_INET6\n    return socket.socket(family)", id="replaced below"),
    pytest.param("import socket\ndef f(v6, a):\n    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)\n    s.connect(a)", id="conditional family"),
    pytest.param("import socket\ndef f(a):\n    for fam in (socket.AF_INET6, socket.AF_INET):\n        socket.socket(fam).connect(a)", id="both in a loop"),
    pytest.param("import socket\ndef f(a):\n    try:\n        s = socket.socket(socket.AF_INET6)\n    except OSError:\n        s = socket.socket(socket.AF_INET)\n    s.connect(a)", id="try v6 first"),
    pytest.param("import socket\ndef get_ip(h):\n    return g(h, family=socket.AF_INET)\ndef get_ipv6(h):\n    return g(h, family=socket.AF_INET6)", id="twin function"),
    pytest.param("import socket\nclass TCPServer:\n    family = socket.AF_INET\nclass TCP6Server(TCPServer):\n    family = socket.AF_INET6", id="twin class"),
    pytest.param("import socket\nclass Base:\n    family = socket.AF_INET\nclass Wide(Base):\n    family = socket.AF_INET6", id="subclass"),
    pytest.param("import socket\nF = {4: socket.AF_INET, 6: socket.AF_INET6}", id="table"),
    pytest.param("import socket\nif sock.family == socket.AF_INET:\n    pass", id="comparison"),
    pytest.param("import socket\nrows.sort(key=lambda r: r[0] == socket.AF_INET)", id="sort key"),
    pytest.param("import socket\ndef f(s):\n    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\n    s.sendto(b'', ('255.255.255.255', 9))", id="broadcast"),
    pytest.param("import socket\ndef wake_on_lan(a):\n    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    s.sendto(b'', a)", id="wake on lan"),
    pytest.param("import socket\ndef is_ipv4(t):\n    return socket.inet_aton(t)", id="IPv4 in the name"),
    pytest.param("import socket\ndef f(h, p):\n    for row in socket.getaddrinfo(h, p):\n        use(row)", id="all answers"),
    pytest.param("import socket\ndef f(h, p):\n    return socket.getaddrinfo(h, p, flags=socket.AI_NUMERICHOST)[0]", id="numeric host"),
    pytest.param("import zmq\ndef f(c):\n    return c.socket(zmq.REQ)", id="another socket()"),
    pytest.param("class R:\n    def f(self, h):\n        return self.gethostbyname(h)\n    def gethostbyname(self, h):\n        return h", id="own method"),
    pytest.param("import re\nVERSION = re.compile(r'(\\d+)\\.(\\d+)\\.(\\d+)\\.(\\d+)')", id="version numbers"),
    pytest.param("def f(version):\n    return len(version.split('.')) == 4", id="version parts"),
    pytest.param("def f(s):\n    host, port = s.getsockname()[:2]", id="cut to two"),
    pytest.param("def f(s):\n    return s.getpeername()[0]", id="index"),
    pytest.param("def f(s):\n    a = s.getsockname()\n    if len(a) == 2:\n        h, p = a\n    else:\n        h, p, flow, scope = a", id="both lengths"),
    pytest.param("def f(pair):\n    host, port = pair", id="a pair of one's own"),
    pytest.param("import logging\ndef f(host, port):\n    logging.info('listening on %s:%d' % (host, port))", id="log"),
    pytest.param("def f(host, port):\n    raise ValueError(f'no answer from {host}:{port}')", id="exception"),
    pytest.param("def f(host, port):\n    where = f'{host}:{port}'\n    print(where)", id="printed later"),
    pytest.param("class A:\n    def __repr__(self):\n        return f'{self.host}:{self.port}'", id="repr"),
    pytest.param("def f(d, host, port):\n    return d[f'{host}:{port}']", id="dictionary key"),
    pytest.param("def f(host, port):\n    if ':' in host:\n        host = '[%s]' % host\n    return 'http://%s:%d' % (host, port)", id="bracketed above"),
    pytest.param("def f(user, password, s):\n    s.send('%s:%s' % (user, password))", id="credentials"),
    pytest.param("def f(s, port):\n    s.open(f'http://127.0.0.1:{port}/')", id="literal host"),
    pytest.param("HOST = 'localhost'\ndef f(s, port):\n    s.open(f'http://{HOST}:{port}/')", id="constant host"),
    pytest.param("from urllib.parse import urlsplit\ndef f(c, u, port):\n    netloc = urlsplit(u).netloc\n    c.open('http://%s:%d' % (netloc, port))", id="netloc keeps its brackets"),
    pytest.param("def f(line):\n    name, value = line.split(':', 1)", id="header line"),
    pytest.param("def f(mac):\n    return bytes(int(x, 16) for x in mac.split(':'))", id="hardware address"),
    pytest.param("def f(t):\n    h, m = t.split(':')", id="time"),
    pytest.param("def f(url):\n    scheme, rest = url.split('://')", id="scheme"),
    pytest.param("def f(addr):\n    return int(addr.rsplit(':', 1)[1])", id="port is the last piece"),
    pytest.param("def f(addr):\n    if addr.startswith('['):\n        host, _, tail = addr[1:].partition(']')\n    else:\n        host, _, port = addr.partition(':')\n    return host", id="brackets handled"),
    pytest.param("import socket\ndef f(s, m):\n    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, m)\n    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, m)", id="both memberships"),
    pytest.param("import netifaces\ndef f(n):\n    t = netifaces.ifaddresses(n)\n    if netifaces.AF_INET in t:\n        return t[netifaces.AF_INET]\n    if netifaces.AF_INET6 in t:\n        return t[netifaces.AF_INET6]", id="both families of an interface"),
    pytest.param("if host == '0.0.0.0': pass", id="comparison with an address"),
    pytest.param("import socket\nif hasattr(socket, 'AF_UNIX'):\n    F = socket.AF_UNIX", id="hasattr"),
    pytest.param("import socket\nF = getattr(socket, 'AF_UNIX', None)", id="getattr"),
    pytest.param("import socket, sys\ndef f(p):\n    if sys.platform == 'win32':\n        return None\n    return socket.socket(socket.AF_UNIX)", id="left early"),
    pytest.param("import os, socket\nWINDOWS = os.name == 'nt'\ndef f(p):\n    if not WINDOWS:\n        return socket.socket(socket.AF_UNIX)", id="module flag"),
    pytest.param("import socket\ndef f(s):\n    try:\n        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n    except AttributeError:\n        pass", id="except AttributeError"),
    pytest.param("import socket\ndef f(s):\n    return hasattr(socket, 'AF_UNIX') and s.family == socket.AF_UNIX", id="and"),
    pytest.param("import socket\nclass A:\n    def go(self):\n        if hasattr(socket, 'AF_UNIX'):\n            self._dial()\n    def _dial(self):\n        return socket.socket(socket.AF_UNIX)", id="guarded caller"),
    pytest.param("import socket, unittest, sys\n@unittest.skipIf(sys.platform == 'win32', 'Unix')\nclass T(unittest.TestCase):\n    def test(self):\n        socket.socket(socket.AF_UNIX)", id="skipped test"),
    pytest.param("import contextlib, signal\ndef f(loop, stop):\n    with contextlib.suppress(NotImplementedError):\n        loop.add_signal_handler(signal.SIGTERM, stop)", id="suppressed"),
    pytest.param("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None\nimport socket", id="import in a try"),
    pytest.param("import fcntl\nimport os", id="no network module"),
    pytest.param("import socket\ntry:\n    import msvcrt\nexcept ImportError:\n    import termios", id="the other system's module first"),
    pytest.param("def f(s):\n    peer = s.getpeername()\n    return 4 if len(peer) == 2 else 6", id="length tells the family"),
    pytest.param("import socket\ndef get_A(loop, h):\n    return loop.getaddrinfo(h, 1, family=socket.AF_INET)\ndef get_AAAA(loop, h):\n    return loop.getaddrinfo(h, 1, family=socket.AF_INET6)", id="A and AAAA"),
    pytest.param("import socket\nHOST = '127.0.0.1'\ndef f(port):\n    s = socket.socket(socket.AF_INET)\n    s.connect((HOST, port))", id="its own loopback server"),
    pytest.param("import socket\nasync def f(loop, port):\n    s = socket.socket()\n    await loop.sock_connect(s, ('127.0.0.1', port))", id="its own server, by the loop"),
    pytest.param("import asyncio\nasync def f(conn, p):\n    return await conn.open_unix_connection(p)", id="over SSH"),
    pytest.param("def f(target):\n    module, target = target.split(':', 1)", id="module:attribute"),
    pytest.param("def f(address):\n    host, path = address.split(':')", id="host:path"),
    pytest.param("'''connect(('8.8.8.8', 80)) and socket.AF_INET in a docstring'''", id="docstring"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text"), FOUND)
def test_found(code, text):
    assert code in codes(text)


@pytest.mark.parametrize("text", SILENT)
def test_silent(text):
    assert codes(text) == []


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("lib/linux/net.py", id="folder"),
        pytest.param("unix_events.py", id="file"),
        pytest.param("a/_posix.py", id="private"),
    ],
)
def test_files_named_after_a_system_are_guarded(path):
    text = "import socket\ns = socket.socket(socket.AF_UNIX)\n"
    assert codes(text, path=path) == []
    assert codes(text, path="lib/net.py") == ["DST801"]


def test_a_twin_file_counts():
    text = "import socket\ndef f(a):\n    s = socket.socket(socket.AF_INET)\n    s.connect(a)\n"
    assert [f.code for f in check_text("udp.py", text, sibling_twin=True)] == []


STRICT = [
    pytest.param("DST601", "def f(bind_address='0.0.0.0'): ...", id="default argument"),
    pytest.param("DST602", "serve(host='127.0.0.1')", id="loopback"),
    pytest.param("DST606", "SERVER = '10.20.30.40'", id="literal"),
    pytest.param("DST607", "s.sendto(b'', ('<broadcast>', 9))", id="broadcast"),
    pytest.param(
        "DST901",
        "import asyncio\nasync def f(h):\n    await asyncio.start_server(h, '::', 80)",
        id="asyncio is IPv6-only",
    ),
]


@pytest.mark.parametrize(("code", "text"), STRICT)
def test_opt_in_rules(code, text):
    assert code in codes(text, strict=True)
    assert code not in codes(text)
