"""Everything that is derived from events, from nothing: recomputed in place, or beside to compare."""

from __future__ import annotations

from collections.abc import Sequence

from enduser.core.events import ANALYTICS_PROPERTIES
from enduser.stores.answers import Difference
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.database import CATALOG, Database
from enduser.stores.embedded.fold import fold_pending
from enduser.stores.embedded.linking import regroup
from enduser.stores.embedded.statements import run, text_literal
from enduser.stores.embedded.values import restate_all


def recompute(naming: Naming) -> None:
    """Recompute all that is derived in the current schema; the caller owns the transaction.

    Until it commits, readers see what was.
    """
    connection = naming.connection
    run(connection, "rebuild.clear")
    ((contentless_to,),) = run(connection, "rebuild.contentless_to")
    run(
        connection,
        "taking.store_properties",
        batch=0,
        properties=list(ANALYTICS_PROPERTIES),
        contentless_to=contentless_to,
    )
    naming.take_claims(batch=0)
    regroup(connection)
    restate_all(connection)
    fold_pending(connection, naming.settings)


def differences(database: Database, schema: str, naming: Naming) -> Sequence[Difference]:
    """Recompute a space into a file of its own and return where what is stored differs.

    It is the same fold, from nothing: it finds what went wrong on the way, not what the fold itself gets
    wrong. That is what the reference model is for.
    """
    stored = f"{CATALOG}.{schema}"
    shadow = database.folder / "tmp" / "verify.duckdb"
    shadow.parent.mkdir(exist_ok=True)
    shadow.unlink(missing_ok=True)
    database.execute(f"ATTACH {text_literal(shadow)} AS shadow")
    try:
        database.execute("CREATE SCHEMA shadow.space")
        with database.looking_at(stored):
            run(database.connection, "rebuild.shadow")
            database.execute(f"SET search_path = 'shadow.space,{stored}'")
            recompute(naming)
            database.execute(f"SET search_path = '{stored}'")
            rows = run(database.connection, "rebuild.differences")
        return [Difference(kind, side, user_id, text) for kind, side, user_id, text in rows]
    finally:
        database.execute("DETACH shadow")
        shadow.unlink(missing_ok=True)
