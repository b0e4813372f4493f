"""A DNS forwarder for hosts with several addresses: answers leave from the address that was asked.

    python examples/dns_forwarder.py [::]:5300 --upstream 192.0.2.53:53
    dig @127.0.0.2 -p 5300 example.com

Listening on a wildcard address with plain sockets, the kernel answers from the address it likes best, and the client
(dig, every resolver library) drops an answer from an address it did not ask: "reply from unexpected source".

Each query goes upstream from a socket and a port of its own (RFC 5452), connected, so that only the upstream's answer
is taken, and its "port unreachable" is an error at once instead of a timeout. UDP only; a truncated answer tells the
client to ask over TCP, which this example does not forward.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

import dualstack

TIMEOUT = 3.0  # seconds for one upstream
SERVFAIL = 2  # RCODE (RFC 1035 section 4.1.1)
LARGEST = 4096  # bytes of a query or answer; more than any EDNS buffer size in use
AT_ONCE = 64  # queries under way


def ask(query: bytes, upstreams: list[str]) -> bytes | None:
    """Ask one upstream after the other; None when none answers."""
    for upstream in upstreams:
        try:
            with dualstack.open_datagram(remote=upstream) as up:
                up.send(query)
                while True:
                    answer = up.recv(TIMEOUT, max_size=LARGEST)
                    if answer.data[:2] == query[:2] and not answer.truncated:  # the id of our question
                        return bytes(answer.data)
        except OSError as error:
            print(f"upstream {upstream}: {error}", file=sys.stderr)
    return None


def failure(query: bytes) -> bytes:
    """The query sent back as an answer that says SERVFAIL."""
    return query[:2] + bytes((query[2] | 0x80, query[3] & 0xF0 | SERVFAIL)) + query[4:]


def answer(server: dualstack.DatagramSocket, question: dualstack.Datagram, upstreams: list[str], quiet: bool) -> None:
    """Forward one question and answer it, from the address it was sent to."""
    query = bytes(question.data)
    reply = ask(query, upstreams)
    try:
        server.reply(question, failure(query) if reply is None else reply)
    except OSError as error:
        print(f"answering {question.peer}: {error}", file=sys.stderr)
    if not quiet:
        what = "no answer" if reply is None else f"{len(reply)} bytes"
        print(f"{question.peer} asked {question.local} on {question.interface}: {what}", flush=True)


def main() -> None:
    """Forward until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("listen", nargs="*", default=["[::]:5300"], help="addresses, as [::]:5300 or %%eth0:53")
    parser.add_argument("--upstream", action="append", required=True, help="a DNS server, as 192.0.2.53:53")
    parser.add_argument("--quiet", action="store_true", help="do not print each query")
    arguments = parser.parse_args()
    with (
        ThreadPoolExecutor(AT_ONCE) as pool,
        dualstack.open_datagram(arguments.listen or ["[::]:5300"]) as server,
    ):
        print(f"listening on {', '.join(map(str, server.endpoints))} ({server.source_selection})", flush=True)
        try:
            for question in server:
                # A query has at least its header of 12 bytes, and the bit QR unset: never answer an answer.
                if len(question.data) >= 12 and not question.data[2] & 0x80 and not question.truncated:
                    pool.submit(answer, server, question, arguments.upstream, arguments.quiet)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
