-- Macros of every connection. `user_key_of` is defined apart, so that tests can weaken it.

-- name: functions
-- The last known value as one number: time first, then the id of the value. `last_inverse` has the id
-- inverted: where the two disagree about the id, two values tie at the same microsecond. The time is
-- counted from the start of a span no longer than the longest window (under 37 bits); ids have 26.
CREATE OR REPLACE TEMP MACRO last_word(span_us, value_id) AS span_us * 67108864 + value_id;
CREATE OR REPLACE TEMP MACRO last_inverse(span_us, value_id) AS span_us * 67108864 + (67108863 - value_id);
CREATE OR REPLACE TEMP MACRO word_us(word) AS word >> 26;
CREATE OR REPLACE TEMP MACRO word_id(word) AS (word & 67108863)::INTEGER;
CREATE OR REPLACE TEMP MACRO is_tied(word, inverse) AS
    coalesce(word & 67108863 <> 67108863 - (inverse & 67108863), false);

-- Over more than one span the time is counted from the year 1, as a 128-bit number.
CREATE OR REPLACE TEMP MACRO since_year_1(event_at) AS (event_at + 62135596800000000)::HUGEINT;
CREATE OR REPLACE TEMP MACRO word_at(word) AS word_us(word)::BIGINT - 62135596800000000;

-- Forward by calendar months in UTC: where the month lacks the day, 00:00 of the next month's first day.
CREATE OR REPLACE TEMP MACRO add_months(event_at, months) AS CASE
    WHEN year(make_timestamp(event_at)) * 12 + month(make_timestamp(event_at)) - 1 + months >= 120000
    THEN 253402300799999999
    WHEN day(make_timestamp(event_at) + to_months(months)) < day(make_timestamp(event_at))
    THEN epoch_us(date_trunc('month', make_timestamp(event_at) + to_months(months)) + INTERVAL 1 MONTH)
    ELSE epoch_us(make_timestamp(event_at) + to_months(months))
END;
-- The last instant that the retention after `event_at` allows; 0 months: lives do not end.
CREATE OR REPLACE TEMP MACRO life_end(event_at, months) AS
    CASE WHEN event_at IS NULL THEN NULL WHEN months = 0 THEN 9223372036854775807 ELSE add_months(event_at, months) END;

-- Keys are cut from one 128-bit hash: its upper 63 bits are the key, its lower 64 the check.
CREATE OR REPLACE TEMP MACRO message_key_of(message_text) AS (md5_number(message_text) >> 65)::BIGINT;
CREATE OR REPLACE TEMP MACRO message_text(message_id, message_key) AS
    coalesce(message_id, printf('~%016x', message_key));
CREATE OR REPLACE TEMP MACRO row_text(type, name, page_url, properties, copy) AS
    concat_ws(chr(31), type, coalesce(name, chr(30)), coalesce(page_url, chr(30)),
              coalesce(properties, chr(30)), copy);
CREATE OR REPLACE TEMP MACRO id_hash(secret, is_anonymous, salt, id) AS
    md5_number(concat(secret, CASE WHEN is_anonymous THEN 'a' ELSE 'u' END, salt, chr(31), id));
CREATE OR REPLACE TEMP MACRO id_check_of(id_hash) AS (id_hash & 18446744073709551615)::UBIGINT;

-- What one of the traits says about an analytics property. Text, numbers and booleans speak, a JSON
-- null clears (it is a property without text), an empty string says nothing, the rest is ignored.
CREATE OR REPLACE TEMP MACRO property_text(value) AS CASE json_type(value)
    WHEN 'NULL' THEN NULL
    WHEN 'OBJECT' THEN NULL
    WHEN 'ARRAY' THEN NULL
    WHEN 'DOUBLE' THEN regexp_replace(value ->> '$', '\.0$', '')
    ELSE value ->> '$'
END;
CREATE OR REPLACE TEMP MACRO is_ignored(value) AS
    json_type(value) IN ('OBJECT', 'ARRAY')
    OR (json_type(value) = 'DOUBLE' AND NOT coalesce(isfinite(try_cast(value ->> '$' AS DOUBLE)), false))
    OR coalesce(length(property_text(value)) > getvariable('property_characters_max'), false);

-- Instants: whole or decimal epoch numbers in `unit` (µs each), or ISO 8601; without a zone it is UTC.
-- A number below `number_from`, or from `number_to` on, is of another unit and no time. Numbers are
-- rounded to the microsecond, digits of ISO 8601 beyond it are cut off.
CREATE OR REPLACE TEMP MACRO is_number(text) AS regexp_full_match(text, '-?\d+(\.\d+)?');
CREATE OR REPLACE TEMP MACRO time_of(time_text, unit, number_from, number_to) AS CASE
    WHEN regexp_full_match(time_text,
        '\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)? *([Zz]|[+-](0\d|1[0-8])(:?[0-5]\d)?)?')
    THEN epoch_us(try_cast(upper(
        CASE WHEN contains(time_text, ' +') OR contains(time_text, ' -')
             THEN regexp_replace(time_text, ' +([+-])', '\1') ELSE time_text END) AS TIMESTAMPTZ))
    WHEN is_number(time_text) AND abs(try_cast(time_text AS DOUBLE)) >= number_from
        AND abs(try_cast(time_text AS DOUBLE)) < number_to
    THEN try_cast(round(try_cast(time_text AS DECIMAL(27, 9)) * unit::INTEGER) AS BIGINT)
END;

-- Ids: the junk words and blanks of `core.events` are variables of the connection. (A list of words
-- would become a join, at five times the price of an expression.)
CREATE OR REPLACE TEMP MACRO trimmed_id(id_text) AS CASE
    WHEN regexp_matches(id_text, getvariable('blank_edge')) THEN trim(id_text, getvariable('blanks'))
    ELSE id_text END;
CREATE OR REPLACE TEMP MACRO unless_junk(id_text) AS
    CASE WHEN regexp_full_match(id_text, getvariable('junk_id')) THEN NULL ELSE id_text END;
-- An id that is an object or a list in the JSON of its line is no id.
CREATE OR REPLACE TEMP MACRO json_id(id_text, line, path) AS CASE
    WHEN regexp_matches(id_text, '^[{\[]') AND json_type(line, path) <> 'VARCHAR' THEN NULL
    ELSE id_text END;
CREATE OR REPLACE TEMP MACRO hashed_id(salt, id) AS rtrim(to_base64(unhex(sha256(salt || id))), '=');
-- Character by character the lower case of the upper case, so that all forms of a letter are one.
CREATE OR REPLACE TEMP MACRO in_one_case(id) AS lower(upper(id));
CREATE OR REPLACE TEMP MACRO host_of(url) AS lower(regexp_extract(
    url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/:?#]+)', 1));

-- Whether a candidate clears the attribute of a number.
CREATE OR REPLACE TEMP MACRO is_cleared(cleared, number) AS coalesce(list_contains(cleared, number), false);

-- Whether an event belongs to a life before the one that began at a time, of which the retention ended at another.
CREATE OR REPLACE TEMP MACRO is_of_earlier_life(is_visit, occurred_at, life_started_at, begins_after) AS
    CASE WHEN is_visit THEN occurred_at < life_started_at ELSE occurred_at <= begins_after END;

-- Cells of files for people: instants, and texts that no spreadsheet takes for formulas.
CREATE OR REPLACE TEMP MACRO time_cell(event_at) AS strftime(make_timestamp(event_at), '%Y-%m-%dT%H:%M:%S.%fZ');
CREATE OR REPLACE TEMP MACRO safe_cell(cell) AS
    CASE WHEN regexp_matches(cell, '^[=+\-@\t\r]') THEN '''' || cell ELSE cell END;

CREATE OR REPLACE TEMP MACRO first_text(one, other) AS coalesce(nullif(one, ''), nullif(other, ''));
CREATE OR REPLACE TEMP MACRO is_blank(line) AS coalesce(regexp_full_match(line, '\s*'), true);

-- JSON cells: an object, or text that holds one (CSV); anything else but absence is refused.
CREATE OR REPLACE TEMP MACRO json_cell(value) AS CASE json_type(value)
    WHEN 'VARCHAR' THEN CASE WHEN json_valid(value ->> '$') THEN (value ->> '$')::JSON END
    WHEN 'NULL' THEN NULL
    ELSE value END;
CREATE OR REPLACE TEMP MACRO object_of(value) AS nullif(CASE
    WHEN starts_with(value, '{') THEN value::VARCHAR
    WHEN json_type(json_cell(value)) = 'OBJECT' THEN json_cell(value)::VARCHAR
END, '{}');
CREATE OR REPLACE TEMP MACRO is_no_object(value) AS
    value IS NOT NULL AND NOT starts_with(value, '{')
    AND json_type(value) <> 'NULL' AND coalesce(value ->> '$', 'x') <> ''
    AND coalesce(json_type(json_cell(value)) <> 'OBJECT', true);
-- The traits of an identify message win over those of its context, name by name. Where one of them has a
-- name twice, which no map can hold, those of the message stand alone.
CREATE OR REPLACE TEMP MACRO both_traits(traits, context_traits) AS CASE
    WHEN traits IS NULL THEN context_traits
    WHEN context_traits IS NULL THEN traits
    ELSE coalesce(to_json(map_concat(from_json(context_traits, '"MAP(VARCHAR, JSON)"'),
                                     from_json(traits, '"MAP(VARCHAR, JSON)"')))::VARCHAR, traits) END;
