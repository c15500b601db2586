"""Everything that can go wrong in operation, as one tree.

    EnduserError
    ├── UsageError            the caller asked for something that cannot be
    │   ├── InvalidSetting    a setting's name or value
    │   ├── InvalidSpace      a space that does not exist
    │   ├── InvalidSpaceName  a name that no new space can have
    │   └── LimitExceeded     a bound of `enduser.limits` was reached
    ├── InputError            a file that is not what it is said to be
    ├── UserNotFound          no End User Object under this id
    ├── GeoDatabaseError      a place database that is missing, broken or could not be brought
    └── StoreError            the data folder
        ├── DataFolderInUse   another process holds it
        └── SchemaTooNew      it was written by a later version

Every error says what happened, to which thing, and what to do (`hint`). A programmer's mistake is an
`assert`, never one of these. A bad *row* is not an error but a rejection (`core.outcomes`).
"""


class EnduserError(Exception):
    """An operating error with a stable machine-readable `code` and a hint what to do."""

    code = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EnduserError):
    """The caller asked for something that cannot be done as asked."""

    code = "usage"


class InvalidSetting(UsageError):
    """A setting is unknown, or its value is outside its bounds."""

    code = "invalid_setting"


class InvalidSpace(UsageError):
    """A space does not exist."""

    code = "space_not_found"


class InvalidSpaceName(UsageError):
    """A new space cannot have this name: it is malformed, or another space has it."""

    code = "invalid_space_name"


class LimitExceeded(UsageError):
    """A bound of `enduser.limits` was reached; the message names the limit and the value."""

    code = "limit_exceeded"


class InputError(EnduserError):
    """A file cannot be read as what it is said to be; nothing of it was applied."""

    code = "invalid_input"


class UserNotFound(EnduserError):
    """No End User Object exists under the id that was asked for."""

    code = "user_not_found"


class GeoDatabaseError(EnduserError):
    """A place database is missing, broken, or could not be brought."""

    code = "geo_database"


class StoreError(EnduserError):
    """The data folder cannot be used."""

    code = "store"


class DataFolderInUse(StoreError):
    """Another process owns the data folder; the message says which."""

    code = "data_folder_in_use"


class SchemaTooNew(StoreError):
    """The data folder was written by a later version of enduser."""

    code = "schema_too_new"
