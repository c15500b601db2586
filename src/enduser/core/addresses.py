"""Addresses: where a server is reached, and which it calls when somebody else says where.

For the latter see "Whom the server calls" in docs/feed.md. An address that means the server itself or the
link that it is on is refused: behind it are things that trust whoever reaches them, such as the page on
which a cloud tells a machine its credentials.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from enduser.errors import UsageError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED: Sequence[tuple[Network, str]] = [
    (ip_network(network), why)
    for network, why in (
        ("127.0.0.0/8", "loopback: the server itself"),
        ("::1/128", "loopback: the server itself"),
        ("0.0.0.0/8", "no address of a machine"),
        ("::/128", "no address of a machine"),
        ("169.254.0.0/16", "link-local"),
        ("fe80::/10", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("ff00::/8", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("100.100.100.200/32", "where a cloud tells a machine its credentials"),
        ("192.0.0.192/32", "where a cloud tells a machine its credentials"),
        ("fd00:ec2::254/128", "where a cloud tells a machine its credentials"),
    )
]
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Addresses whose last bits are one of IPv4: of NAT64 (RFC 6052, RFC 8215), and the old compatible ones."""
_ISATAP = 0x5EFE
_WHOLE_MACHINE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody listens here
"""Where who is on a machine reaches what listens at all of its addresses."""
_IPV4_BITS = 32
_IPV4_MASK = 2**_IPV4_BITS - 1


def url_of(host: str, port: int | str) -> str:
    """Return the address of a server that listens there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def own_url_of(host: str, port: int | str) -> str:
    """Return by what address who is on the same machine reaches a server that listens there."""
    return url_of(_WHOLE_MACHINE.get(host, host), port)


def refusal_of(text: str, allowed: Sequence[Network] = ()) -> str | None:
    """Return why an address is not called; None: it may be.

    Private networks (`10.0.0.0/8`, `fc00::/7` and their like) may be called: one's own receivers are there.

    Args:
        text: the address, as a resolver gives it.
        allowed: networks of which all may be called.
    """
    address = ip_address(text)
    for one in (address, *_within(address)):
        if any(one in network for network in allowed):
            continue
        for network, why in _REFUSED:
            if one in network:
                return why
    return None


def _within(address: Address) -> Iterator[IPv4Address]:
    """Yield the addresses of IPv4 that one of IPv6 leads to, by each way to write one into the other."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _TRANSLATED) or _is_isatap(address):
        yield IPv4Address(int(address) & _IPV4_MASK)


def _is_isatap(address: IPv6Address) -> bool:
    return int(address) >> _IPV4_BITS & 0xFFFF == _ISATAP


def networks_of(text: str) -> Sequence[Network]:
    """Return the networks of a text that names some, parted by commas, such as `127.0.0.0/8, ::1`.

    Raises:
        UsageError: one is none.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(part))
        except ValueError as error:
            raise UsageError(
                f"{part!r} is no network: {error}", hint="write addresses or networks, such as 127.0.0.1, ::1"
            ) from None
    return found
