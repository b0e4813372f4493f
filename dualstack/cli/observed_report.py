"""The report of ``dualstack run``: what was seen, as findings of the porting checker, written by its writers.

The checker reads the file of each place. Where it has a finding of its own on that line, that one's rule, columns and
advice are used, and what was seen is its message; elsewhere they come from the rule that the observer chose. Remarks in
the source (``# noqa``, ``# dualstack: v4-only because ...``) silence what was seen as they silence what is read.
"""

from __future__ import annotations

import atexit
import os
import sys

from ..check.catalog import RULES
from ..check.engine import Unreadable, check_text, obeyed
from ..check.files import TextError, decode, read_bytes
from ..check.model import Finding, Span
from ..check.report import writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import TextIO

    from .observed import Observer, Seen

__all__ = ("findings_of", "write_at_exit")

_TOOL = "dualstack run"
_FORMATS = {"text": "text", "json": "json", "sarif": "sarif"}
# What the checker may call the same thing, the best name first.
_BIND = ("DST106", "DST107", "DST108", "DST110", "DST604", "DST601", "DST605", "DST602", "DST606", "DST111")
_NAMES = ("DST203", "DST202", "DST201")
_SAME = {
    "DST101": ("DST101", "DST102", "DST103", "DST108", "DST109"),
    "DST104": ("DST104", "DST102", "DST103"),
    **dict.fromkeys(_NAMES, _NAMES),
    **dict.fromkeys(("DST602", "DST603", "DST606"), ("DST603", "DST602", "DST606", *_BIND)),
    **dict.fromkeys(("DST106", "DST107", "DST110", "DST601", "DST604", "DST605"), _BIND),
}
_HINTS = {
    "DST101": "use socket.create_connection((host, port)) or dualstack.connect(host, port)",
    "DST104": "leave the family out (AF_UNSPEC) and use every answer, or use dualstack.resolve(host, port)",
    "DST106": "set address_family to AF_INET6 and clear IPV6_V6ONLY in server_bind(), or use dualstack.shim.servers",
    "DST107": "pass family=AF_INET6, dualstack_ipv6=has_dualstack_ipv6(), or use dualstack.open_listener(host, port)",
    "DST109": "use SysLogHandler, or makeSocket() with dualstack.open_datagram(remote=(host, port))",
    "DST110": 'use a Unix socket (family "AF_UNIX"), or dualstack.open_listener()',
    "DST201": "pass the name itself to create_connection(), or use dualstack.resolve(host, port)",
    "DST203": "use dualstack.source_for(destination) or dualstack.interfaces()",
    "DST205": "use getnameinfo(sockaddr, NI_NAMEREQD)",
    "DST601": 'use None or "::" with dualstack.open_listener(), which opens both',
    "DST602": 'use "localhost", which is both loopback addresses',
    "DST603": "use dualstack.source_for(destination)",
    "DST604": "pass host=None: asyncio then opens both families",
    "DST605": "use dualstack.open_listener(None, port), which opens every family",
    "DST606": "take the address from the configuration, as a name",
    "DST607": "use the multicast group ff02::1 beside it",
}
_SAYS = {
    "DST101": "an AF_INET socket reaches IPv4 addresses only",
    "DST104": "asks for IPv4 addresses only",
    "DST201": "knows IPv4 only",
    "DST202": "lists IPv4 addresses only",
    "DST203": "asks for the own host's IPv4 address only",
    "DST205": "takes no scope and says nothing without a name",
    "DST602": "the IPv4 loopback alone",
    "DST603": "finds the own IPv4 address only",
    "DST606": "an IPv4 address",
    "DST607": "IPv6 has no broadcast",
}


def write_at_exit(observer: Observer, form: str, output: str | None) -> None:
    """Write the report when the interpreter ends, after the exit handlers of the program; a forked child does not."""
    folder = os.getcwd()
    path = os.path.abspath(output) if output else None

    def write() -> None:
        if os.getpid() != observer.pid:
            return
        if path is None:
            _write(observer, form, folder, sys.stderr)
            return
        with open(path, "w", encoding="utf-8") as out:
            _write(observer, form, folder, out)

    atexit.register(write)


def _write(observer: Observer, form: str, folder: str, out: TextIO) -> None:
    texts = _Texts()
    findings = findings_of(list(observer.seen.values()), texts, folder)
    if form == "text" and findings:
        out.write("\nOver IPv4 alone, in this run:\n\n")
    if findings or form != "text":
        writer(_FORMATS[form], tool=_TOOL)(findings, lambda finding: texts.line(finding.path, finding.span.line), out)
    if form == "text":
        count = f"{len(findings)} places" if len(findings) != 1 else "1 place"
        out.write(f"{count} over IPv4 alone. Programs started by this one were not watched.\n")


def findings_of(seen: Iterable[Seen], texts: _Texts, folder: str) -> list[Finding]:
    """What was seen as findings, one per place and rule, in order of path and line."""
    found: dict[tuple[str, Span, str], Finding] = {}
    for one in seen:
        path = _shown(one.code.co_filename, folder)
        texts.know(path, one.code.co_filename)
        finding = _finding(one, path, texts)
        if texts.leaves(finding):
            found.setdefault((finding.path, finding.span, finding.code), finding)
    return sorted(found.values(), key=lambda finding: finding.order)


def _finding(one: Seen, path: str, texts: _Texts) -> Finding:
    code, hint = one.rule, _HINTS.get(one.rule, "")
    span = _span(one, texts.line(path, one.line))
    static = texts.static(path, one.line, span.end_line, _SAME.get(code, (code,)), code)
    if static is not None:
        code, hint, span = static.code, static.hint, static.span
    rule = RULES[code]
    says = _SAYS.get(code, "serves IPv4 only")
    call = one.call.replace("gethostbyname(", "gethostbyname_ex(") if code == "DST202" else one.call
    through = f", through {one.through}" if one.through else ""
    times = f" ({one.count} times)" if one.count > 1 else ""
    return Finding(path, span, code, f"{call}{through}: {says}{times}", hint, rule.strict)


def _shown(filename: str, folder: str) -> str:
    """The path as the checker shows it: below the folder of the run without it."""
    full = os.path.join(folder, filename) if not filename.startswith("<") else filename
    return full[len(folder) + 1 :] if full.startswith(folder + os.sep) else full


def _span(one: Seen, text: str) -> Span:
    """The columns of the call, as far as this Python knows them (from 3.11), else the line."""
    line, end_line, column, end_column = _positions(one.code, one.instruction)
    if line is not None and line == one.line and column is not None and end_column is not None and text:
        begin = len(text.encode()[:column].decode(errors="replace"))
        # The end may stand on a line that is not read here; its bytes are taken for characters.
        end = len(text.encode()[:end_column].decode(errors="replace")) if end_line == line else end_column
        return Span(line, begin + 1, end_line or line, end + 1)
    bare = text.strip()
    begin = text.find(bare) + 1 if bare else 1
    return Span(one.line, begin, one.line, begin + len(bare))


def _positions(code: CodeType, instruction: int) -> tuple[int | None, int | None, int | None, int | None]:
    positions = getattr(code, "co_positions", None)
    if positions is not None and instruction >= 0:
        for place, found in enumerate(positions()):
            if place == instruction // 2:
                line, end_line, column, end_column = found
                return line, end_line, column, end_column
    return None, None, None, None


class _Texts:
    """The files of the places, and what the checker says about them."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._read: dict[str, str] = {}
        self._found: dict[str, list[Finding]] = {}

    def know(self, path: str, filename: str) -> None:
        """Where the file is that is shown as *path*."""
        self._files[path] = filename

    def text(self, path: str) -> str:
        """Its source, or "" when there is none."""
        if path not in self._read:
            try:
                text = decode(read_bytes(self._files.get(path, path)))
            except (OSError, TextError, ValueError):
                text = ""
            self._read[path] = text.replace("\r\n", "\n").replace("\r", "\n")
        return self._read[path]

    def line(self, path: str, number: int) -> str:
        """One line of it, counted from 1."""
        lines = self.text(path).split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def static(self, path: str, line: int, end_line: int, same: tuple[str, ...], best: str) -> Finding | None:
        """The finding of the checker at this place that means the same thing."""
        if path not in self._found:
            try:
                self._found[path] = check_text(path, self.text(path))
            except Unreadable:
                self._found[path] = []
        here = [one for one in self._found[path] if one.span.line <= end_line and one.span.end_line >= line]
        order = {code: place for place, code in enumerate((best, *same))}
        fit = [one for one in here if one.code in order]
        return min(fit, key=lambda one: order[one.code], default=None)

    def leaves(self, finding: Finding) -> bool:
        """Whether no remark in the source silences it."""
        try:
            return bool(obeyed(finding.path, self.text(finding.path), [finding]))
        except Unreadable:
            return True
