"""The names of well-known ports, for printing and for hosts without a services database.

A selection of the IANA service name registry (RFC 6335): what administrators meet. ``resolve`` asks the system's
database for every other name.
"""

from __future__ import annotations

__all__ = ("NAMES", "PORTS")

NAMES = {
    7: "echo",
    9: "discard",
    13: "daytime",
    20: "ftp-data",
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    37: "time",
    43: "whois",
    53: "domain",
    67: "bootps",
    68: "bootpc",
    69: "tftp",
    70: "gopher",
    79: "finger",
    80: "http",
    88: "kerberos",
    110: "pop3",
    111: "sunrpc",
    119: "nntp",
    123: "ntp",
    143: "imap",
    161: "snmp",
    162: "snmptrap",
    179: "bgp",
    194: "irc",
    389: "ldap",
    443: "https",
    445: "microsoft-ds",
    465: "submissions",
    514: "syslog",
    546: "dhcpv6-client",
    547: "dhcpv6-server",
    554: "rtsp",
    587: "submission",
    631: "ipp",
    636: "ldaps",
    853: "domain-s",
    873: "rsync",
    989: "ftps-data",
    990: "ftps",
    993: "imaps",
    995: "pop3s",
    1080: "socks",
    1883: "mqtt",
    2049: "nfs",
    3306: "mysql",
    3389: "ms-wbt-server",
    5060: "sip",
    5061: "sips",
    5222: "xmpp-client",
    5353: "mdns",
    5432: "postgresql",
    5672: "amqp",
    6379: "redis",
    8883: "secure-mqtt",
}

PORTS = {name: port for port, name in NAMES.items()}
