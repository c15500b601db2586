"""Addresses to places, by real files of each shape that databases have."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from places import FLAT, write_mmdb

from enduser.core.origin import Place
from enduser.errors import GeoDatabaseError
from enduser.ingest.place import PlaceDatabase, check_place_database, place_of_record

GEOIP2 = {
    "continent": {"code": "EU", "names": {"en": "Europe"}},
    "country": {"iso_code": "DE", "geoname_id": 2921044, "names": {"en": "Germany", "de": "Deutschland"}},
    "registered_country": {"iso_code": "US"},
    "subdivisions": [
        {"iso_code": "BY", "names": {"en": "Bavaria", "de": "Bayern"}},
        {"names": {"en": "Upper"}},
    ],
    "city": {"names": {"en": "Munich", "de": "München"}},
    "location": {"latitude": 48.1, "longitude": 11.6},
}
IP_LOCATION_DB = {
    "city": "Berlin (Mitte)",
    "country_code": "DE",
    "latitude": 52.5,
    "state1": "Land Berlin",
    "state2": "",
    "postcode": "",
}
IPINFO = {"city": "Nairobi", "country": "KE", "region": "Nairobi County", "timezone": "Africa/Nairobi"}
IPINFO_LITE = {"country": "Kenya", "country_code": "KE", "continent": "Africa", "asn": "AS1"}
COUNTRY_ONLY = {"country_code": "JP"}

SHAPES = {
    "GeoIP2": (GEOIP2, Place("DE", "Bavaria", "Munich")),
    "ip-location-db": (IP_LOCATION_DB, Place("DE", "Land Berlin", "Berlin")),
    "IPinfo": (IPINFO, Place("KE", "Nairobi County", "Nairobi")),
    "IPinfo Lite": (IPINFO_LITE, Place("KE", None, None)),
    "country only": (COUNTRY_ONLY, Place("JP", None, None)),
    "GeoIP2 country": ({"country": {"iso_code": "NO"}}, Place("NO", None, None)),
    "GeoIP2 without country": ({"city": {"names": {"en": "Oslo"}}}, Place(None, None, "Oslo")),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_of_this_shape_is_understood(tmp_path: Path, shape: str) -> None:
    record, place = SHAPES[shape]
    check_place_database([path := write_mmdb(tmp_path / "x.mmdb", {"5.6.0.0/16": record})])
    database = PlaceDatabase([path])
    assert database.lookup("5.6.7.8") == place
    assert database.lookup("5.7.7.8") is None
    database.close()


@pytest.mark.parametrize(
    ("city", "plain"),
    [
        ("Berlin (Mitte)", "Berlin"),
        ("Halle (Saale) (Altstadt)", "Halle (Saale)"),
        ("Frankfurt am Main", "Frankfurt am Main"),
        ("(unknown)", None),
        ("", None),
    ],
)
def test_the_district_behind_a_city_is_left_out(city: str, plain: str | None) -> None:
    assert place_of_record({"country_code": "DE", "city": city}) == Place("DE", None, plain)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"country_code": "", "state1": "", "city": ""},
        {"asn": 1},
        {"country": None},
        {"country": 5, "city": ["x"]},
        {"country": {"iso_code": {}}, "subdivisions": [], "city": {"names": None}},
        {"country": {}, "subdivisions": "x"},
    ],
)
def test_a_record_that_names_no_place_is_none(record: dict[str, object]) -> None:
    assert place_of_record(record) is None


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("5.6.7.8", True),
        (" 5.6.7.8 ", True),
        ("::ffff:5.6.7.8", True),
        ("::FFFF:5.6.7.8", True),
        ("2001:db8::1", False),
        ("5.6.7", False),
        ("5.6.7.8:443", False),
        ("fe80::1%eth0", False),
        ("999.1.1.1", False),
        ("", False),
        ("unknown", False),
        ("💥", False),
    ],
)
def test_a_file_of_ipv4_answers_what_it_can_and_never_fails(
    tmp_path: Path, address: str, found: bool
) -> None:
    database = PlaceDatabase([write_mmdb(tmp_path / "v4.mmdb", {"5.6.0.0/16": FLAT})])
    assert database.lookup(address) == (Place("NO", "Oslo County", "Oslo") if found else None)
    database.close()


def test_a_file_for_each_family_works_as_one_database(tmp_path: Path) -> None:
    four = write_mmdb(tmp_path / "four.mmdb", {"5.6.0.0/16": FLAT})
    six = write_mmdb(tmp_path / "six.mmdb", {"2001:db8::/32": COUNTRY_ONLY}, ip_version=6)
    for order in ([four, six], [six, four]):
        database = PlaceDatabase(order)
        assert database.lookup("5.6.7.8") == Place("NO", "Oslo County", "Oslo")
        assert database.lookup("2001:db8::1") == Place("JP", None, None)
        assert database.lookup("::ffff:5.6.7.8") == Place("NO", "Oslo County", "Oslo")
        database.close()


def test_the_first_file_that_knows_an_address_wins(tmp_path: Path) -> None:
    first = write_mmdb(tmp_path / "first.mmdb", {"5.6.0.0/16": {"asn": 1}, "5.8.0.0/16": COUNTRY_ONLY})
    second = write_mmdb(tmp_path / "second.mmdb", {"5.0.0.0/8": FLAT})
    database = PlaceDatabase([first, second])
    assert database.lookup("5.6.7.8") == Place("NO", "Oslo County", "Oslo")
    assert database.lookup("5.8.7.8") == Place("JP", None, None)
    database.close()


def test_a_database_knows_when_its_oldest_file_was_built(tmp_path: Path) -> None:
    before = int(time.time())
    database = PlaceDatabase([write_mmdb(tmp_path / "x.mmdb", {"5.6.0.0/16": FLAT})])
    assert before <= database.built_at <= int(time.time())
    database.close()


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1_000])
def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mmdb").write_bytes(content)
    with pytest.raises(GeoDatabaseError, match=r"x\.mmdb cannot be opened as a place database"):
        PlaceDatabase([tmp_path / "x.mmdb"])


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(GeoDatabaseError, match=r"gone\.mmdb cannot be opened"):
        PlaceDatabase([tmp_path / "gone.mmdb"])


def test_a_database_of_other_things_than_places_is_refused(tmp_path: Path) -> None:
    path = write_mmdb(
        tmp_path / "asn.mmdb", {"5.6.0.0/16": {"autonomous_system_number": 5}}, kind="GeoLite2-ASN"
    )
    with pytest.raises(GeoDatabaseError, match=r"asn\.mmdb names no country.* 'GeoLite2-ASN'"):
        check_place_database([path])


def test_a_damaged_database_is_an_error_and_not_an_unknown_place(tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "x.mmdb", {"5.6.0.0/16": FLAT})
    content = bytearray(path.read_bytes())
    start = content.index(b"country_code") - 4
    content[start : start + 30] = b"\xff" * 30
    path.write_bytes(bytes(content))
    database = PlaceDatabase([path])
    with pytest.raises(GeoDatabaseError, match="is damaged"):
        database.lookup("5.6.7.8")
    with pytest.raises(GeoDatabaseError, match="cannot be opened as a place database"):
        check_place_database([path])
    database.close()
