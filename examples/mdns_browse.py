"""Browse multicast DNS on every interface and both families at once (RFC 6762).

    python examples/mdns_browse.py                       # what kinds of services are there?
    python examples/mdns_browse.py _http._tcp.local      # who offers this one?

One socket hears 224.0.0.251 and ff02::fb on all interfaces, follows interfaces that come and go, and shares port 5353
with the mDNS responder of the system. Each answer says on which interface it came and from whom.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import dualstack

PORT = 5353
GROUPS = ("224.0.0.251", "ff02::fb")
PTR, IN = 12, 1
SERVICES = "_services._dns-sd._udp.local"  # the list of all kinds (RFC 6763 section 9)


def query(name: str) -> bytes:
    """A question for the PTR records of *name*."""
    labels = b"".join(bytes((len(label),)) + label for label in name.rstrip(".").encode().split(b".") if label)
    return bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + labels + bytes((0, 0, PTR, 0, IN))


def read_name(message: bytes, at: int) -> tuple[str, int]:
    """The name at an offset and the offset behind it; ValueError for one that does not end."""
    labels: list[str] = []
    behind = 0
    for _ in range(128):  # no name has more labels; a loop of pointers has
        size = message[at]
        if size == 0:
            return ".".join(labels), behind or at + 1
        if size >= 0xC0:  # a pointer to where the rest stands already
            behind = behind or at + 2
            at = int.from_bytes(message[at : at + 2], "big") & 0x3FFF
            continue
        labels.append(message[at + 1 : at + 1 + size].decode("utf-8", "backslashreplace").replace(".", "\\."))
        at += 1 + size
    raise ValueError("a name that does not end")


def pointers(message: bytes) -> Iterator[tuple[str, str]]:
    """(name, target) of every PTR record in an answer; stops quietly where the message is broken."""
    try:
        if not message[2] & 0x80:
            return  # a question
        questions, *records = (int.from_bytes(message[at : at + 2], "big") for at in (4, 6, 8, 10))
        at = 12
        for _ in range(questions):
            _, at = read_name(message, at)
            at += 4
        for _ in range(sum(records)):
            name, at = read_name(message, at)
            kind = int.from_bytes(message[at : at + 2], "big")
            size = int.from_bytes(message[at + 8 : at + 10], "big")
            if kind == PTR:
                yield name, read_name(message, at + 10)[0]
            at += 10 + size
    except (IndexError, ValueError):
        return


def ask_everywhere(sock: dualstack.DatagramSocket, name: str) -> None:
    """Send the question through every interface that can carry it, in both families."""
    for nic in dualstack.interfaces():
        if not (nic.is_up and nic.is_multicast):
            continue
        for group in GROUPS:
            try:
                sock.send(query(name), (group, PORT), interface=nic.index)
            except OSError as error:
                print(f"# {nic.name}: {error}")


def browse(name: str, seconds: float) -> Iterator[tuple[str, str, dualstack.Datagram]]:
    """Ask, and give each (name, target, datagram) once per interface until *seconds* have passed."""
    seen = set()
    with dualstack.open_datagram("::", PORT, share=True, multicast_ttl=255) as sock:
        for group in GROUPS:
            try:
                sock.join(group, "all", follow=True)
            except OSError as error:  # a host with one family
                print(f"# {error}")
        ask_everywhere(sock, name)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                datagram = sock.recv(left)
            except TimeoutError:
                return
            if datagram.hop_limit not in (None, 255):
                continue  # not from this link (RFC 6762 section 11)
            for owner, target in pointers(bytes(datagram.data)):
                key = owner.lower(), target, datagram.interface_index
                if owner.lower() == name.lower() and key not in seen:
                    seen.add(key)
                    yield owner, target, datagram


def main() -> None:
    """Browse and print a line per answer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("service", nargs="?", default=SERVICES)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    for _, target, datagram in browse(arguments.service, arguments.seconds):
        print(f"{datagram.interface:12} {target}   (from {datagram.peer}, to {datagram.local})", flush=True)


if __name__ == "__main__":
    main()
