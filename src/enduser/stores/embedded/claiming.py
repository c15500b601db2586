"""Ids and what is said of them: keys of new ids, claims of events, links of the API."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from enduser import limits
from enduser.core.events import UserId, hashed_id, known_id
from enduser.core.settings import SpaceSettings
from enduser.errors import LimitExceeded, UsageError, suppressed
from enduser.stores.embedded.statements import Rows, run, run_spliced
from enduser.stores.records import AddLink, RemoveLink


@dataclass(frozen=True, slots=True)
class Naming:
    """How ids of the connection's current schema are named: the space's settings, and its secret."""

    connection: duckdb.DuckDBPyConnection
    settings: SpaceSettings
    secret: str

    def key_new_ids(self) -> None:
        """Give each of the ids in `batch_ids` that has no key its own; the caller owns the transaction."""
        if not run(self.connection, "claiming.new_ids")[0][0]:
            return
        for text, is_anonymous, base_key, id_check in run(self.connection, "claiming.clashing_ids"):
            salt = 0
            found: Rows = []
            while not found:  # the key of the next free salt
                found = run(
                    self.connection,
                    "claiming.store_salted_id",
                    secret=self.secret,
                    is_anonymous=is_anonymous,
                    salt=str(salt or ""),
                    id=text,
                    base_key=base_key,
                    id_check=id_check,
                )
                salt += 1
            run(
                self.connection,
                "claiming.forget_new_id",
                user_key=found[0][0],
                base_key=base_key,
                id_check=id_check,
            )
        run(self.connection, "claiming.store_new_ids")

    def take_claims(self, batch: int, of: str = "events") -> None:
        """Keep what the events from a batch on claim: an anonymous id is the user whose they are.

        `of` is the table of the events that are looked at.
        """
        is_said = run_spliced(
            self.connection,
            "claiming.said",
            (),
            {"events": of},
            batch=batch,
            link_on_identify=self.settings.link_on_identify,
            hash_ids=self.settings.hash_ids,
            salt=self.settings.hash_salt,
        )
        if not is_said[0][0]:
            return
        run(self.connection, "claiming.claimed", secret=self.secret)
        run(self.connection, "claiming.claimed_ids")
        self.key_new_ids()
        run(self.connection, "claiming.better_claims")
        run(self.connection, "claiming.store_claims")

    def say(self, record: AddLink | RemoveLink) -> None:
        """Keep what the API says of two ids; of an id that was never seen, it is the first that is known.

        Raises:
            UsageError: the ids are none, or one and the same.
            LimitExceeded: an id is too long.
            UserSuppressed: one is of a person who is to stay out.
        """
        keys = self._keys_of(record)
        said = run(self.connection, "claiming.said_of_pair", **keys)
        is_removed = isinstance(record, RemoveLink)
        if said != [(is_removed,)]:  # the time of what was said first stays
            said_at = record.removed_at if isinstance(record, RemoveLink) else record.created_at
            run(self.connection, "claiming.say_of_pair", **keys, said_at=said_at, is_removed=is_removed)

    def require_one(self, link: AddLink) -> None:
        """Check, after a fold, that a link of the API joined its ids.

        Raises:
            LimitExceeded: the person would have more ids than there may be.
        """
        if not run(self.connection, "claiming.are_one", **self._keys_of(link))[0][0]:
            raise LimitExceeded(
                f"{link.one.id!r} and {link.other.id!r} cannot be linked: "
                f"together they would have more than {limits.PERSON_IDS_MAX} ids",
                hint=f"the limit is {limits.PERSON_IDS_MAX} (PERSON_IDS_MAX); "
                "remove links of ids that are not this person",
                limit=limits.PERSON_IDS_MAX,
            )

    def _keys_of(self, record: AddLink | RemoveLink) -> dict[str, int]:
        """Return the keys of the two ids, which get them if they have none."""
        both = (checked_id(user) for user in (record.one, record.other))
        stored = {self.as_stored(user, is_hashed=record.is_hashed) for user in both}
        ids = sorted(stored, key=lambda user: user[::-1])
        if len(ids) == 1:
            raise UsageError(f"{ids[0].id!r} cannot be linked to itself", hint="name two ids")
        texts, kinds = ([user.id for user in ids], [user.is_anonymous for user in ids])
        run(self.connection, "claiming.given_ids", secret=self.secret, ids=texts, kinds=kinds)
        self._require_unsuppressed()
        self.key_new_ids()
        one, other = sorted(key for (key,) in run(self.connection, "claiming.given_keys"))
        return {"one_key": one, "other_key": other}

    def _require_unsuppressed(self) -> None:
        """Check that none of the ids in `batch_ids` is to stay out."""
        for (text,) in run(self.connection, "suppressing.first_named"):
            raise suppressed(f"{text!r} was erased, and is to stay out")

    def as_stored(self, user: UserId, *, is_hashed: bool) -> UserId:
        """Return an id hashed where user ids are, unless it `is_hashed`."""
        if self.settings.hash_ids and not user.is_anonymous and not is_hashed:
            return UserId(hashed_id(self.settings.hash_salt, user.id), is_anonymous=False)
        return user


def checked_id(user: UserId) -> UserId:
    """Return an id trimmed.

    Raises:
        UsageError: it is nobody's.
        LimitExceeded: it is too long.
    """
    known = known_id(user.id)
    if known is None:
        raise UsageError(f"{user.id!r} is nobody's id", hint="docs/concepts.md lists the words that are none")
    if len(known.encode()) > limits.ID_BYTES_MAX:
        raise LimitExceeded(
            f"an id of {len(known.encode()):,} bytes is too long",
            hint=f"the limit is {limits.ID_BYTES_MAX} (ID_BYTES_MAX)",
            limit=limits.ID_BYTES_MAX,
        )
    return UserId(known, user.is_anonymous)


def forget_unnamed(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget those of the ids in the table `released` that nothing names any more."""
    run(connection, "claiming.unnamed")
    run(connection, "claiming.forget_unnamed")
