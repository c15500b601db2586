"""What the values of a column seem to be: a proposal for people to confirm, never a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from enduser.core.attributes import FALSE_WORDS, TRUE_WORDS, AttributeType, ValueProblem, read_value
from enduser.core.events import BLANKS
from enduser.core.value_forms import DECIMAL_MARKS, THOUSANDS_MARKS, DateForm, ValueForm, plain_text

_SAMPLES = 5
_COMPARED = 200
"""Values from which it is told which form of a type most of them have."""
_ODD_MAX = 0.25
"""The part of a column's values that may be odd, and it is still said what the others are."""
_DIGITS_OF_IDS = 15
"""So many digits are an id, whatever they would be as a number."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a column seems to hold."""

    type: AttributeType
    forms: Mapping[AttributeType, ValueForm]
    """For each type the form that most values have, were they of that type."""
    samples: Sequence[str]
    """Its first values that differ."""
    note: str = ""
    """What its values leave open; empty: nothing."""


def infer(values: Sequence[str]) -> Inferred:
    """Return what the values of a column seem to be; a type is proposed only if every value fits it."""
    given = [text for value in values if (text := value.strip(BLANKS))]
    samples = list(dict.fromkeys(given))[:_SAMPLES]
    kind, forms = _fitting(given) if given else (AttributeType.STRING, [])
    note = "" if given else "the first rows have no value here"
    if given and kind is AttributeType.STRING:
        note = _mostly(given)
    read = {_readings(kind, given, one): one for one in reversed(forms)}
    if len(read) > 1:
        others = [one for one in forms[1:] if one in read.values()]
        note = f"may also be written otherwise: {', '.join(_name(kind, one) for one in others)}"
    return Inferred(kind, _best_forms(given), samples, note)


def _best_forms(given: Sequence[str]) -> Mapping[AttributeType, ValueForm]:
    best = {kind: (0, ValueForm()) for kind in AttributeType}
    for kind, form in _candidates():
        fitting = sum(_fits(kind, [text], form) for text in given[:_COMPARED])
        if fitting > best[kind][0]:
            best[kind] = (fitting, form)
    return {kind: form for kind, (_, form) in best.items()}


def _fitting(given: Sequence[str]) -> tuple[AttributeType, list[ValueForm]]:
    if {text.lower() for text in given} <= {*TRUE_WORDS, *FALSE_WORDS} - {"0", "1"}:
        return AttributeType.BOOLEAN, []
    if not any(_is_id(text) for text in given):
        fitting = [(kind, form) for kind, form in _candidates() if _fits(kind, given, form)]
        for kind in (AttributeType.NUMBER, *_TIMES):
            if forms := [form for of, form in fitting if of is kind]:
                return kind, forms
    return AttributeType.STRING, []


def _mostly(given: Sequence[str]) -> str:
    """Return what most values of a text column would be, if a few of them did not hinder it."""
    for kind, form in _candidates():
        odd = [text for text in given if not _fits(kind, [text], form)]
        if len(odd) <= len(given) * _ODD_MAX and not any(_is_id(text) for text in given):
            return f"mostly {kind} ({_name(kind, form)}), but for {odd[0][:20]!r}"
    return ""


_TIMES = (AttributeType.DATE, AttributeType.DATETIME)


def _candidates() -> Iterator[tuple[AttributeType, ValueForm]]:
    """Yield what a column may be, the likeliest first."""
    for form in _number_forms():
        yield AttributeType.NUMBER, form
    for kind in _TIMES:
        for order in DateForm:
            yield kind, ValueForm(date=order)


def _number_forms() -> Iterator[ValueForm]:
    """Yield the forms of numbers, the simplest first."""
    for thousands in THOUSANDS_MARKS:
        for decimal in DECIMAL_MARKS:
            if decimal != thousands:
                yield ValueForm(decimal=decimal, thousands=thousands)


def _is_id(text: str) -> bool:
    """Whether digits are a name rather than a number: a zero before them, or too many of them."""
    return text.isdigit() and (len(text) > _DIGITS_OF_IDS or (text[0] == "0" and len(text) > 1))


def _fits(kind: AttributeType, given: Sequence[str], form: ValueForm) -> bool:
    return all(not isinstance(_reading(kind, text, form), ValueProblem | None) for text in given)


def _reading(kind: AttributeType, text: str, form: ValueForm) -> object:
    plain = plain_text(kind, text, form)
    return None if plain is None else read_value(kind, plain, form.separator)


def _readings(kind: AttributeType, given: Sequence[str], form: ValueForm) -> tuple[object, ...]:
    return tuple(_reading(kind, text, form) for text in given)


def _name(kind: AttributeType, form: ValueForm) -> str:
    """Return a form as people say it."""
    if kind is AttributeType.NUMBER:
        return f"decimal {form.decimal!r}, thousands {form.thousands!r}"
    return form.date.shown
