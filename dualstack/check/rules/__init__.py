"""The rules, one module per group of codes. Importing this package registers all of them."""

from . import addresses, families, hostport, hostsplits, names, options, overcorrections, servers, shapes, text, unix

__all__ = (
    "addresses",
    "families",
    "hostport",
    "hostsplits",
    "names",
    "options",
    "overcorrections",
    "servers",
    "shapes",
    "text",
    "unix",
)
