"""Who would enter and leave segments by a write of values that is only looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from enduser.core.rules.tree import Changes, Condition, Counted, Rule, nodes
from enduser.stores.answers import SegmentDiff
from enduser.stores.embedded.asking import conditions, rules_of
from enduser.stores.embedded.conditions import Tables
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.segments import every_segment
from enduser.stores.embedded.statements import spliced, statements

_WOULD_BE = Tables(candidates="(FROM candidates UNION ALL BY NAME FROM spoken)", sources="known_sources")


def moved(look: Look, attributes: Collection[str]) -> Iterator[SegmentDiff]:
    """Yield how many users would enter and leave each segment for which some would.

    `attributes` are those that are written; `values.preview` has been run on the same connection.
    """
    if look.settings().unique_user == "none":
        return
    rules = rules_of(look)
    look.run("moving.compared")
    for saved in every_segment(look.connection):
        if saved.segment.is_archived:
            continue
        rule = rules.require(saved.segment.id)
        if _asks_about(rule, attributes):
            entering, leaving = _counts(look, rule)
            if entering or leaving:
                yield SegmentDiff(saved.segment.id, saved.segment.name, entering, leaving)


def _asks_about(rule: Rule, attributes: Collection[str]) -> bool:
    for node in nodes(rule.root):
        if isinstance(node, Condition) and node.field.name in attributes:
            return True
        if (
            isinstance(node, Counted)
            and isinstance(node.what, Changes)
            and node.what.field.name in attributes
        ):
            return True
    return False


def _counts(look: Look, rule: Rule) -> tuple[int, int]:
    writer = conditions(look, _WOULD_BE)
    ((writer.sources,),) = look.run("moving.sources")
    after = writer.of(rule)
    writer.tables = Tables()
    query = spliced(statements("moving")["moved"][0], (), {"after": after, "before": writer.of(rule)})
    (row,) = look.rows(query, writer.parameters)
    return int(str(row["entering"])), int(str(row["leaving"]))
