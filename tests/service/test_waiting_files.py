"""Files that wait to be taken and name somebody are found, however they are written, and uploads go."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from stored import NOW, SPACE

from enduser import limits
from enduser.errors import InputError
from enduser.service.waiting_files import find_mentions, forget_uploads_naming, has_word
from enduser.sources import uploaded
from enduser.stores.control import ControlStore
from enduser.stores.jobs import SourceInput
from enduser.stores.uploads import Upload, begin_upload, end_upload, list_uploads

pytestmark = pytest.mark.usefixtures("made_anew")
ADAM = b"id,plan\nadam.br,vip\n"
EVE = b"id,plan\nadam.br2,vip\nXadam.br,vip\nadam.brown,vip\n"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlStore]:
    with ControlStore(tmp_path) as opened:
        yield opened


def send(
    control: ControlStore, folder: Path, content: bytes, space: str = SPACE, name: str = "f.csv"
) -> Upload:
    upload = begin_upload(control, space, name, NOW)
    upload.path(folder).parent.mkdir(exist_ok=True)
    upload.path(folder).write_bytes(content)
    return end_upload(control, upload, len(content))


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "is_named"),
    [
        (ADAM, True),
        (EVE, False),
        (b"", False),
        (b"adam.br", True),
        (b"\xef\xbb\xbfadam.br,1\n", True),
        (ADAM.decode().encode("utf-16"), True),
        (b"\xfe\xff" + ADAM.decode().encode("utf-16-be"), True),
        (ADAM.decode().encode("utf-16-le"), True),
        (ADAM.decode().encode("utf-16-be"), True),
        (EVE.decode().encode("utf-16"), False),
        ("\u6100\u6400\u6100\u6d00\u2e00\u6200\u7200\n".encode("utf-16"), False),
        ("1adam.br\n".encode("utf-16"), False),
        (gzip.compress(ADAM, mtime=0), True),
        (gzip.compress(EVE, mtime=0) + gzip.compress(ADAM, mtime=0), True),
        (gzip.compress(EVE, mtime=0), False),
        (zstandard.compress(ADAM), True),
        (b'id\n"a ""b"" c"\n', True),
        ("id\nJosé\n".encode(), True),
        ("id\nJosé\n".encode("windows-1252"), True),
        (b"id\nJos\n", False),
        ("id\nadam.br李\n".encode(), False),
    ],
)
def test_a_file_that_names_somebody_is_found(
    control: ControlStore, tmp_path: Path, content: bytes, is_named: bool
) -> None:
    ids = ["adam.br", 'a "b" c', "José", "Jos李"]
    upload = send(control, tmp_path, content)
    path = put(tmp_path, "inbox/of/.users.csv", content)
    found = find_mentions(tmp_path, control, SPACE, ids)
    assert list(found.uploads) == [upload] * is_named
    assert list(found.inbox) == [path] * is_named
    assert found.unread == []


@given(
    text=st.text(alphabet="ab-. é\n", max_size=40),
    words=st.lists(st.text(alphabet="ab-é ", min_size=1, max_size=4), min_size=1, max_size=3),
    size=st.integers(1, 9),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
def test_wherever_blocks_end_the_words_of_a_text_are_found(
    text: str, words: list[str], size: int, encoding: str
) -> None:
    told = text.encode(encoding)
    blocks = [told[at : at + size] for at in range(0, len(told), size)]
    found = has_word(blocks, [word.encode(encoding) for word in words], encoding)
    assert found is any(_stands(word, text) for word in words)


def _stands(word: str, text: str) -> bool:
    starts = (hit.start() for hit in re.finditer(f"(?={re.escape(word)})", text))
    return any(_is_alone(text, start, start + len(word)) for start in starts)


def _is_alone(text: str, start: int, end: int) -> bool:
    return not any(one in "ab-.é" for one in (text[:start][-1:], text[end : end + 1]) if one)


def test_uploads_of_other_spaces_and_links_that_lead_out_are_not_looked_at(
    control: ControlStore, tmp_path: Path
) -> None:
    send(control, tmp_path, ADAM, space="acme/test")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "link.csv").symlink_to(put(tmp_path, "elsewhere.csv", ADAM))
    found = find_mentions(tmp_path, control, SPACE, ["adam.br"])
    assert (found.uploads, found.inbox, found.rejected) == ([], [], [])


def test_a_file_that_is_called_so_names_somebody(control: ControlStore, tmp_path: Path) -> None:
    upload = send(control, tmp_path, EVE, name="of adam.br")
    path = put(tmp_path, "inbox/adam.br/users.csv", EVE)
    found = find_mentions(tmp_path, control, SPACE, ["adam.br"])
    assert (found.uploads, found.inbox) == ([upload], [path])


@pytest.mark.parametrize("content", [gzip.compress(ADAM * 99, mtime=0)[:-9], zstandard.compress(ADAM)[:-1]])
def test_what_cannot_be_read_to_its_end_is_told(
    control: ControlStore, tmp_path: Path, content: bytes
) -> None:
    path = put(tmp_path, "inbox/users.csv", content)
    found = find_mentions(tmp_path, control, SPACE, ["eve"])
    assert (found.inbox, found.unread) == ([], [path])


@pytest.mark.parametrize(("more", "is_read"), [(-1, False), (0, True), (1, True)])
def test_a_file_is_read_up_to_the_limit_of_what_is_unpacked(
    control: ControlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, is_read: bool
) -> None:
    monkeypatch.setattr(limits, "UNPACKED_BYTES_MAX", len(EVE) + more)
    put(tmp_path, "inbox/users.csv", EVE)
    assert (find_mentions(tmp_path, control, SPACE, ["adam.br"]).unread == []) is is_read


def test_uploads_that_name_somebody_are_deleted_and_a_job_that_wants_one_is_told(
    control: ControlStore, tmp_path: Path
) -> None:
    gone, kept = send(control, tmp_path, ADAM), send(control, tmp_path, EVE)
    waiting = put(tmp_path, "inbox/users.csv", ADAM)
    rejected = put(tmp_path, "rejected/1.csv", b"file,line,reason\nof/adam.br.csv,7,junk_user_id\n")
    others = put(tmp_path, "rejected/2.csv", b"file,line,reason\nof eve,7,junk_user_id\n")
    found = forget_uploads_naming(tmp_path, control, SPACE, ["adam.br"])
    assert (found.uploads, found.inbox, found.rejected) == ([gone], [waiting], [rejected])
    assert list_uploads(control, SPACE) == [kept]
    assert not gone.path(tmp_path).exists()
    assert (waiting.exists(), rejected.exists(), others.exists()) == (True, False, True)
    with pytest.raises(InputError, match=r"f\.csv is not there any more"):
        uploaded.bring({}, tmp_path, SourceInput("f.csv", upload=gone.id), tmp_path)


def test_without_files_nothing_is_found(control: ControlStore, tmp_path: Path) -> None:
    found = forget_uploads_naming(tmp_path, control, SPACE, ["adam.br"])
    assert not any((found.uploads, found.inbox, found.rejected, found.unread))
