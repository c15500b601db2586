"""Where a server is reached, and which addresses it calls when somebody else says where."""

from __future__ import annotations

import pytest

from enduser.core.addresses import networks_of, own_url_of, refusal_of, url_of
from enduser.errors import UsageError


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8300"),
        ("localhost", "http://localhost:8300"),
        ("10.0.0.7", "http://10.0.0.7:8300"),
        ("fd12::1", "http://[fd12::1]:8300"),
        ("", "http://127.0.0.1:8300"),
        ("0.0.0.0", "http://127.0.0.1:8300"),  # noqa: S104 - nobody listens here
        ("::", "http://[::1]:8300"),
    ],
)
def test_who_is_on_the_machine_reaches_a_server_where_it_listens(host: str, url: str) -> None:
    assert own_url_of(host, 8300) == url


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert url_of("::1", 8300) == "http://[::1]:8300"
    assert url_of("0.0.0.0", 8300) == "http://0.0.0.0:8300"  # noqa: S104 - nobody listens here


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "10.0.0.7", "172.16.1.1", "192.168.1.9", "100.64.0.1", "2606:2800:220:1::1", "fd12::1"],
)
def test_public_and_private_addresses_are_called(address: str) -> None:
    assert refusal_of(address) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("0.0.0.0", "no address"),  # noqa: S104 - it is refused
        ("0.1.2.3", "no address"),
        ("::", "no address"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("100.100.100.200", "credentials"),
        ("fd00:ec2::254", "credentials"),
    ],
)
def test_what_means_the_server_or_its_link_is_refused(address: str, why: str) -> None:
    assert why in (refusal_of(address) or "")


FORMS = ["::ffff:{v4}", "::{v4}", "2002:{hex}::1", "64:ff9b::{v4}", "64:ff9b:1::{v4}", "fd12::5efe:{v4}"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("v4", "is_refused"), [("127.0.0.1", True), ("93.184.216.34", False)])
def test_an_address_of_ipv4_within_one_of_ipv6_is_judged_too(form: str, v4: str, is_refused: bool) -> None:
    one, two, three, four = map(int, v4.split("."))
    text = form.format(v4=v4, hex=f"{one:02x}{two:02x}:{three:02x}{four:02x}")
    assert (refusal_of(text) is not None) is is_refused


@pytest.mark.parametrize(
    ("server", "client", "is_refused"),
    [("5db8:d822", "5db8:d822", False), ("7f00:1", "5db8:d822", True), ("5db8:d822", "7f00:1", True)],
)
def test_both_addresses_within_one_of_teredo_are_judged(server: str, client: str, is_refused: bool) -> None:
    turned = ":".join(f"{0xFFFF ^ int(part, 16):x}" for part in client.split(":"))
    assert (refusal_of(f"2001:0:{server}:0:0:{turned}") is not None) is is_refused


def test_networks_that_are_allowed_are_called() -> None:
    allowed = networks_of("127.0.0.0/30, ::1,")
    for address in ("127.0.0.3", "::1", "::ffff:127.0.0.1"):
        assert refusal_of(address, allowed) is None
    assert refusal_of("127.0.0.4", allowed) is not None
    assert refusal_of("169.254.169.254", allowed) is not None
    assert networks_of("") == []


@pytest.mark.parametrize("text", ["localhost", "127.0.0.1/8", "10.0.0.0/33", "a, b"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no network") as caught:
        networks_of(text)
    assert caught.value.hint == "write addresses or networks, such as 127.0.0.1, ::1"


def test_a_network_that_is_allowed_leads_to_no_other_that_is_not() -> None:
    allowed = networks_of("64:ff9b::/96")
    assert refusal_of("64:ff9b::93.184.216.34", allowed) is None
    assert refusal_of("64:ff9b::127.0.0.1", allowed) is not None
