"""Which addresses may be asked: public ones, and those that the settings name."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from pegboard.errors import ToolError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
INSIDE = (ipaddress.ip_network("fec0::/10"), ipaddress.ip_network("64:ff9b:1::/48"))
"""Networks of a site that the library takes for public: the old site-local ones, and NAT64 of one's own."""


async def address_of(host: str, port: int, private: Sequence[str]) -> str:
    """Return the address to connect to. Raises ToolError where the host has none, or one that may not be asked.

    The address is looked up once and then used: a name that answers another one the next time gains nothing. All
    that it answers must be allowed, so that no order of them matters.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ToolError(f"The host {host} is not known: {error}. Check the spelling of the URL.") from None
    addresses = [str(one[4][0]) for one in found]
    for text in addresses:
        if not is_allowed(host, text, private):
            raise ToolError(
                f"{host} is at {text}, which is no public address, so it is not fetched. If the user wants it, "
                f'the settings can allow it: [web_tools] private = ["{host}"].'
            )
    return addresses[0]


def is_allowed(host: str, text: str, private: Sequence[str]) -> bool:
    """Whether *host* at the address *text* may be asked."""
    address = _plain(ipaddress.ip_address(text.partition("%")[0]))
    public = address.is_global and not address.is_multicast and not any(address in network for network in INSIDE)
    return public or any(_names(one, host, address) for one in private)


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, or ::ffff:127.0.0.1 would be a way around."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and int(address) >> 32 in (0, 0x0064FF9B << 64):  # ::127.0.0.1, and NAT64
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def _names(allowed: str, host: str, address: Address) -> bool:
    if allowed.lower() == host.lower():
        return True
    try:
        return address in ipaddress.ip_network(allowed, strict=False)
    except ValueError:
        return False  # a host's name
