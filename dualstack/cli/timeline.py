"""The story of one connect as a time line: one row per look-up, attempt and handshake, as text or as SVG.

A row is a bar from its beginning to its end on a common scale. What ended well is drawn in ``=``, what failed in ``-``
with an ``x``, what was given up because another won in ``.``.
"""

from __future__ import annotations

from ..core.endpoint import IPEndpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.trace import TraceEvent
    from .style import Style

__all__ = ("Row", "Timeline")

_WIDTH = 48  # characters of the scale; with labels and remarks a line fits 120 columns
_COLOURS = {"won": "green", "answered": "green", "done": "green", "failed": "red", "dropped": "dim", "open": "yellow"}
_FILLS = {
    "won": "#2e7d32",
    "answered": "#1565c0",
    "done": "#2e7d32",
    "failed": "#c62828",
    "dropped": "#9e9e9e",
    "open": "#f9a825",
}


class Row:
    """One line of the story: what, from when to when, how it ended, and a remark."""

    def __init__(self, label: str, begin: float) -> None:
        self.label: str = label
        self.begin: float = begin
        self.end: float | None = None
        self.how: str = "open"
        self.remark: str = "no answer"

    def close(self, end: float, how: str, remark: str) -> None:
        """It has ended."""
        self.end, self.how, self.remark = end, how, remark


class Timeline:
    """Rows made of the events of one connect; times count from *started*."""

    def __init__(self, events: Sequence[TraceEvent], started: float, ended: float) -> None:
        self.rows: list[Row] = []
        self.length: float = max(ended - started, 1e-6)
        open_rows: dict[object, Row] = {}
        for event in events:
            what, _, how = event.kind.partition("-")
            key = (what, event.family if what == "lookup" else event.endpoint)
            at = event.time - started
            row = open_rows.get(key)
            if how == "started" or row is None:
                row = open_rows[key] = Row(_label(what, event), at)
                self.rows.append(row)
            if how != "started":
                self._end(row, at, how, event)
                del open_rows[key]

    def _end(self, row: Row, at: float, how: str, event: TraceEvent) -> None:
        if how == "answered" and event.error is not None:
            row.close(at, "failed", _said(event.error))
        elif how == "answered":
            hosts = [e.host for e in event.endpoints if isinstance(e, IPEndpoint)]
            row.close(at, how, ", ".join(hosts) or "no address")
        elif how == "failed":
            row.close(at, how, _said(event.error))
        else:
            row.close(at, how, {"won": "connected", "done": "verified", "dropped": "given up"}.get(how, how))

    def text(self, style: Style) -> str:
        """The time line for a terminal."""
        width = max((len(row.label) for row in self.rows), default=0)
        lines = [f"{'':<{width}}  0{_seconds(self.length):>{_WIDTH - 1}}"]
        for row in self.rows:
            end = self.length if row.end is None else row.end
            first = min(int(row.begin / self.length * _WIDTH), _WIDTH - 1)
            last = min(max(int(end / self.length * _WIDTH), first + 1), _WIDTH)
            fill = {"failed": "-", "dropped": ".", "open": "."}.get(row.how, "=")
            tip = {"failed": "x", "won": ">", "done": ">", "answered": "|", "dropped": "."}.get(row.how, ".")
            bar = fill * (last - first - 1) + tip
            colour = _COLOURS[row.how]
            painted = " " * first + style(bar, colour) + " " * (_WIDTH - last)
            at = f"{_seconds(row.begin)} +{_seconds(end - row.begin)}"
            lines.append(f"{row.label:<{width}}  {painted}  {at:<17} {style(row.remark, colour)}")
        return "\n".join(lines)

    def svg(self, title: str) -> str:
        """The time line as a picture of its own, without scripts or fonts to load."""
        left, width, height = 250, 520, 26
        total = 60 + height * len(self.rows)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="1100" height="{total}" font-size="13">',
            "<style>text { font-family: sans-serif }</style>",
            f"<title>{_xml(title)}</title>",
            f'<rect width="1100" height="{total}" fill="white"/>',
            f'<text x="10" y="20" font-weight="bold">{_xml(title)}</text>',
            f'<text x="{left}" y="38" fill="#555">0</text>',
            f'<text x="{left + width}" y="38" fill="#555" text-anchor="end">{_seconds(self.length)}</text>',
        ]
        for number, row in enumerate(self.rows):
            y = 46 + number * height
            end = self.length if row.end is None else row.end
            x = left + row.begin / self.length * width
            span = max((end - row.begin) / self.length * width, 2)
            colour = _FILLS[row.how]
            remark = f"{_seconds(row.begin)} +{_seconds(end - row.begin)} {row.remark}"
            parts += [
                f'<text x="10" y="{y + 15}">{_xml(row.label)}</text>',
                f'<rect x="{x:.1f}" y="{y + 3}" width="{span:.1f}" height="16" rx="3" fill="{colour}"/>',
                f'<text x="{left + width + 12}" y="{y + 15}" fill="{colour}">{_xml(remark)}</text>',
            ]
        return "\n".join([*parts, "</svg>", ""])


def _label(what: str, event: TraceEvent) -> str:
    if what == "lookup":
        import socket

        return "look up IPv6 (AAAA)" if event.family == socket.AF_INET6 else "look up IPv4 (A)"
    return f"TLS with {event.endpoint}" if what == "tls" else str(event.endpoint)


def _said(error: BaseException | None) -> str:
    return str(getattr(error, "strerror", None) or error or "failed")


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f}ms" if value < 1 else f"{value:.3f}s"


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
