"""How values are written in a file: decimal and thousands marks, the order of a date, what parts a list.

A form is fixed once, with the mapping of a source, and never guessed row by row. A text in a form becomes the
plain text that `enduser.core.attributes.read_value` reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from enduser import limits
from enduser.core.attributes import AttributeType


class DateForm(StrEnum):
    """In which order a date is written, and with what between; as `strftime` writes it."""

    ISO = "%Y-%m-%d"
    YEAR_FIRST_SLASH = "%Y/%m/%d"
    DAY_FIRST_DOT = "%d.%m.%Y"
    DAY_FIRST_SLASH = "%d/%m/%Y"
    DAY_FIRST_DASH = "%d-%m-%Y"
    MONTH_FIRST_SLASH = "%m/%d/%Y"

    @property
    def shown(self) -> str:
        """As people write it, such as DD.MM.YYYY."""
        return self.replace("%Y", "YYYY").replace("%m", "MM").replace("%d", "DD")


DECIMAL_MARKS = (".", ",")
THOUSANDS_MARKS = ("", ",", ".", " ", "'")


@dataclass(frozen=True, slots=True)
class ValueForm:
    """How the values of a column are written."""

    decimal: str = "."
    thousands: str = ""
    """What stands between groups of three digits; empty: nothing."""
    date: DateForm = DateForm.ISO
    separator: str = ";"
    """What parts the items of a list."""

    @property
    def number_pattern(self) -> str:
        """The regular expression of a number in this form."""
        fraction = rf"({re.escape(self.decimal)}[0-9]+)?"
        grouped = rf"[0-9]{{1,3}}({re.escape(self.thousands)}[0-9]{{3}})+"
        return rf"[+-]?({grouped}|[0-9]+){fraction}([eE][+-]?[0-9]+)?"

    @property
    def date_pattern(self) -> str:
        """The regular expression of a date in this form with a time behind it: groups as in `date_parts`."""
        parts = {"%Y": "([0-9]{4})", "%m": "([0-9]{1,2})", "%d": "([0-9]{1,2})"}
        pattern = self.date.replace(".", r"\.")
        for code, group in parts.items():
            pattern = pattern.replace(code, group)
        return rf"{pattern}([T ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}})?)?"

    @property
    def date_parts(self) -> Sequence[str]:
        """What the parts of a date are, in the order in which they are written."""
        names = {"%Y": "year", "%m": "month", "%d": "day"}
        return [*(names[code] for code in re.findall("%[Ymd]", self.date)), "time"]


def form_problem(kind: AttributeType, form: ValueForm) -> str | None:
    """Return what is wrong with a form, in words for people; None: nothing."""
    if kind is AttributeType.NUMBER:
        if form.decimal not in DECIMAL_MARKS or form.thousands not in THOUSANDS_MARKS:
            return "no numbers are written with these marks"
        if form.decimal == form.thousands:
            return "its numbers have one mark for two things"
    separator = form.separator
    if kind is AttributeType.LIST and not (
        0 < len(separator) <= limits.SEPARATOR_CHARACTERS_MAX and separator.isprintable()
    ):
        return "nothing parts its items like this"
    return None


def plain_text(kind: AttributeType, text: str, form: ValueForm) -> str | None:
    """Return a text in a form as the plain text that is read; None: it is none of this type in this form."""
    if kind is AttributeType.NUMBER:
        return _plain_number(text, form)
    if kind in (AttributeType.DATE, AttributeType.DATETIME) and form.date is not DateForm.ISO:
        return _plain_date(text, form)
    return text


def _plain_number(text: str, form: ValueForm) -> str | None:
    if not re.fullmatch(form.number_pattern, text):
        return None
    return text.replace(form.thousands, "").replace(form.decimal, ".")


def _plain_date(text: str, form: ValueForm) -> str | None:
    found = re.fullmatch(form.date_pattern, text)
    if found is None:
        return None
    parts = {name: found.group(number) or "" for number, name in enumerate(form.date_parts, 1)}
    return "{year}-{month:0>2}-{day:0>2}{time}".format(**parts)
