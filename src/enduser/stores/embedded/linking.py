"""Which ids are one person: decided anew for the ids of which something else is said."""

from __future__ import annotations

import duckdb

from enduser import limits
from enduser.core.events import UserId
from enduser.core.links import Edge, shown_id, united
from enduser.stores.embedded.statements import run
from enduser.stores.embedded.values import restate_regrouped


def regroup(connection: duckdb.DuckDBPyConnection) -> bool:
    """Bring `persons` up to what is said; return whether any changed.

    Those whose folded events are others now lose their sessions and objects. Their ids are in the table
    `remade`, for the fold to make them anew.
    """
    run(connection, "linking.nothing_remade")
    if not run(connection, "linking.relinked")[0][0]:
        return False
    run(connection, "linking.affected")
    while True:
        run(connection, "linking.edges", claims_max=limits.PERSON_IDS_MAX - 1)
        run(connection, "linking.link_edges")
        if not run(connection, "linking.grow"):
            break
    run(connection, "linking.tangled")
    person_keys = _tangled_persons(connection)
    run(connection, "linking.decided", keys=list(person_keys), person_keys=list(person_keys.values()))
    run(connection, "linking.regrouped")
    run(connection, "linking.regroup")
    run(connection, "linking.remade")
    run(connection, "linking.clear_remade")
    if not run(connection, "linking.is_regrouped")[0][0]:
        return False
    restate_regrouped(connection)
    return True


def _tangled_persons(connection: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Return the key of the person of each id that links of the API join, by key."""
    ids = {key: UserId(text, anonymous) for key, text, anonymous in run(connection, "linking.tangled_ids")}
    keys = {user: key for key, user in ids.items()}
    edges = [
        Edge(ids[one], ids[other], at, message_id)
        for one, other, at, message_id in run(connection, "linking.tangled_edges")
    ]
    return {keys[user]: keys[shown_id(person)] for user, person in united(edges).items()}
