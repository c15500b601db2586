"""Everything that can go wrong in operation, as one tree.

    EnduserError
    ├── UsageError            the caller asked for something that cannot be
    │   ├── InvalidSetting    a setting's name or value
    │   ├── InvalidAttribute  a custom attribute's name or definition
    │   ├── InvalidMapping    columns of a source that cannot be taken like this
    │   ├── InvalidSource     a source that cannot be: its name, its connection, its schedule
    │   ├── InvalidValue      a value that an attribute cannot have
    │   ├── InvalidRule       a rule that cannot be; it names the node
    │   │   └── UsersNotTracked  a rule about users in a space that keeps none
    │   ├── InvalidSegment    what people say of a segment cannot be
    │   ├── SegmentExists     a segment that is to be made and is there
    │   ├── InvalidContent    a content item that cannot be
    │   ├── ContentExists     a content item that is to be made and is there
    │   ├── InvalidWebhook    a webhook that cannot be: its name, its address, what it tells of
    │   ├── InvalidIdentityKey  a key that can check no signatures
    │   ├── InvalidFilter     an id or a name that no filter can have
    │   ├── FilterExists      a filter that is to be made and is there
    │   ├── InUse             what others use: a segment, a list or an attribute that rules name
    │   ├── InvalidScope      what an access token is to be good for, and its client may not do
    │   ├── InvalidList       an id, a name or members that no list can have
    │   ├── ListExists        a list that is to be made and is there
    │   ├── KeyReused         an idempotency key that came with something else before
    │   ├── Unconfirmed       a change that cannot be undone and was not confirmed
    │   ├── UserSuppressed    a person who was erased and is to stay out was named
    │   ├── IdsHashed         ids were to be compared that are hashed
    │   ├── InvalidSpace      a space that does not exist
    │   ├── InvalidSpaceName  a name that no new space can have
    │   ├── InvalidCursor     a place in a list that is none, or of another list
    │   ├── InvalidParameter  a parameter of a call that is unknown, missing, or has a value that cannot be
    │   └── LimitExceeded     a bound of `enduser.limits` was reached
    │       ├── RuleTooLarge  a rule of too many conditions, or too deep
    │       ├── BodyTooLarge  the body of a call is longer than it may be
    │       └── TooBusy       too many calls wait already
    ├── Forbidden             a call that its key may not make
    ├── PreconditionFailed    a change of what is not any more as the caller saw it
    ├── MalformedRequest      a call whose body cannot be read at all
    ├── UnsupportedMediaType  a call whose body is no JSON by its own account
    ├── Unauthorized          a call without a valid key
    │   └── IdentityUnproven  a call that does not prove for which user it is made
    ├── RouteNotFound         a call of a path that there is not
    ├── MethodNotAllowed      a call of a path that there is, in another way
    ├── InternalError         a mistake of the program
    ├── AddressInUse          a server that cannot listen where it should
    ├── OwnerUnreachable      a collector or a command that the owner of the data folder does not answer
    ├── KeyNotFound           no API key of this id
    ├── InputError            a file that is not what it is said to be
    ├── UserNotFound          no End User Object under this id
    ├── SuppressionNotFound   an id that is not to stay out
    ├── ClientNotFound        no client of this id
    ├── SourceNotFound        no source of this name
    ├── RunNotFound           no run of this number
    ├── RetentionRefused      users who may not be deleted by age now
    ├── JobNotFound           no job of this number
    ├── JobNotCancellable     a job that is over, or that is being written
    ├── UploadNotFound        no file that was sent under this id
    ├── AttributeNotFound     no custom attribute of this name
    ├── SegmentNotFound       no segment of this id
    ├── TemplateNotFound      no template of rules of this id
    ├── ContentNotFound       no content item of this id
    ├── FeedExpired           a place in the feed from which on not all is kept any more
    ├── WebhookNotFound       no webhook of this id
    ├── IdentityKeyNotFound   no identity key of this id
    ├── FilterNotFound        no saved filter of this id
    ├── ListNotFound          no static list of this id
    ├── LinkNotFound          two ids that are not linked
    ├── GeoDatabaseError      a place database that is missing, broken or could not be brought
    └── StoreError            the data folder
        ├── NoRoom            the disk has no room for the database a second time
        ├── DataFolderMissing there is none where one is to be read
        ├── DataFolderInUse   another process holds it
        ├── SpoolError        the disk refuses what should be accepted
        │   └── SpoolFull     too much is accepted and not yet applied
        ├── ReadTimeout       a read took longer than it may
        └── SchemaTooNew      it was written by a later version

Every error says what happened, to which thing, and what to do (`hint`). A programmer's mistake is an
`assert`, never one of these. A bad *row* is not an error but a rejection (`core.outcomes`).
"""


class EnduserError(Exception):
    """An operating error with a stable machine-readable `code` and a hint what to do.

    `field` names the parameter or setting that is wrong, `limit` the bound that was reached.
    """

    code = "error"

    def __init__(
        self, message: str, *, hint: str | None = None, field: str | None = None, limit: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field
        self.limit = limit


class UsageError(EnduserError):
    """The caller asked for something that cannot be done as asked."""

    code = "usage"


class InvalidSetting(UsageError):
    """A setting is unknown, or its value is outside its bounds."""

    code = "invalid_setting"


class InvalidAttribute(UsageError):
    """A custom attribute cannot be defined like this."""

    code = "invalid_attribute"


class InvalidMapping(UsageError):
    """Columns of a source cannot be taken like this; nothing was saved."""

    code = "invalid_mapping"


class InvalidSource(UsageError):
    """A source cannot be like this: its name, kind, connection or schedule, or what it is asked to do."""

    code = "invalid_source"


class InvalidValue(UsageError):
    """An attribute cannot have a value that was given for it; nothing was changed."""

    code = "invalid_value"


class InvalidRule(UsageError):
    """A rule cannot be like this; `field` is the path of the node that is wrong."""

    code = "invalid_rule"


class UsersNotTracked(InvalidRule):
    """A rule asks about users, and the space keeps none (`unique_user` is `none`)."""

    code = "users_not_tracked"


class InvalidSegment(UsageError):
    """A segment cannot have this id, name, description or tag."""

    code = "invalid_segment"


class SegmentExists(UsageError):
    """A segment that is to be made has the id of one that is there."""

    code = "segment_exists"


class InvalidWebhook(UsageError):
    """A webhook cannot have this name or address, or tell of this."""

    code = "invalid_webhook"


class InvalidIdentityKey(UsageError):
    """What is given as a public key of Ed25519 is none, or is a private one; nothing was kept."""

    code = "invalid_identity_key"


class InvalidContent(UsageError):
    """A content item cannot have this id, name, kind, payload or segment."""

    code = "invalid_content"


class ContentExists(UsageError):
    """A content item that is to be made has the id of one that is there."""

    code = "content_exists"


class InvalidFilter(UsageError):
    """A saved filter cannot have this id or this name."""

    code = "invalid_filter"


class FilterExists(UsageError):
    """A filter that is to be made has the id of one that is there."""

    code = "filter_exists"


class InUse(UsageError):
    """Something that is to go, or to be another, is named by rules; all that use it are told."""

    code = "in_use"


class InvalidScope(UsageError):
    """A client asked for an access token with a scope that it has not, or that there is not."""

    code = "invalid_scope"


class InvalidList(UsageError):
    """A static list cannot have this id or this name, or all ids that would replace its members are bad."""

    code = "invalid_list"


class ListExists(UsageError):
    """A static list was to be made under an id that another has; nothing was changed."""

    code = "list_exists"


class KeyReused(UsageError):
    """An idempotency key came before with something else; nothing was changed."""

    code = "key_reused"


class Unconfirmed(UsageError):
    """A change that cannot be undone was asked for without a confirmation; nothing was changed."""

    code = "unconfirmed"


class UserSuppressed(UsageError):
    """An id belongs to a person who was erased and is to stay out of the space."""

    code = "user_suppressed"


def suppressed(message: str, field: str | None = None) -> UserSuppressed:
    """Return the refusal of somebody who stays out, which says how he may be known again."""
    return UserSuppressed(
        message,
        hint="to let the person be known again: enduser users unsuppress, or DELETE "
        "/api/v1/suppressions/{user_id}",
        field=field,
    )


class IdsHashed(UsageError):
    """The user ids of a space are hashed, so they cannot be compared with each other."""

    code = "ids_hashed"


class InvalidSpace(UsageError):
    """A space does not exist."""

    code = "space_not_found"


class InvalidSpaceName(UsageError):
    """A new space cannot have this name: it is malformed, or another space has it."""

    code = "invalid_space_name"


class InvalidCursor(UsageError):
    """A cursor was not made by the list that it was given to, or not with this sort."""

    code = "invalid_cursor"


class InvalidParameter(UsageError):
    """A parameter of a call is unknown, missing, given twice, or has a value that cannot be."""

    code = "invalid_parameter"


class LimitExceeded(UsageError):
    """A bound of `enduser.limits` was reached; the message names the limit and the value."""

    code = "limit_exceeded"


class Forbidden(EnduserError):
    """The key of a call is valid, but may not do this."""

    code = "forbidden"


class PreconditionFailed(EnduserError):
    """What was to be changed is not any more as the caller saw it (`If-Match`); nothing was changed."""

    code = "precondition_failed"


class MalformedRequest(EnduserError):
    """The body of a call cannot be read as what the route takes; nothing of it was taken."""

    code = "malformed_request"


class InputError(EnduserError):
    """A file cannot be read as what it is said to be; nothing of it was applied."""

    code = "invalid_input"


class RuleTooLarge(LimitExceeded):
    """A rule has more conditions or values, or is deeper, than can be asked in time."""

    code = "rule_too_large"


class BodyTooLarge(LimitExceeded):
    """The body of a call is longer than it may be; nothing of it was taken."""

    code = "body_too_large"


class TooBusy(LimitExceeded):
    """So many calls wait already, or are half received, that this one was refused; it may come again."""

    code = "too_busy"


class UnsupportedMediaType(EnduserError):
    """A call's body is said to be something else than JSON, or is packed in another way than gzip."""

    code = "unsupported_media_type"


class Unauthorized(EnduserError):
    """A call came without a key, or with one that opens nothing."""

    code = "unauthorized"


class IdentityUnproven(Unauthorized):
    """A call of a space that enforces identity does not prove that it is made for the user it asks of."""

    code = "identity_unproven"


class RouteNotFound(EnduserError):
    """There is no such path."""

    code = "not_found"


class MethodNotAllowed(EnduserError):
    """The path exists, but not with this method."""

    code = "method_not_allowed"


class InternalError(EnduserError):
    """The program made a mistake; the log has the details under the id of the request."""

    code = "internal"


class AddressInUse(EnduserError):
    """The server cannot listen where it should."""

    code = "address_in_use"


class OwnerUnreachable(EnduserError):
    """The process that owns the data folder does not answer, or not to the end."""

    code = "owner_unreachable"


class KeyNotFound(EnduserError):
    """No API key has the id that was asked for."""

    code = "key_not_found"


class WebhookNotFound(EnduserError):
    """No webhook of the space has this id."""

    code = "webhook_not_found"


class IdentityKeyNotFound(EnduserError):
    """No identity key of the space has this id."""

    code = "identity_key_not_found"


class ClientNotFound(EnduserError):
    """No client has this id."""

    code = "client_not_found"


class SourceNotFound(EnduserError):
    """There is no source of this name in the space."""

    code = "source_not_found"


class RunNotFound(EnduserError):
    """There is no run of this number in the space, or it is undone already."""

    code = "run_not_found"


class RetentionRefused(EnduserError):
    """Nobody may be deleted by age now, or as of the time that was asked for; nobody was."""

    code = "retention_refused"


def not_come() -> RetentionRefused:
    """Return the refusal of a time that has not come."""
    return RetentionRefused(
        "nobody can be deleted as of a time that has not come",
        hint="a dry run says who would be; in a live space the time is at most where its clock stands",
        field="as_of",
    )


class JobNotFound(EnduserError):
    """There is no job of this number in the space, or it is so old that it is forgotten."""

    code = "job_not_found"


class JobNotCancellable(EnduserError):
    """The job is over, or what it takes is being written, which is done whole."""

    code = "job_not_cancellable"


class UploadNotFound(EnduserError):
    """No file of this id waits to be taken; those that were taken are gone."""

    code = "upload_not_found"


class AttributeNotFound(EnduserError):
    """There is no custom attribute of this name."""

    code = "attribute_not_found"


class SegmentNotFound(EnduserError):
    """There is no segment of this id."""

    code = "segment_not_found"


class TemplateNotFound(EnduserError):
    """There is no template of rules of this id."""

    code = "template_not_found"


class FeedExpired(EnduserError):
    """What follows a place in the feed is not kept any more."""

    code = "feed_expired"


class ContentNotFound(EnduserError):
    """There is no content item of this id."""

    code = "content_not_found"


class FilterNotFound(EnduserError):
    """There is no saved filter of this id in the space."""

    code = "filter_not_found"


class ListNotFound(EnduserError):
    """There is no static list of this id in the space."""

    code = "list_not_found"


class LinkNotFound(EnduserError):
    """Two ids are not linked."""

    code = "link_not_found"


class UserNotFound(EnduserError):
    """No End User Object exists under the id that was asked for."""

    code = "user_not_found"


class SuppressionNotFound(EnduserError):
    """An id is not to stay out of the space."""

    code = "suppression_not_found"


class GeoDatabaseError(EnduserError):
    """A place database is missing, broken, or could not be brought."""

    code = "geo_database"


class StoreError(EnduserError):
    """The data folder cannot be used."""

    code = "store"


class NoRoom(StoreError):
    """The disk has no room for the database a second time, so bytes of what was deleted stay for now."""

    code = "no_room"


class DataFolderMissing(StoreError):
    """There is no data folder where one is to be read; a mistyped name is none."""

    code = "data_folder_missing"


class DataFolderInUse(StoreError):
    """Another process owns the data folder; the message says which."""

    code = "data_folder_in_use"


class SpoolError(StoreError):
    """The spool cannot be written or read."""

    code = "spool"


class SpoolFull(SpoolError):
    """More waits than may."""

    code = "spool_full"


class ReadTimeout(StoreError):
    """A read took longer than `limits.READ_SECONDS_MAX` and was stopped."""

    code = "read_timeout"


class SchemaTooNew(StoreError):
    """The data folder was written by a later version of enduser."""

    code = "schema_too_new"
