"""Erasing a person on a running server: what was accepted before never brings him back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest
from running import enduser, process
from serving import Server, wait_until

from enduser.stores.control import ControlStore

NOBODY = httpx.codes.NOT_FOUND


@dataclass
class Site:
    """A running server, and calls to it."""

    server: Server
    key: str
    write_key: str
    sent: int = 0

    def send(self, user_id: str, count: int = 1) -> None:
        """Send events of a user, which are accepted when it returns."""
        self.sent += 1
        batch = [
            {"type": "track", "event": "e", "userId": user_id, "messageId": f"m{self.sent}-{number}"}
            for number in range(count)
        ]
        url = f"{self.server.url}/v1/batch"
        assert httpx.post(url, json={"batch": batch}, auth=(self.write_key, "")).status_code == httpx.codes.OK

    def call(self, method: str, user_id: str, **parameters: str) -> httpx.Response:
        url = f"{self.server.url}/api/v1/users/{user_id}"
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.request(method, url, params=parameters, headers=headers, timeout=30)

    def erase(self, user_id: str) -> httpx.Response:
        return self.call("DELETE", user_id, confirmed="true")

    def shows(self, user_id: str) -> bool:
        """Return whether there is an object of a user, with his open sessions or without."""
        found = {
            self.call("GET", user_id, include_open=include_open).status_code
            for include_open in ("true", "false")
        }
        return found != {NOBODY}

    def counted(self, outcome: str) -> dict[str, int]:
        """Return how many events had an outcome, by reason."""
        headers = {"Authorization": f"Bearer {self.key}"}
        told = httpx.get(f"{self.server.url}/api/v1/status", headers=headers, timeout=30).json()
        found: dict[str, int] = told["outcomes"][outcome]
        return found

    def wait_for_what_follows(self) -> None:
        """Wait until an event that is sent now has its object: the applier has gone on, and the copy too."""
        self.send("follows")
        wait_until(lambda: self.call("GET", "follows").status_code == httpx.codes.OK)


@pytest.fixture
def site(serve: Callable[..., Server]) -> Site:
    return site_of(serve("--collectors", 2))


@pytest.fixture(scope="module")
def shared_site(shared_server: Server) -> Site:
    """One that tests share, each with a user of its own."""
    return site_of(shared_server)


def site_of(server: Server) -> Site:
    assert enduser("config", "set", "inactivity_window_s", "1", "--yes", data=server.data).exit_code == 0
    with ControlStore(server.data) as control:
        return Site(server, control.create_key("", "admin", 0), server.write_key)


def test_whose_events_are_accepted_just_now_is_erased_with_them_and_stays_gone(site: Site) -> None:
    for number in range(5):
        site.send(f"u{number}", count=20)
        assert site.erase(f"u{number}").json()["erased"]["events"] == 20
        assert not site.shows(f"u{number}")
    site.wait_for_what_follows()
    assert not any(site.shows(f"u{number}") for number in range(5))
    site.server.kill_owner()
    site.server.restart()
    site.wait_for_what_follows()
    assert not any(site.shows(f"u{number}") for number in range(5))
    site.server.stop()
    assert "u1" not in site.server.log
    assert process("verify", data=site.server.data).returncode == 0


def test_who_has_an_object_loses_it_at_once_and_may_come_again(shared_site: Site) -> None:
    site = shared_site
    site.send("eve")
    wait_until(lambda: site.call("GET", "eve").status_code == httpx.codes.OK)
    assert site.erase("eve").json()["erased"] == {"ids": 1, "events": 1, "sessions": 1, "values": 0}
    assert not site.shows("eve")
    site.server.kill_owner()
    site.server.restart()
    assert not site.shows("eve")
    site.send("eve", count=3)
    found = wait_until(lambda: site.call("GET", "eve").json().get("total_sessions"))
    assert found == 1


def test_a_command_erases_through_the_server_what_is_accepted_just_now(shared_site: Site) -> None:
    site = shared_site
    site.send("ada", count=7)
    told = process("users", "erase", "ada", "--yes", data=site.server.data)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("erased: 1 id, 7 events, 1 session, 0 values\n")
    site.wait_for_what_follows()
    assert not site.shows("ada")


def test_late_events_of_who_stays_out_are_accepted_and_excluded_and_nobody_appears(site: Site) -> None:
    site.send("ada", count=3)
    site.send("eve")
    told = process("users", "erase", "ada", "--suppress", "--yes", data=site.server.data)
    assert told.stdout.startswith("erased: 1 id, 3 events, 1 session, 0 values; and stays out\n"), told.stderr
    site.send("ada", count=4)
    site.wait_for_what_follows()
    site.server.kill_owner()
    site.server.restart()
    site.send("ada", count=2)
    wait_until(lambda: site.counted("excluded") == {"suppressed": 6})
    assert not site.shows("ada")
    assert process("users", "suppressed", "ada", data=site.server.data).stdout == "yes\n"
    assert process("users", "unsuppress", "ada", data=site.server.data).returncode == 0
    site.send("ada")
    wait_until(lambda: site.shows("ada"))
    site.server.stop()
    assert process("verify", data=site.server.data).returncode == 0
