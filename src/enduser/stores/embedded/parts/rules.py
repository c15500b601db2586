"""What people make in a space by rules: segments, filters and content items."""

from __future__ import annotations

from enduser.core.contents import Content, SavedContent
from enduser.core.filters import SavedFilter, UserFilter
from enduser.core.segments import SavedSegment, Saving, Segment
from enduser.stores.embedded import contents, filters, segments
from enduser.stores.embedded.parts.part import Part


class Rules(Part):
    """See `enduser.stores.contract` for what each method means."""

    def save_segment(self, space: str, segment: Segment, saving: Saving) -> SavedSegment:
        """Make a segment or change it."""
        self._rules_changed(space)
        with self._changing(space) as look:
            return segments.save(look, segment, saving)

    def delete_segment(self, space: str, segment_id: str) -> None:
        """Take a segment away."""
        self._rules_changed(space)
        with self._changing(space) as look:
            segments.delete(look, segment_id)

    def save_filter(self, space: str, asked: UserFilter, saving: Saving) -> SavedFilter:
        """Make a filter or change it."""
        with self._changing(space) as look:
            rules = segments.Rules(look.connection, look.settings())
            return filters.save(look.connection, asked, saving, rules.custom, rules.read)

    def delete_filter(self, space: str, filter_id: str) -> None:
        """Take a filter away."""
        with self._changing(space) as look:
            filters.delete(look.connection, filter_id)

    def save_content(self, space: str, content: Content, saving: Saving) -> SavedContent:
        """Make a content item or change it."""
        self._rules_changed(space)
        with self._changing(space) as look:
            return contents.save(look.connection, content, saving)

    def delete_content(self, space: str, content_id: str) -> None:
        """Take a content item away."""
        self._rules_changed(space)
        with self._changing(space) as look:
            contents.delete(look.connection, content_id)
