"""Forms met in packages that nobody had looked at while the rules were written: each row was judged wrongly once."""

from __future__ import annotations

import textwrap

import pytest

from dualstack.check.engine import check_text


def codes(text: str, *, strict: bool = False, path: str = "server.py") -> list[str]:
    found = check_text(path, textwrap.dedent(text))
    return sorted({f.code for f in found if strict or not f.strict})


FOUND = [
    pytest.param(
        "DST401",
        "from http.server import HTTPServer\ndef f(server):\n    host, port = server.server_address",
        id="server_address",
    ),
    pytest.param(
        "DST401",
        "import socketserver\nclass S(socketserver.TCPServer):\n    address_family = 10\n    def stop(self):\n        (host, port) = self.server_address",
        id="its own server_address",
    ),
    pytest.param("DST502", "def f(text):\n    ip_port = text.split(':')\n    return ip_port[0]", id="kept as a pair"),
    pytest.param(
        "DST502", "def f(o):\n    address, _, port = o.server.partition(':')\n    return o.hex", id="hex elsewhere"
    ),
    pytest.param(
        "DST502",
        "import re\ndef f(text):\n    return re.match(r'^(?P<host>[^:]+)(:(?P<port>[0-9]+))?$', text)",
        id="pattern with groups",
    ),
    pytest.param(
        "DST502", "import re\nP = re.compile(r'(?P<hostname>[\\w.-]+):(?P<port>\\d+)')", id="pattern of a name"
    ),
    pytest.param(
        "DST501",
        "def connection_str(user, host, port):\n    return f'mysql://{user}@{host}:{port}/'",
        id="connection string returned",
    ),
    pytest.param(
        "DST501",
        "def f(c, host, port):\n    c.open(connection_string=f'{host}:{port}')",
        id="connection string passed",
    ),
    pytest.param(
        "DST306", "def f(addr):\n    parts = list(map(int, addr.split('.')))\n    return parts[0] < 224", id="map"
    ),
    pytest.param("DST306", "def f(ip):\n    a, b, c, d = ip.split('.')\n    return a", id="four names"),
    pytest.param(
        "DST306", "def f(ip):\n    octets = [int(x) for x in ip.split('.')]\n    return octets", id="comprehension"
    ),
    pytest.param(
        "DST101",
        "import socket\ndef f(a):\n    self.sock = sock = socket.socket(socket.AF_INET)\n    sock.connect(a)",
        id="two names, connected",
    ),
    pytest.param(
        "DST101",
        "import socket\ndef f(fd):\n    s = socket.fromfd(fd, socket.AF_INET, socket.SOCK_STREAM)\n    return s.accept()",
        id="descriptor that accepts",
    ),
    pytest.param(
        "DST101",
        "import socket\ndef f():\n    s = socket.socket(socket.AF_INET)\n    s.bind(('', 0))\n    s.listen()\n    return s.getsockname()",
        id="any port, but served",
    ),
    pytest.param(
        "DST101",
        "import socket\nclass A:\n    def __init__(self, a):\n        self._s = socket.socket(socket.AF_INET)\n    def go(self, a):\n        self._s.connect(a)",
        id="connected in another method",
    ),
    pytest.param(
        "DST103",
        "import socket\ndef f():\n    family = socket.AF_INET\n    return socket.socket(family)",
        id="family without a question",
    ),
    pytest.param(
        "DST501",
        "def f(c, host, port, rest):\n    c.open(f'http://{host}:{port}/{rest}.json')",
        id="dot after the path",
    ),
    pytest.param(
        "DST501",
        "def f(c, host, port):\n    if ':' in host:\n        c.open(f'tcp://{host}:{port}')",
        id="a colon, and no brackets",
    ),
    pytest.param(
        "DST503", "import zmq\ndef f(s, host, port):\n    s.bind(f'tcp://{host}:{port}')", id="option not set"
    ),
    pytest.param(
        "DST702", "def f(s, socket):\n    s.setsockopt(0, socket.IP_MULTICAST_TTL, 2)", id="an option of its own"
    ),
    pytest.param(
        "DST101",
        "import socket\nclass A:\n    def __init__(self):\n        self.sock = socket.socket()\n    def go(self, a):\n        self.sock.connect(a)",
        id="kept, default family",
    ),
    pytest.param(
        "DST101",
        "import socket\ndef f(data, addr):\n    s = socket.socket(type=socket.SOCK_DGRAM)\n    s.sendto(data, addr)",
        id="sent to somebody",
    ),
    pytest.param(
        "DST106",
        "from wsgiref.simple_server import make_server\ndef f(h, app):\n    make_server(h, 80, app, handler_class=None)",
        id="a handler is no server",
    ),
    pytest.param("DST812", "import socket\nfrom resource import getrlimit", id="module of the system"),
    pytest.param(
        "DST801",
        "import socket\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    F = 1\nelse:\n    F = socket.AF_UNIX",
        id="not only for types",
    ),
    pytest.param(
        "DST501", "ADDR = ('::1', 80)\ndef f(c):\n    c.open('http://%s:%d' % ADDR)", id="constant that needs brackets"
    ),
    pytest.param(
        "DST304",
        "import ipaddress\ndef f(k, b):\n    if k is K.B:\n        return ipaddress.IPv4Address(b)",
        id="no record",
    ),
    pytest.param(
        "DST501",
        "def f(d, host, port):\n    d['host'] = f'{host}:{port}'\n    send(d)",
        id="in a dictionary that is sent",
    ),
    pytest.param(
        "DST801",
        """
        import socket
        class Client:
            def connect(self):
                try:
                    self._dial()
                except Exception as error:
                    self.failed(error)
            def _dial(self):
                return socket.socket(socket.AF_UNIX)
        """,
        id="a caller that catches everything",
    ),
    pytest.param(
        "DST501", "def f(c, sock):\n    c.connect('{}:{}'.format(*sock.getsockname()))", id="format of a whole address"
    ),
    pytest.param("DST501", "def f(c, addr):\n    c.connect(f'{addr[0]}:{addr[1]}')", id="two elements of one address"),
    pytest.param("DST501", "def f(c, addr):\n    c.connect(addr[0] + ':' + str(addr[1]))", id="two elements, added"),
    pytest.param("DST501", "def f(c, host, port):\n    c.connect(':'.join([host, str(port)]))", id="join"),
    pytest.param(
        "DST501",
        "def f(s, host, port):\n    s.sendall(('Host: %s:%d\\r\\n' % (host, port)).encode())",
        id="header line with its end",
    ),
    pytest.param(
        "DST502",
        "def f(arg, host):\n    parts = arg.split(':')\n    host = parts[0]\n    port = int(parts[1])",
        id="pieces taken by number",
    ),
    pytest.param("DST502", "def f(arg):\n    parts = arg.split(':')\n    host, port = parts", id="pieces taken later"),
    pytest.param(
        "DST306", "def valid(addr):\n    return all(0 <= int(x) < 256 for x in addr.split('.'))", id="all octets"
    ),
    pytest.param("DST306", "def is_ip(host):\n    return host.replace('.', '').isdigit()", id="digits without dots"),
    pytest.param(
        "DST305", "import re\npat = re.compile(r'(?:[0-9]{1,3}\\.){3}[0-9]{1,3}')", id="octets by their length"
    ),
    pytest.param(
        "DST101",
        "import socket\ndef f(a, family=None):\n    s = socket.socket(family or socket.AF_INET)\n    s.connect(a)",
        id="family or AF_INET",
    ),
    pytest.param(
        "DST103",
        "import socket\nconnection.allowed_gai_family = lambda: socket.AF_INET",
        id="lambda that answers AF_INET",
    ),
    pytest.param(
        "DST604", "from flask import Flask\napp = Flask('x')\napp.run('0.0.0.0', 5000)", id="Flask, host first"
    ),
    pytest.param(
        "DST703",
        "import netifaces\ndef f(i):\n    return netifaces.ifaddresses(i)[2][0]['addr']",
        id="netifaces by number",
    ),
    pytest.param(
        "DST101",
        "import socket\ndef f(Stream, port):\n    clients = [Stream(socket.socket()) for _ in range(3)]\n    for c in clients:\n        c.connect(('host', port))",
        id="wrapped in a list",
    ),
    pytest.param("DST502", "def f(addr):\n    return addr[:addr.index(':')]", id="cut by position"),
    pytest.param(
        "DST502",
        "def f(host):\n    at = host.find(':')\n    if at != -1:\n        host, port = host[:at], host[at + 1:]\n    return host",
        id="cut by a found position",
    ),
    pytest.param(
        "DST203",
        "import socket\ndef f():\n    name = socket.gethostname()\n    return socket.gethostbyname(name)",
        id="own name by variable",
    ),
]

SILENT = [
    pytest.param("import socket\nclass Family:\n    AF_INET = socket.AF_INET\n    AF_INET6 = socket.AF_INET6", id="re-export"),
    pytest.param(
        """
        import socket
        def f(host):
            try:
                family = socket.getaddrinfo(host, 80)[0][0]
            except OSError:
                family = socket.AF_INET
            return socket.socket(family)
        """,
        id="what to use when the resolver is silent",
    ),
    pytest.param(
        """
        import socket
        def is_socket(fd):
            try:
                s = socket.fromfd(fd, socket.AF_INET, socket.SOCK_RAW)
                s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
            except OSError:
                return False
            return True
        """,
        id="only asked for its type",
    ),
    pytest.param("import socket\ntry:\n    s = socket.socket(socket.AF_INET)\n    s.close()\nexcept OSError:\n    skip()", id="are there sockets"),
    pytest.param(
        """
        import socket
        class Fake:
            def fileno(self):
                self._sock = socket.socket(socket.AF_INET)
                self._sock.setblocking(False)
                return self._sock.fileno()
        """,
        id="any descriptor will do",
    ),
    pytest.param(
        "import socket\ndef f():\n    s = socket.socket()\n    s.bind(('', 0))\n    return s, s.getsockname()[1]",
        id="free port on every address",
    ),
    pytest.param(
        "import socket\nclass T:\n    def setUp(self):\n        self.sock = sock = socket.socket(socket.AF_INET)\n        sock.bind(('127.0.0.1', 0))",
        id="two names, its own loopback",
    ),
    pytest.param("def f(text):\n    number, address = text.split(':')\n    return number", id="number:address"),
    pytest.param("def f(listen):\n    proto = listen.split(':')[0] if ':' in listen else 'tcp'\n    return proto", id="protocol in front"),
    pytest.param("def f(info, hostname, port, kind):\n    return info(f'{hostname}:{port}.{kind}')", id="service name"),
    pytest.param("def f(host, port, worker):\n    return use(f'{host}:{port}-{worker}')", id="name of a worker"),
    pytest.param("def f(c, host):\n    if ':' in host:\n        u = f'nats://{host}'\n    else:\n        u = f'nats://{host}:4222'\n    c.open(u)", id="no colon in it here"),
    pytest.param("def f(c, host):\n    if ':' not in host:\n        c.open(f'nats://{host}:4222')", id="no colon, asked the other way"),
    pytest.param("import zmq\ndef f(s, host, port):\n    s.setsockopt(zmq.IPV6, 1)\n    s.bind('tcp://%s:%i' % (host, port))", id="ZeroMQ with its option"),
    pytest.param("def f(cell, host, port):\n    text = host + ':' + str(port)\n    cell.set_property('text', text)", id="widget"),
    pytest.param("def f(make, ip, port):\n    return make(peername='%s:%d' % (ip, port))", id="peername as a text"),
    pytest.param("def message_str(host, port):\n    return f'{host}:{port}'", id="message"),
    pytest.param("def from_quad(quad):\n    return list(map(int, quad.split('.')))", id="says that it has four parts"),
    pytest.param("def f(version):\n    a, b, c, d = version.split('.')", id="version in four"),
    pytest.param("def f(ip):\n    a, b, c, d = ip.split('.') if ':' not in ip else ('::', 0, 0, 0)\n    return AF_INET6", id="four numbers beside IPv6"),
    pytest.param("import re\nP = re.compile(r'(?P<host>\\[[^]]+\\]|[^:]+):(?P<port>\\d+)')", id="pattern with brackets"),
    pytest.param("import re\nP = re.compile(r'(?P<key>[^:]+):(?P<value>.*)')", id="pattern of something else"),
    pytest.param("class A:\n    server_address = (0, 0)\n    def f(self):\n        host, port = self.server_address", id="no server of the library"),
    pytest.param(
        "import socketserver\nclass A:\n    def __init__(self, h, p):\n        self.server_address = (h, p)\n        a, b = self.server_address",
        id="server_address of its own",
    ),
    pytest.param("import socket\ndef f(s):\n    s.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)", id="serves both families on Linux"),
    pytest.param(
        "import pytest, socket\ndef dial():\n    return socket.socket(socket.AF_UNIX)\n@pytest.mark.skipif(on_win32(), reason='Win32 has no AF_UNIX')\ndef test_it():\n    dial()",
        id="the reason of a skip",
    ),
    pytest.param("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from socket import AF_UNIX, MSG_NOSIGNAL", id="for type checkers"),
    pytest.param("import typing\nif typing.TYPE_CHECKING:\n    from socket import SO_MARK", id="for type checkers, by attribute"),
    pytest.param("import socket\nfrom .resource import Resource\nfrom .socket import AF_UNIX", id="modules of one's own"),
    pytest.param(
        "from wsgiref.simple_server import make_server\ndef f(h, app, cls):\n    make_server(h, 80, app, cls)",
        id="server class by position",
    ),
    pytest.param("import eventlet\ndef f(a, options):\n    return eventlet.listen(a, **options)", id="options unknown"),
    pytest.param("import socket\ndef f(use):\n    with socket.socket() as s:\n        use(s)", id="lent"),
    pytest.param("import socket\nfd = socket.socket().detach()", id="descriptor at once"),
    pytest.param("import socket\ndef f(raises):\n    with raises(OSError):\n        socket.socket()", id="dropped"),
    pytest.param(
        """
        import socket
        def test():
            a = socket.socket(type=socket.SOCK_DGRAM)
            b = socket.socket(type=socket.SOCK_DGRAM)
            a.bind(("127.0.0.1", 0))
            addr = a.getsockname()
            b.sendto(b"x", a.getsockname())
            b.sendto(b"x", addr)
            host, port = a.getsockname()
        """,
        id="two datagram sockets of its own",
    ),
    pytest.param("import socket\ndef fromfd(fd, family=socket.AF_INET):\n    return fd", id="stands in for fromfd"),
    pytest.param("GROUP = ('239.255.255.250', 1900)\ndef f(s):\n    return 'HOST: %s:%d' % GROUP", id="constant group"),
    pytest.param("def f(found, host, port):\n    found.append(InvalidHostname(f'{host}:{port}'))", id="exception by its name"),
    pytest.param("import ipaddress\ndef f(self, b):\n    if self is self.A:\n        return ipaddress.IPv4Address(b)", id="record of type A"),
    pytest.param("def is_netmask(val):\n    parts = val.split('.')\n    return len(parts) == 4", id="mask in four"),
    pytest.param("def f(log, ip, port):\n    extra = {}\n    extra['host'] = f'{ip}:{port}'\n    log.info('', extra=extra)", id="extra of a log record"),
    pytest.param(
        """
        import socket
        class Client:
            def connect(self):
                try:
                    self._dial()
                except AttributeError:
                    self.refuse()
            def _dial(self):
                return socket.socket(socket.AF_UNIX)
        """,
        id="a caller that catches AttributeError",
    ),
    pytest.param("def f(log, addr):\n    log.info('from {}:{}'.format(addr[0], addr[1]))", id='two elements, logged'),
    pytest.param("def f(name, kind):\n    return use(':'.join([name, kind]))", id='join of something else'),
    pytest.param("def f(tag):\n    parts = tag.split(':')\n    if len(parts) == 3:\n        area, offset, kind = parts\n    else:\n        addr_part, kind = parts", id='pieces of something else'),
    pytest.param("import re\nP = re.compile(r'^rgb\\((\\d{1,3}|\\d{1,2}\\.\\d+)%,(\\d{1,3}|\\d{1,2}\\.\\d+)%,(\\d{1,3}|\\d{1,2}\\.\\d+)%\\)')", id='colour with fractions'),
    pytest.param("def f(amount):\n    return amount.replace('.', '').isdigit()", id='amount of money'),
    pytest.param("def f(name):\n    return all(part.isdigit() for part in name.version.split('.'))", id='digits of a version'),
    pytest.param("import subprocess\nsubprocess.run('0.0.0.0')", id='a program called so'),
    pytest.param('import socket\ndef f(a, family=None, v6=False):\n    s = socket.socket(family or (socket.AF_INET6 if v6 else socket.AF_INET))\n    s.connect(a)', id='family, or by a test'),
    pytest.param("def is_ip(host):\n    return ':' in host or host.replace('.', '').isdigit()", id='digits, or a colon'),
    pytest.param("def f(addr):\n    return addr.find(':') >= 0", id='only looked for'),
    pytest.param("def f(line):\n    return line[:line.index(':')]", id='cut of a line'),
    pytest.param("def f(addr):\n    if addr.startswith('['):\n        return addr[1:addr.index(']')]\n    return addr[:addr.find(':')]", id='brackets by position'),
    pytest.param("def f(host):\n    if host.find(':') == host.rfind(':'):\n        return host[: host.rfind(':')]\n    return host", id="first colon is the last"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text"), FOUND)
def test_found(code, text):
    assert code in codes(text)


@pytest.mark.parametrize("text", SILENT)
def test_silent(text):
    assert codes(text) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("MASKS = {0: '0.0.0.0', 1: '128.0.0.0', 2: '192.0.0.0', 32: '255.255.255.255'}", id="table of masks"),
        pytest.param("NETMASK = '255.255.240.0'", id="one mask"),
        pytest.param("def test(self):\n    self.assertEqual(packet.source, '10.20.30.40')", id="compared in a test"),
        pytest.param("SERVER = '127.0.0.1'  # noqa: DST602\nconnect(SERVER, server_hostname='localhost')", id="name in a certificate"),
    ],
)  # fmt: skip
def test_silent_with_strict(text):
    assert codes(text, strict=True) == []


def test_one_compare_is_one_finding():
    """A list of interface addresses that is filtered is DST703, not DST105 as well."""
    text = """
        import psutil, socket
        def f():
            for rows in psutil.net_if_addrs().values():
                for row in rows:
                    if row.family != socket.AF_INET:
                        continue
                    use(row.address)
    """
    assert codes(text) == ["DST703"]


@pytest.mark.parametrize("path", ["methods/pf.py", "sdnotify.py", "sd_notify.py", "firewall_nftables.py"])
def test_more_files_that_belong_to_one_system(path):
    assert codes("import socket\ns = socket.socket(socket.AF_UNIX)\n", path=path) == []


def test_files_that_only_resemble_them():
    assert codes("import socket\ns = socket.socket(socket.AF_UNIX)\n", path="pfx/notify.py") == ["DST801"]
