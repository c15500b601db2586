/**
 * Messages on their way to the server: in memory, in localStorage until the server has them, and sent in parts.
 *
 * Each tab has an entry of its own in localStorage, so tabs never write over each other. What a closed tab left
 * the next page takes over. Nobody knows whether the last part of a page that was left has arrived, so that is
 * sent again: a message keeps its id and its time, and the server takes it once.
 */

import { warn } from "./guard.js";
import { newId, utf8 } from "./ids.js";
import { readStored, store, storedNames, unstore } from "./stored.js";
import { now } from "./time.js";

/** Of a message; larger ones the server refuses (`MESSAGE_BYTES_MAX` there). */
const MESSAGE_BYTES_MAX = 32_768;
/** Of a body; browsers let 64 KiB be on the way when a page is left. */
const PART_BYTES_MAX = 59_000;
/** Of all that waits; more than half of what a browser stores for a site would be rude. */
const WAITING_BYTES_MAX = 1 << 20;
/** A tab that has said nothing for so long is dead, even if it never said that it ends. */
const LEASE_MS = 300_000;
const RENEWED_MS = 60_000;
/** A call that is not answered for so long is lost. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 300_000;

interface Line {
  readonly text: string;
  readonly bytes: number;
  isSent: boolean;
}

/** Return what sends messages with a write key to the server at `host`. */
export function newOutbox(host: string, key: string) {
  const prefix = `enduser.sends.${key}.`;
  const entry = prefix + newId();
  let lines: Line[] = [];
  let failures = 0;
  let retryAt = 0;
  let savedAt = 0;
  let isSaved = true;
  let adoptedAt = 0;
  let isOver = false;

  /** Take messages, as JSON. */
  function add(texts: readonly string[]): void {
    for (const text of texts) {
      const bytes = utf8(text).length + 1;
      if (bytes > MESSAGE_BYTES_MAX) {
        warn("an event is too long and not sent");
      } else {
        lines.push({ text, bytes, isSent: false });
      }
    }
    let waiting = lines.reduce((sum, line) => sum + line.bytes, 0);
    while (waiting > WAITING_BYTES_MAX) {
      waiting -= lines.shift()?.bytes ?? waiting;
      warn("too much waits; the oldest events are dropped");
    }
    isSaved = false;
    if (waiting < PART_BYTES_MAX) {
      save(); // a tab may die at any time; more than that is stored once a second
    }
  }

  /** Do what is due: store what is new, take over what dead tabs left, send. */
  function tick(): void {
    const time = now();
    if (time - adoptedAt >= RENEWED_MS) {
      adoptedAt = time;
      adopt(time);
    }
    if (!isSaved || (lines.length && time - savedAt >= RENEWED_MS)) {
      save();
    }
    if (time >= retryAt && !lines.some((line) => line.isSent)) {
      send();
    }
  }

  /** Send at once: the network is back. */
  function hurry(): void {
    retryAt = adoptedAt = 0;
    tick();
  }

  /**
   * Store what waits, and send a part of it while the browser still lets us.
   *
   * With `isLast` the page ends, as far as anybody knows, and what waits is for whoever comes next. (A browser
   * says that a page is hidden after it has said that it ends.)
   */
  function leave(isLast: boolean): void {
    isOver ||= isLast;
    save();
    send();
  }

  /** Go on after the page was left and came back. What another tab has taken over meanwhile is its own. */
  function comeBack(): void {
    isOver = false;
    if (readStored(entry) === null) {
      lines = [];
    }
    hurry();
  }

  /** Forget all that waits, also of other tabs. */
  function clearAll(): void {
    lines = [];
    storedNames(prefix).forEach(unstore);
  }

  /** Store what waits. The first line of an entry is the time, 0 where the tab has ended. */
  function save(): void {
    savedAt = now();
    isSaved = true;
    if (lines.length) {
      store(entry, [isOver ? 0 : savedAt, ...lines.map((line) => line.text)].join("\n"));
    } else {
      unstore(entry);
    }
  }

  function adopt(time: number): void {
    for (const name of storedNames(prefix)) {
      const [leftAt, ...texts] = readStored(name)?.split("\n") ?? [];
      if (name !== entry && time - Number(leftAt) >= LEASE_MS) {
        add(texts);
        save();
        unstore(name);
      }
    }
  }

  /** Send a part of what is not on its way. */
  function send(): void {
    let bytes = 200;
    const part = lines.filter((line) => {
      bytes += line.isSent ? 0 : line.bytes;
      return !line.isSent && bytes < PART_BYTES_MAX;
    });
    if (part.length) {
      part.forEach((line) => {
        line.isSent = true;
      });
      post(host, key, part, !failures)
        .catch(() => 0)
        .then((again) => answered(part, again));
    }
  }

  function answered(part: readonly Line[], again: number | undefined): void {
    if (again === undefined) {
      failures = retryAt = 0;
      lines = lines.filter((line) => !part.includes(line));
      save();
      tick();
      return;
    }
    part.forEach((line) => {
      line.isSent = false;
    });
    const pause = Math.min(RETRY_MS * 2 ** failures++, RETRY_MS_MAX);
    retryAt = now() + Math.max(again, pause * (0.5 + Math.random()));
  }

  return { add, tick, hurry, leave, comeBack, clearAll };
}

/**
 * Send messages, so that they go on if the page is left: as far as it is the first time, for browsers let the page
 * and us have little on the way like that together, and may refuse it.
 *
 * Return undefined if they are done with, else after how many milliseconds to try again.
 */
async function post(
  host: string,
  key: string,
  part: readonly Line[],
  isFirst: boolean,
): Promise<number | undefined> {
  const texts = part.map((line) => line.text).join(",");
  const body = `{"writeKey":"${key}","sentAt":"${new Date().toISOString()}","batch":[${texts}]}`;
  const answer = await fetch(`${host}/v1/batch`, {
    method: "POST",
    body,
    keepalive: isFirst,
    credentials: "omit",
    signal: AbortSignal.timeout?.(PATIENCE_MS) ?? null,
  });
  const { status } = answer;
  if (status === 429 || status >= 500) {
    return (Number(answer.headers.get("retry-after")) || 0) * 1_000;
  }
  const told = await answer.json().catch(() => status);
  if (!answer.ok || told.rejected?.length) {
    warn("the server did not take all", told);
  }
  return undefined;
}
