"""Every bound of the product in one place: name, unit, reason.

A bound is reached visibly: a rejected row or an error that names the limit, the value and what to do.
Each is tested at, below and above. The docs list them (`docs/limits.md`), checked by a test.
"""

ID_BYTES_MAX = 256
"""Bytes of UTF-8 of a user id or anonymous id. Longer ones are tokens or dumps, not identities."""

PERSON_IDS_MAX = 100
"""Ids that links can make one person. More are a shared device or a test account, no person."""

MESSAGE_ID_BYTES_MAX = 256
"""Bytes of UTF-8 of a message id; the same bound as ids, for it is kept per event."""

PROPERTY_CHARACTERS_MAX = 1_024
"""Characters of an analytics property; the same as for a custom string attribute."""

ATTRIBUTES_MAX = 100
"""Custom attributes over all sources and spaces; each is a column, and people must find their way in them."""

ATTRIBUTE_NAME_CHARACTERS_MAX = 64
"""Characters of the name of a custom attribute."""

DISPLAY_NAME_CHARACTERS_MAX = 100
"""Characters of an attribute's display name; it is a label in a list."""

DESCRIPTION_CHARACTERS_MAX = 1_024
"""Characters of an attribute's description."""

VALUE_CHARACTERS_MAX = 1_024
"""Characters of a value of the type string, and of an item of a list; longer texts are documents."""

LIST_ITEMS_MAX = 100
"""Items of a value of the type list."""

NUMBER_MAX = 9_007_199_254_740_992
"""Size of a number (2^53): above it not every whole number can be told from the next. Ids are strings."""

ROWS_PER_WRITE_MAX = 10_000
"""Rows of one call that writes values; each has an answer of its own. More are for a file."""

ROWS_BODY_BYTES_MAX = 16_777_216
"""Bytes of the body of a call that writes values (16 MiB): 1,600 for each of the most rows."""

REJECTIONS_LISTED_MAX = 100
"""Rejected rows, and values, of a file that are told at once; a file has all."""

PREVIEWED_USERS_MAX = 10
"""Users whom the preview of a write shows as they were and as they become."""

OBJECTS_PER_UPDATE_MAX = 100
"""Objects of one call of the update API; the same as the reference product's, whose callers keep to it."""

RULE_CONDITIONS_MAX = 10_000
"""Conditions of a rule, and groups and segments beside them, with those of segments each time; nobody could
read more."""

RULE_WEIGHT_MAX = 10_000
"""What the conditions of a rule weigh, those of segments within it each time (docs/rules.md, "What is
refused"): of a million users, with three events each in a month, a count takes at most ten seconds."""

RULE_DEPTH_MAX = 100
"""Groups within each other in a rule, segments within it included; nobody could read it."""

RULE_HISTORIES_MAX = 20
"""Conditions of a rule on sessions, events and changes: each looks through what happened to all users."""

RULE_LOOKUPS_MAX = 100
"""Conditions of a rule on places, browsers, ids, static lists, or with more than 20 values: each is a look
into another table, and several hundred of them take longer to plan than to do."""

RULE_ITEMS_MAX = 1_000
"""Items of a list that a condition asks for: each is compared with each item of each user's list."""

RULE_VALUES_MAX = 100_000
"""Values of one condition of a rule; for more ids there are static lists."""

RULE_BODY_BYTES_MAX = 16_777_216
"""Bytes of the body of a call with a rule (16 MiB): 160 for each of the most values of a condition."""

RULE_SPAN_DAYS_MAX = 36_525
"""Days of a relative time in a rule (100 years), a month counted as 31; before it is no data."""

SEGMENTS_MAX = 5_000
"""Segments of a space, archived ones too; people find their way by names and tags."""

SEGMENT_ID_CHARACTERS_MAX = 64
"""Characters of the id of a segment; it stands in paths and in rules."""

SEGMENT_NAME_CHARACTERS_MAX = 100
"""Characters of the name of a segment; it is a label among others."""

SEGMENT_TAGS_MAX = 20
"""Tags of a segment; with more nobody finds it sooner."""

SEGMENT_TAG_CHARACTERS_MAX = 50
"""Characters of a tag; it is a word."""

SEGMENT_VERSIONS_MAX = 100
"""Versions of a segment that are kept, the last ones: a rule can be large."""

USES_NAMED_MAX = 10
"""Segments that an error names which use what is to go; the others are counted, and can be listed."""

CONTENTS_MAX = 5_000
"""Content items of a space; each is judged with every decision."""

CONTENT_ID_CHARACTERS_MAX = 64
"""Characters of the id of a content item; it is a key in a site's code."""

CONTENT_NAME_CHARACTERS_MAX = 100
"""Characters of the name of a content item; it is a label among others."""

CONTENT_KIND_CHARACTERS_MAX = 32
"""Characters of the kind of a content item; it is a word."""

CONTENT_PAYLOAD_BYTES_MAX = 16_384
"""Bytes of the payload of a content item as JSON (16 KiB): it comes with every page that shows it."""

FACT_TIMES_MAX = 1_000
"""Times at which something happened to a user that are at hand for decisions; of more the truth is asked."""

FACTS_AT_ONCE = 500_000
"""Users of whom a new condition of decisions is looked up at once; events are applied between two steps."""

FEED_DAYS = 30
"""Days for which the feed is kept; who was away longer reads the members of segments anew."""

FEED_ROWS_MAX = 10_000_000
"""Rows of the feed of a space that are kept, the last ones: a gigabyte."""

FEED_ATTRIBUTES_MAX = 20
"""Attributes whose changes the feed of a space tells; of each the last value is kept for all users."""

WEBHOOKS_MAX = 100
"""Webhooks of an installation; each can be calling its receiver at the same time."""

WEBHOOK_NAME_CHARACTERS_MAX = 100
"""Characters of the name of a webhook; it is a label in a list."""

WEBHOOK_URL_CHARACTERS_MAX = 2_000
"""Characters of the address of a webhook; programs on the way take no more for sure."""

WEBHOOK_NAMES_MAX = 100
"""Segments and attributes that a webhook tells of; without any it tells of all."""

WEBHOOK_ROWS_MAX = 100
"""Rows of the feed that one call of a webhook has at most: some tens of kilobytes."""

WEBHOOK_SECONDS_MAX = 10
"""Seconds in which a receiver must answer; it is to keep what it gets, and work on that afterwards."""

WEBHOOK_SECRET_HOURS = 24
"""Hours in which a webhook is signed with the secret before too, so that its receiver can change over."""

WEBHOOK_DEAD_LETTERS_MAX = 1_000
"""Calls of a webhook that were given up and are remembered, the last ones; of each only numbers."""

IDENTITY_KEYS_MAX = 10
"""Identity keys of a space; a token is checked with each, and two are enough to change over."""

IDENTITY_TOKEN_BYTES_MAX = 4_096
"""Bytes of a token that says who a user is; it says little, and comes with every decision."""

IDENTITY_LEEWAY_SECONDS = 30
"""Seconds by which the clock of a server that signs may be wrong."""

TURNS_MAX = 1_000
"""Times to come that are looked at to say when a rule becomes the contrary; nobody plans further."""

FACET_VALUES_MAX = 100
"""Values of an attribute by which users are parted at once; the others are counted together."""

PREVIEW_SAMPLE_MAX = 20
"""Users that the preview of a rule shows as examples; all are in the list of its users."""

RULES_COUNTED_MAX = 10
"""Rules that are counted at once, at one moment."""

FILTERS_MAX = 1_000
"""Saved filters of a space; people must find their way in them."""

FILTER_ID_CHARACTERS_MAX = 64
"""Characters of the id of a filter; it stands in paths."""

FILTER_NAME_CHARACTERS_MAX = 100
"""Characters of the name of a filter; it is a label among others."""

SEARCH_CHARACTERS_MAX = 256
"""Characters of a text that is searched in the texts of users; people type a few."""

LISTS_MAX = 1_000
"""Static lists of a space; people must find their way in them."""

LIST_ID_CHARACTERS_MAX = 100
"""Characters of the id of a static list; it is a key of another program, or a word."""

LIST_NAME_CHARACTERS_MAX = 100
"""Characters of the name of a static list; it is a label among others."""

LIST_IDS_PER_CALL_MAX = 25_000
"""User ids of one call that changes a static list; the same as the reference product's."""

LIST_BODY_BYTES_MAX = 16_777_216
"""Bytes of the body of a call that changes a static list (16 MiB): 670 for each of the most ids, which have
up to 256, and more where JSON escapes them."""

LIST_MEMBERS_MAX = 10_000_000
"""Members of a static list: as many as a large site has users; the counts of a list look at each."""

ACCESS_TOKEN_SECONDS = 86_400
"""Seconds (a day) for which an access token of a client is good; the same as the reference product's."""

ACCESS_TOKENS_MAX = 1_000
"""Access tokens of a client that are good at once: a program needs one, and some get one for each call."""

ONCE_SECONDS = 86_400
"""Seconds (a day) for which a write with an idempotency key is known; who retries later has given up."""

ONCE_KEY_CHARACTERS_MAX = 255
"""Characters of an idempotency key; a UUID has 36."""

LISTED_USERS_MAX = 1_000_000
"""Users that one table lists; more are for an export."""

LINE_BYTES_MAX = 1_048_576
"""Bytes of one line of an imported file (1 MiB). Bounds memory; 32 times what HTTP allows a message."""

MESSAGE_BYTES_MAX = 32_768
"""Bytes of one message over HTTP (32 KiB), as sent; the same as Segment's, whose SDKs keep to it."""

BODY_BYTES_MAX = 512_000
"""Bytes of the body of one call over HTTP (500 KiB), decompressed; the same as Segment's."""

BATCH_MESSAGES_MAX = 2_500
"""Messages of one call over HTTP: what its bytes allow if each has 200. Bounds the answer, too."""

JSON_DEPTH_MAX = 64
"""Objects and lists within each other, of properties or traits; the engine stops at 127."""

AGENT_CHARACTERS_MAX = 1_024
"""Characters of a user agent, and of its client hints; no browser's has more, and each is looked up."""

SOURCES_MAX = 100
"""Sources of custom attributes of a space; people must find their way in them."""

SOURCE_NAME_CHARACTERS_MAX = 64
"""Characters of the name of a source, `[a-z0-9][a-z0-9_-]*`."""

INPUT_NAME_CHARACTERS_MAX = 255
"""Characters of the name of a file that a source takes; file systems have no longer ones."""

UPLOAD_BYTES_MAX = 1_073_741_824
"""Bytes of a file that is sent for a source (1 GiB); packed it may hold ten times as much."""

UNPACKED_BYTES_MAX = 68_719_476_736
"""Bytes of a file of a source, unpacked and as rows (64 GiB): a small packed one could fill the disk."""

UPLOADS_MAX = 20
"""Files that were sent and not taken yet, in all spaces: they fill the disk."""

UPLOAD_HOURS = 48
"""Hours for which a file that was sent waits to be taken: it holds personal data, and people come back."""

TRANSFERS_MAX = 4
"""Files that a collector passes on at once, in or out; each holds a connection to the owner for long."""

TRANSFER_BYTES_MIN = 1_048_576
"""Bytes of a file that must come every `REQUEST_SECONDS_MAX` (1 MiB); slower it would take a day."""

INPUTS_MAX = 1_000
"""Files that one job of a source takes; the others wait for the next one."""

JOBS_WAITING_MAX = 100
"""Jobs of sources that are not over; they are done one after the other."""

JOBS_KEPT_MAX = 1_000
"""Jobs of sources that are remembered; the runs among them are listed for ever."""

JOB_ATTEMPTS_MAX = 3
"""How often a job begins with a file whose server was killed; one that kills it must not do so for ever."""

PREVIEWS_KEPT_MAX = 20
"""Previews that are kept at hand until the server ends: they show values of users."""

CRON_CHARACTERS_MAX = 100
"""Characters of a schedule; five fields need a quarter of it."""

SEPARATOR_CHARACTERS_MAX = 8
"""Characters that part the items of a list in a file; one or two are usual."""

SNIFFED_ROWS_MAX = 1_000
"""Rows at the beginning of a file from which its form and its types are inferred, for people to confirm."""

CSV_COLUMNS_MAX = 1_000
"""Columns of an imported CSV file. Above it the delimiter was almost surely guessed wrong."""

FUTURE_TOLERANCE_S = 300
"""Seconds that an event may lie after the import's start (or its receipt): clocks differ a little."""

OCCURRED_AT_MIN_US = -62_135_596_800_000_000
"""Microseconds since 1970 of 0001-01-01T00:00:00Z, the first instant that ISO 8601 dates write plainly."""

OCCURRED_AT_MAX_US = 253_402_300_799_999_999
"""Microseconds since 1970 of 9999-12-31T23:59:59.999999Z, the last instant with a four-digit year."""

INACTIVITY_WINDOW_S_MIN = 1
"""Seconds; below one second every event would be a session."""

INACTIVITY_WINDOW_S_MAX = 86_400
"""Seconds (a day); above it sessions would no longer be visits."""

SESSION_CAP_S_MAX = 31_536_000
"""Seconds (365 days); 0 means no cap. A longer cap is better said as none."""

RETENTION_MONTHS_MAX = 1_200
"""Calendar months (100 years); 0 means that lives never end."""

RETENTION_GRACE_DAYS = 7
"""Days after a space went live for which nobody is deleted by age: one can see first who would be."""

RETENTION_PERSONS_AT_ONCE = 20_000
"""Persons that are deleted by age in one transaction; events are applied between two."""

RETENTION_EVENTS_AT_ONCE = 1_000_000
"""Events whose content goes by age in one transaction."""

RETENTION_RUNS_KEPT = 1_000
"""Receipts of runs of the retention that are kept of a space: nearly three years of them."""

EXCLUDE_ENTRIES_MAX = 1_000
"""Entries of a space's `exclude`; they are compared with every distinct address and host of a batch."""

UNIQUE_USER_CHARACTERS_MAX = 256
"""Characters of the cookie name, selector or variable path of `unique_user`."""

UNDATED_COPIES_S = 604_800
"""Seconds (a week) for which a message without a client time is known by its id: SDKs retry for days."""

SALT_CHARACTERS_MAX = 256
"""Characters of `hash_salt`."""

COMMIT_BYTES_MAX = 33_554_432
"""Bytes of accepted requests that wait in a collector for the disk (32 MiB): seconds of the greatest load."""

RECEIVING_BYTES_MAX = 67_108_864
"""Bytes of bodies of calls that a collector holds and that are not there whole yet (64 MiB), over all
connections: a thousand slow telephones with the usual batches."""

COLLECTORS_MAX = 64
"""Processes that take events; above it the applier is long the bound."""

SPOOL_BYTES_MAX = 4_294_967_296
"""Bytes of spool over all collectors (4 GiB): hours of a busy site, should the applier be down."""

FRAME_BYTES_MAX = 4_194_304
"""Bytes of a frame of the spool (4 MiB): eight bodies, for a line may be longer than its message."""

SPOOL_FILE_BYTES_MAX = 67_108_864
"""Bytes of a file of the spool (64 MiB); an applied file is deleted whole."""

SPOOL_FILE_AGE_S_MAX = 60
"""Seconds after which a file of the spool with events is followed by another: it may hold IP addresses."""

DAMAGED_BYTES_MAX = 1_073_741_824
"""Bytes of damaged pieces of the spool that are kept for the operator (1 GiB); a failing disk makes many."""

REQUEST_HEAD_BYTES_MAX = 65_536
"""Bytes of a request's line and headers (64 KiB); browsers with many cookies send a quarter of it."""

REQUEST_SECONDS_MAX = 30
"""Seconds for a request to arrive whole, to begin on a new connection, and in which no byte of an answer is
taken. Slow telephones need a few."""

PIPELINED_REQUESTS_MAX = 16
"""Requests of one connection that wait for the answers of those before; browsers and SDKs send none ahead."""

IDLE_SECONDS_MAX = 75
"""How long a connection may be kept without a request; browsers and proxies keep theirs for a minute."""

AUTHORIZATION_BYTES_MAX = 1_024
"""Bytes of the header `Authorization` that are read; no key is so long, and thousands of them are kept."""

BATCH_BYTES_MAX = 67_108_864
"""Bytes of spool that are applied at once (64 MiB, some 130,000 events): bounds memory."""

SERVED_AT_ONCE = 100_000
"""Users in one step when a serving copy is made anew; events are applied between two steps."""

TOUCHED_MAX = 1_000_000
"""Changed users of a space that wait for the serving copy; with more, the copy is made anew."""

CATCH_UP_SECONDS_MAX = 10
"""Seconds for which an erasure applies what was accepted before it; nothing else changes meanwhile."""

WATCHED_EVENTS_MAX = 200
"""Events of a batch that are shown to people who watch; nobody reads more at once."""

READY_LAG_SECONDS_MAX = 60
"""Seconds that the applier may be behind; a server further behind says that it is not ready."""

SPACE_NAME_CHARACTERS_MAX = 64
"""Characters of a system's or an environment's name, each `[a-z0-9][a-z0-9_-]*`."""

SPACES_MAX = 1_000
"""Spaces of one data folder; each is a schema of its own."""

ORIGINS_MAX = 67_108_863
"""Distinct places, and distinct browsers, of a space: their numbers have 26 bits beside a time in a word."""

LOOKED_UP_MAX = 1_000_000
"""Distinct addresses, user agents and named places whose meaning is kept at hand; then it is asked anew."""

PAGE_ROWS_MAX = 1_000
"""Rows of one page of a list; more would make a slow answer that nobody reads. Exports have no bound."""

PAST_ROWS_MAX = 100_000
"""Sessions of a person, and values of analytics properties, of which an object as of a time is made."""

LOOK_ALIKE_IDS_MAX = 10
"""Ids that are named of a group that differ only by case; who merges them sees by these which they are."""

READ_SECONDS_MAX = 30
"""Seconds that one read of the API may take; a reader that waited longer has gone away."""

EXPORT_SECONDS_MAX = 1_800
"""Seconds that an export may take to be written (half an hour, for many times ten million users, or the
events of one): as long as it sees its moment, the engine cannot free what was deleted since."""

EXPORTS_MAX = 2
"""Exports of the API, archives of a person too, that are written or on their way at once; each is a file as
large as all users, or all events of one."""

QUERY_PARAMETERS_MAX = 100
"""Parameters in the query of a call; no call takes a tenth of them."""

API_BODY_BYTES_MAX = 1_048_576
"""Bytes of the body of a call of the management API (1 MiB); it holds settings, not files."""

API_READERS_MAX = 4
"""Reads of the management API that run at once; each may use all processors, and memory of its own."""

PASSED_ON_MAX = 200
"""Calls that a collector has passed on to the owner and that are not answered yet; each is held in memory."""

API_WAITING_MAX = 100
"""Calls of the management API that wait for a reader; with more, a caller would wait in vain."""

API_KEYS_MAX = 1_000
"""API keys that are not revoked; each caller needs one, and a list of them must be readable."""

KEY_NAME_CHARACTERS_MAX = 100
"""Characters of an API key's name; it is a label in a list."""

MEMORY_LIMIT_MB_MIN = 256
"""Megabytes; with less the engine cannot sort a batch."""

GEO_DATABASE_BYTES_MAX = 2_147_483_648
"""Bytes of a place database fetched from a URL (2 GiB); the largest on the market has about 1.5 GB."""
