"""What open_listener does here: one question per line of standard input, one answer per line of output, as JSON.

Run by test_listen.py inside a namespace, and imported by it to ask the fake world the same questions.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import dualstack

#: What is asked: the arguments of open_listener.
QUESTIONS: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "::": ("::", 8080, {}),
    "None": (None, 8080, {}),
    "0.0.0.0": ("0.0.0.0", 8080, {}),
    "::-v6only": ("::", 8080, {"v6only": True}),
    "::-insist": ("::", 8080, {"v6only": False}),
    "localhost": ("localhost", 8080, {}),
    "localhost-0": ("localhost", 0, {}),
    "::-0": ("::", 0, {}),
    "::1": ("::1", 8080, {}),
    "127.0.0.1": ("127.0.0.1", 8080, {}),
    "127.1.2.3": ("127.1.2.3", 8080, {}),
    "mapped": ("::ffff:127.0.0.1", 8080, {}),
    "both-wildcards": (["0.0.0.0", "::"], 8080, {}),
    "wildcard-and-loopback": (["::", "127.0.0.1", "::1"], 8080, {}),
    "tcp6": ("tcp6://*", 8080, {}),
    "foreign": ("198.51.100.1", 8080, {}),
    "foreign6": ("2001:db8:1::1", 8080, {}),
    "list-with-foreign": (["127.0.0.1:8080", "198.51.100.1:8080"], None, {}),
    "%lo": ("%lo", 8080, {}),
    "no-interface": ("%nosuch0", 8080, {}),
    "unix": ("unix:@dualstack-test", None, {}),
}

Client = Callable[[str, int], Any]


def answer(name: str, client: Client) -> dict[str, Any]:
    """Open what is asked for, try to get in over each family, close; what happened."""
    host, port, keywords = QUESTIONS[name]
    try:
        listener = dualstack.open_listener(host, port, **keywords)
    except dualstack.ListenError as error:
        return {"errno": error.errno, "errors": [str(endpoint) for endpoint, _ in error.errors]}
    with listener:
        found: dict[str, Any] = {"opened": [], "served": []}
        for sock, endpoint in zip(listener.sockets, listener.endpoints, strict=True):
            text = str(endpoint)
            if port == 0:
                found["one port"] = {each.port for each in listener.endpoints} == {listener.port}  # type: ignore[attr-defined]  # all of them are IP
                text = text.replace(f":{listener.port}", ":chosen")
            v6only = sock.family == socket.AF_INET6 and sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            found["opened"].append(f"{text} v6only" if v6only else text)
        for address in ("127.0.0.1", "::1") if listener.port else ():
            try:
                made = client(address, listener.port)
            except OSError:
                continue
            connection, peer = listener.accept(timeout=5)
            found["served"].append(str(peer).rpartition(":")[0])
            connection.close()
            made.close()
        return found


SOCKET_CALL = {"x86_64": 41, "aarch64": 198}  # the number of socket(2), by machine


def refuse_ipv6() -> None:
    """Let socket(AF_INET6) fail from here on, as a kernel started with ipv6.disable=1 does: by a seccomp filter."""
    import ctypes
    import errno
    import platform
    import struct

    number = SOCKET_CALL[platform.machine()]
    load, equal, answer = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
    program = (
        (load, 0, 0, 0),  # seccomp_data.nr
        (equal, 0, 3, number),
        (load, 0, 0, 16),  # the first argument: the family
        (equal, 0, 1, socket.AF_INET6),
        (answer, 0, 0, 0x00050000 | errno.EAFNOSUPPORT),  # SECCOMP_RET_ERRNO
        (answer, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    whole = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER (prctl(2), seccomp(2)).
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(whole), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def main() -> None:
    """Answer the questions with real sockets, and say whether a descriptor was left open."""
    if "--without-ipv6" in sys.argv:
        refuse_ipv6()

    def client(address: str, port: int) -> socket.socket:
        return socket.create_connection((address, port), timeout=5)

    answers = {}
    for name in QUESTIONS:
        before = sorted(os.listdir("/proc/self/fd"))
        answers[name] = answer(name, client)
        answers[name]["descriptors left"] = len(os.listdir("/proc/self/fd")) - len(before)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
