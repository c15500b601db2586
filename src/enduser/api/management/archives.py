"""All that is held on one person as one file, for who asks what that is."""

from __future__ import annotations

from pathlib import Path

from enduser.api.management.calls import Call, FileAnswer, Route
from enduser.api.management.made_files import made_file
from enduser.api.management.parameters import ID_KIND, SPACE, USER_ID
from enduser.clock import now_us
from enduser.errors import TooBusy, UserNotFound
from enduser.service.archives import NAME, Asked, write_archive

_MEDIA_TYPE = "application/zip"


async def export_person(call: Call) -> FileAnswer:
    """Return the archive of the person of an id."""
    asked = Asked(call.space, call.values["user_id"], call.values["id_kind"], now_us())
    return await made_file(call, NAME, _MEDIA_TYPE, lambda folder: _write(call, asked, folder))


def _write(call: Call, asked: Asked, folder: Path) -> Path:
    """Write the archive, if nobody is forgotten meanwhile: of who was erased nothing is given any more.

    Raises:
        TooBusy: somebody was.
    """
    store = call.services.store
    forgotten = store.forgotten
    path = write_archive(store.reader, asked, folder)
    if store.forgotten != forgotten:
        raise TooBusy("somebody was erased meanwhile, perhaps this person", hint="send it again")
    return path


ROUTES = (
    Route(
        "GET",
        "/api/v1/users/{user_id}/archive",
        export_person,
        "Get all that is held on a person, of all linked ids, as one zip file",
        str,
        "PK…",
        (USER_ID, SPACE, ID_KIND),
        (UserNotFound,),
        gives_file=(_MEDIA_TYPE,),
    ),
)
