-- Macros of every connection. `user_key_of` is defined apart, so that tests can weaken it.

-- name: functions
-- The last known value as one number: event time first, then the id of the value. `last_inverse` has
-- the id inverted: where the two disagree about the id, two values tie at the same microsecond.
CREATE OR REPLACE TEMP MACRO last_word(event_at, value_id) AS
    (event_at + 62135596800000000)::HUGEINT * 4294967296 + value_id;
CREATE OR REPLACE TEMP MACRO last_inverse(event_at, value_id) AS
    (event_at + 62135596800000000)::HUGEINT * 4294967296 + (4294967295 - value_id);
CREATE OR REPLACE TEMP MACRO word_at(word) AS (word // 4294967296)::BIGINT - 62135596800000000;
CREATE OR REPLACE TEMP MACRO word_id(word) AS (word % 4294967296)::INTEGER;
CREATE OR REPLACE TEMP MACRO is_tied(word, inverse) AS
    coalesce(word % 4294967296 <> 4294967295 - inverse % 4294967296, false);

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

CREATE OR REPLACE TEMP MACRO message_key_of(message_text) AS
    (md5_number_lower(message_text) >> 1)::BIGINT;
CREATE OR REPLACE TEMP MACRO message_text(message_id, message_key) AS
    coalesce(message_id, printf('~%016x', message_key));
CREATE OR REPLACE TEMP MACRO row_text(type, name, page_url, properties, copy) AS
    concat_ws(chr(31), type, coalesce(name, chr(30)), coalesce(page_url, chr(30)),
              coalesce(properties, chr(30)), copy);
CREATE OR REPLACE TEMP MACRO id_text(secret, is_anonymous, salt, id) AS
    concat(secret, chr(31), CASE WHEN is_anonymous THEN 'a' ELSE 'u' END, chr(31), salt, chr(31), id);
CREATE OR REPLACE TEMP MACRO id_check_of(id_text) AS md5_number_lower(id_text)::UBIGINT;

-- The analytics properties that a traits object carries, as a list of (property, value); a JSON null
-- is the value NULL, an empty string or anything but text, number, boolean is left out.
CREATE OR REPLACE TEMP MACRO property_text(value) AS CASE json_type(value)
    WHEN 'VARCHAR' THEN value ->> '$'
    WHEN 'BOOLEAN' THEN value ->> '$'
    WHEN 'DOUBLE' THEN CASE
        WHEN abs((value ->> '$')::DOUBLE) < 1e16 AND (value ->> '$')::DOUBLE = trunc((value ->> '$')::DOUBLE)
        THEN (value ->> '$')::DOUBLE::BIGINT::VARCHAR
        ELSE (value ->> '$')::DOUBLE::VARCHAR END
    WHEN 'NULL' THEN NULL
    WHEN 'OBJECT' THEN NULL
    WHEN 'ARRAY' THEN NULL
    ELSE value ->> '$'
END;
CREATE OR REPLACE TEMP MACRO is_property(value) AS
    value IS NOT NULL AND json_type(value) NOT IN ('OBJECT', 'ARRAY')
    AND coalesce(length(property_text(value)) BETWEEN 1 AND 1024, true);
CREATE OR REPLACE TEMP MACRO said_property(traits, property) AS CASE
    WHEN is_property(json_extract(traits, '$.' || property))
    THEN [{'property': property, 'value': property_text(json_extract(traits, '$.' || property))}]
    ELSE [] END;
CREATE OR REPLACE TEMP MACRO properties_in(traits) AS
    said_property(traits, 'name') || said_property(traits, 'role') || said_property(traits, 'type')
    || said_property(traits, 'status') || said_property(traits, 'info');

-- Instants: whole or decimal epoch numbers in $unit (µs each), or ISO 8601; without a zone it is UTC.
CREATE OR REPLACE TEMP MACRO time_of(time_text, unit) AS CASE
    WHEN regexp_full_match(time_text, '-?\d+(\.\d+)?')
    THEN try_cast(round(try_cast(time_text AS DECIMAL(38, 6)) * unit) AS BIGINT)
    WHEN regexp_full_match(time_text, '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?\s*([Zz]|[+-]\d\d(:?\d\d)?)?')
    THEN epoch_us(try_cast(upper(time_text) AS TIMESTAMPTZ))
END;

-- Ids: the junk words and blanks of `core.events` are variables of the connection.
CREATE OR REPLACE TEMP MACRO trimmed_id(id_text) AS CASE
    WHEN regexp_matches(id_text, getvariable('blank_edge')) THEN trim(id_text, getvariable('blanks'))
    ELSE id_text END;
CREATE OR REPLACE TEMP MACRO known_id(id_text) AS CASE
    WHEN strlen(trimmed_id(id_text)) < 16 AND list_contains(getvariable('junk_ids'), lower(trimmed_id(id_text)))
    THEN NULL ELSE trimmed_id(id_text) END;
CREATE OR REPLACE TEMP MACRO hashed_id(salt, id) AS rtrim(to_base64(unhex(sha256(concat(salt, id)))), '=');
CREATE OR REPLACE TEMP MACRO host_of(url) AS lower(regexp_extract(url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?([^/:?#]+)', 1));

-- JSON cells: an object, or text that holds one (CSV); anything else but absence is refused.
CREATE OR REPLACE TEMP MACRO json_cell(value) AS CASE json_type(value)
    WHEN 'VARCHAR' THEN CASE WHEN json_valid(value ->> '$') THEN (value ->> '$')::JSON END
    WHEN 'NULL' THEN NULL
    ELSE value END;
CREATE OR REPLACE TEMP MACRO object_of(value) AS CASE
    WHEN value IS NULL THEN NULL
    WHEN json_type(json_cell(value)) = 'OBJECT' THEN nullif(json_cell(value)::VARCHAR, '{}') END;
CREATE OR REPLACE TEMP MACRO is_no_object(value) AS
    value IS NOT NULL AND json_type(value) <> 'NULL' AND coalesce(value ->> '$', 'x') <> ''
    AND coalesce(json_type(json_cell(value)) <> 'OBJECT', true);
-- The traits of an identify message win over those of its context, name by name.
CREATE OR REPLACE TEMP MACRO both_traits(traits, context_traits) AS CASE
    WHEN traits IS NULL THEN context_traits
    WHEN context_traits IS NULL THEN traits
    ELSE to_json(map_concat(from_json(context_traits, '"MAP(VARCHAR, JSON)"'),
                            from_json(traits, '"MAP(VARCHAR, JSON)"')))::VARCHAR END;

CREATE OR REPLACE TEMP MACRO is_ignored(value) AS
    (value IS NOT NULL AND NOT is_property(value)
     AND (json_type(value) IN ('OBJECT', 'ARRAY') OR length(property_text(value)) > 1024))::INTEGER;
CREATE OR REPLACE TEMP MACRO ignored_in(traits) AS
    is_ignored(json_extract(traits, '$.name')) + is_ignored(json_extract(traits, '$.role'))
    + is_ignored(json_extract(traits, '$.type')) + is_ignored(json_extract(traits, '$.status'))
    + is_ignored(json_extract(traits, '$.info'));
