"""`enduser clients`, and the integrations that they call for."""

from __future__ import annotations

from pathlib import Path

from running import enduser


def test_a_client_is_made_listed_and_revoked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = enduser("clients", "create", "--name", "billing", data=data)
    client_id, secret = made.stdout.split()
    assert len(secret) >= 43
    assert "not shown again" in made.stderr
    listed = enduser("clients", "list", data=data).stdout
    assert listed.splitlines()[1].split()[:3] == [client_id, "billing", "endUserUpdate:write"]
    assert secret not in listed
    assert enduser("clients", "revoke", client_id, data=data).stdout == f"client {client_id} revoked\n"
    told = enduser("clients", "revoke", "nobody", data=data)
    assert (told.exit_code, "'nobody'" in told.stderr) == (2, True)


def test_a_client_may_what_its_scopes_say(tmp_path: Path) -> None:
    data = tmp_path / "data"
    scopes = ("--scope", "segments:read", "--scope", "segments:write")
    assert enduser("clients", "create", *scopes, data=data).exit_code == 0
    assert "segments:read segments:write" in enduser("clients", "list", data=data).stdout
    told = enduser("clients", "create", "--scope", "segments:all", data=data)
    assert (told.exit_code, "'segments:all'" in told.stderr, "segments:read" in told.stderr) == (
        2,
        True,
        True,
    )


def test_an_integration_is_made_and_its_token_is_shown_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    enduser("attributes", "create", "plan", "--type", "string", data=data)
    arguments = (
        "sources",
        "create-api",
        "billing",
        "--id",
        "properties.ID",
        "--take",
        "properties.plan=plan",
    )
    made = enduser(*arguments, data=data)
    assert (made.exit_code, len(made.stdout.strip()) >= 43) == (0, True)
    assert enduser(*arguments, data=data).stdout != made.stdout
    listed = enduser("sources", "list", data=data).stdout
    assert ["billing", "api", "plan"] in [line.split() for line in listed.splitlines()]
    file = tmp_path / "x.csv"
    file.write_text("user_id,plan\nu,vip\n")
    told = enduser("sources", "run", "billing", file, data=data)
    assert (told.exit_code, "takes no files" in told.stderr) == (2, True)


def test_an_integration_of_an_attribute_that_is_not_there_is_refused(tmp_path: Path) -> None:
    arguments = ("sources", "create-api", "billing", "--id", "id", "--take", "plan")
    told = enduser(*arguments, data=tmp_path / "data")
    assert (told.exit_code, "attributes create" in told.stderr) == (2, True)


def test_a_source_of_files_is_not_turned_into_one_that_programs_call(tmp_path: Path) -> None:
    data = tmp_path / "data"
    enduser("attributes", "create", "plan", "--type", "string", data=data)
    made = enduser("sources", "create-inbox", "crm", "--files", "*.csv", data=data)
    assert made.exit_code == 0, made.stderr
    told = enduser("sources", "create-api", "crm", "--id", "ID", "--take", "plan", data=data)
    assert (told.exit_code, "programs do not call the source 'crm'" in told.stderr) == (2, True)
    assert "inbox" in enduser("sources", "list", data=data).stdout
