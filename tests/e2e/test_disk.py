"""A disk that is full or read-only: a clear error, and with room the next run ends in the same state."""

from __future__ import annotations

from pathlib import Path

import pytest
from disks import Mount, needs_root
from running import counts, enduser, event, process, write_lines
from tiers import some_daily

MEGABYTE = 1_048_576
pytestmark = needs_root


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 6 MB whose events take some room."""
    lines = [
        event(
            f"u{n % 500}",
            1_700_000_000 + n * 7,
            message_id=f"{n * 2_654_435_761 % 2**64:032x}",
            url="/x" * 50,
        )
        for n in range(20_000)
    ]
    return write_lines(tmp_path_factory.mktemp("file") / "x.jsonl", *lines)


def exports(data: Path) -> list[str]:
    return [enduser(what, "export", data=data).stdout for what in ("users", "sessions")]


@pytest.fixture(scope="module")
def clean(file: Path) -> list[str]:
    """Return what an import makes that nothing disturbs."""
    data = file.parent / "data"
    assert enduser("import", "events", file, "--close", data=data).exit_code == 0
    return exports(data)


@pytest.mark.parametrize("room", some_daily([0.2, 1, 4, 8], [0.2, 4]))
def test_a_full_disk_is_a_clear_error_and_with_room_the_next_run_ends_in_the_same_state(
    mount: Mount, file: Path, clean: list[str], room: float
) -> None:
    data = mount("size=64m") / "data"
    assert enduser("config", "list", data=data).exit_code == 0
    used = sum(path.stat().st_size for path in data.rglob("*"))
    mount(f"size={used + int(room * MEGABYTE)}")
    done = process("import", "events", file, "--close", data=data)
    assert done.returncode == 2, done
    assert "error: " in done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    mount("size=200m")
    again = process("import", "events", file, "--close", data=data)
    assert again.returncode == 0, again.stderr
    assert counts(again.stdout)["users"] == 500
    assert exports(data) == clean
    assert enduser("verify", data=data).exit_code == 0


@pytest.mark.parametrize(
    "command", [["status"], ["users", "list"], ["geo", "install", "--file", "x"], ["demo"]]
)
def test_a_read_only_data_folder_is_a_clear_error(tmp_path: Path, mount: Mount, command: list[str]) -> None:
    folder = mount("size=64m")
    assert enduser("config", "list", data=folder / "data").exit_code == 0
    mount("ro")
    done = process(*command, data=folder / "data", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_full_disk_for_an_export_is_a_clear_error_and_leaves_nothing(
    tmp_path: Path, mount: Mount, file: Path
) -> None:
    data = tmp_path / "data"
    assert enduser("import", "events", file, "--close", data=data).exit_code == 0
    target = mount("size=16k") / "sessions.csv"
    done = process("sessions", "export", "--output", target, data=data)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("kilobytes", some_daily([8, 16, 64, 300], [16, 300]))
def test_a_disk_that_is_full_from_the_start_leaves_no_folder_that_cannot_be_opened(
    mount: Mount, kilobytes: int
) -> None:
    data = mount(f"size={kilobytes}k") / "data"
    done = process("config", "list", data=data)
    assert (done.returncode in {0, 2}, "Traceback" in done.stderr) == (True, False), done
    mount("size=64m")
    assert process("config", "list", data=data).returncode == 0
