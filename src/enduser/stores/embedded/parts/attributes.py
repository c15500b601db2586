"""The registry of custom attributes, whose columns every space has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from enduser.core.attributes import Attribute, AttributeType
from enduser.core.uses import BrokenUse, require_unbroken, require_unused
from enduser.stores.answers import RetypePreview
from enduser.stores.embedded import feed, registry, segments, values
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.parts.part import Part
from enduser.stores.embedded.reading import Look

_Result = TypeVar("_Result")


class Attributes(Part):
    """See `enduser.stores.contract` for what each method means."""

    def create_attribute(self, attribute: Attribute) -> None:
        """Add a custom attribute."""
        self._rules_changed()
        with self._database.changing("main"):
            registry.create(self._database.connection, attribute, self._schemas())

    def change_attribute(self, name: str, changed: Attribute, now_us: int) -> None:
        """Change an attribute; what holds by another type or conflict rule is worked out in all spaces."""
        self._rules_changed()
        with self._database.changing("main"):
            connection, kind = self._database.connection, changed.type
            was = registry.column_of(connection, name).attribute
            if kind is not was.type:
                require_unbroken(self._broken_by_retype(name, kind), f"{name!r} cannot be a {kind}")
            registry.change(connection, name, changed, self._schemas())
            if changed.name != name:
                self._in_each_space(lambda look: segments.rename_attribute(look, name, changed.name, now_us))
                self._in_each_space(lambda look: feed.rename_attribute(look, name, changed.name))
            restates = (was.type, was.conflict_rule) != (kind, changed.conflict_rule)
            if restates or was.name != changed.name:
                self._tell_attributes_anew(restates=restates)

    def preview_retype(self, name: str, kind: AttributeType) -> RetypePreview:
        """Return what another type would make of the values of an attribute."""
        with told(ANSWER):
            preview = registry.preview_retype(self._database.connection, name, kind, self._schemas())
        return replace(preview, broken=self._broken_by_retype(name, kind))

    def delete_attribute(self, name: str) -> None:
        """Take an attribute away, with all its values and their history."""
        self._rules_changed()
        with self._database.changing("main"):
            registry.delete(self._database.connection, name, self._schemas())
            uses = self._in_each_space(lambda look: segments.uses_there(look, "attributes", name))
            require_unused([use for uses_there in uses for use in uses_there], f"the attribute {name!r}")
            self._in_each_space(lambda look: feed.forget_attribute(look, name))
            self._tell_attributes_anew(restates=False)

    def _broken_by_retype(self, name: str, kind: AttributeType) -> Sequence[BrokenUse]:
        found = self._in_each_space(lambda look: segments.broken_by_retype(look, name, kind))
        return [broken for broken_there in found for broken in broken_there]

    def _tell_attributes_anew(self, *, restates: bool) -> None:
        """Let all objects be told again, in all spaces; with `restates` work out first which values hold."""

        def tell(look: Look) -> None:
            values.forget_empty(look.connection)
            if restates:
                values.restate_all(look.connection)
            values.tell_everything(look.connection)
            self._objects_change(look.space)

        self._in_each_space(tell)

    def _schemas(self) -> Sequence[str]:
        return [schema for _, schema in self._database.spaces()]

    def _in_each_space(self, function: Callable[[Look], _Result]) -> list[_Result]:
        """Return what a function returns of each space, whose tables it has in sight."""
        results = []
        for space, schema in self._database.spaces():
            with self._database.looking_at(schema):
                results.append(function(self._look(space)))
        return results
