/** What this user sees: asked of the server, and kept as long as the answer stays. */

import { warn } from "./guard.js";
import type { Ids } from "./person.js";

/** An answer may change by what happens at the server, too; so it is asked again after so long at most. */
const KEPT_MS_MAX = 60_000;
/** A page waits for its content so long at most. */
const PATIENCE_MS = 5_000;

export interface ContentItem {
  readonly id: string;
  readonly kind: string;
  readonly payload: Record<string, unknown> | null;
}

export interface Decision {
  /** What is shown to the user. */
  readonly content: readonly ContentItem[];
  /** The public segments that hold for him, by id. */
  readonly segments: readonly string[];
  /** Until then it stays, if nothing else happens; `null`: for good. ISO 8601. */
  readonly valid_until: string | null;
  /** When it was decided, by the clock of the space; `null`: it was not, and nothing is shown. */
  readonly as_of: string | null;
}

/** Where nobody can be asked. */
export const NOTHING: Decision = { content: [], segments: [], valid_until: null, as_of: null };

/** Return what asks the server at `host` with a write key. */
export function newDecisions(host: string, key: string) {
  let last = NOTHING;
  let lastWho: string | undefined;
  let keptUntil = 0;
  let asked: Promise<Decision> | undefined;
  let askedWith: string | undefined;

  /** Return what holds for somebody. Where the server cannot be asked: what held for him before, or nothing. */
  function decide(ids: Ids, isHash: boolean, token: string | undefined): Promise<Decision> {
    const who = query(ids, isHash);
    if (who !== lastWho) {
      lastWho = who;
      last = NOTHING;
      keptUntil = 0;
      asked = undefined;
    }
    if (performance.now() < keptUntil) {
      return Promise.resolve(last);
    }
    if (!asked || token !== askedWith) {
      askedWith = token;
      asked = ask(who, token);
    }
    return asked;
  }

  async function ask(who: string, token: string | undefined): Promise<Decision> {
    const decision = await fetched(`${host}/v1/decisions?key=${key}&${who}`, token);
    if (who !== lastWho) {
      return decision ?? NOTHING;
    }
    asked = undefined;
    if (decision) {
      last = decision;
      keptUntil = performance.now() + Math.min(lasts(decision), KEPT_MS_MAX);
    }
    return last;
  }

  return decide;
}

/** Return a decision, undefined where there is none within the time that a page waits. */
async function fetched(url: string, token: string | undefined): Promise<Decision | undefined> {
  try {
    const answer = await fetch(url, {
      credentials: "omit",
      headers: token ? { "Enduser-Identity": token } : {},
      signal: AbortSignal.timeout?.(PATIENCE_MS) ?? null,
    });
    const told = await answer.json();
    if (answer.ok) {
      return told as Decision;
    }
    warn("no decision", told);
  } catch (error) {
    warn("no decision", error);
  }
  return undefined;
}

function query({ userId, anonymousId }: Ids, isHash: boolean): string {
  return userId === undefined
    ? `anonymous_id=${encodeURIComponent(anonymousId)}`
    : `user_id=${encodeURIComponent(userId)}${isHash ? "&id_kind=hashed" : ""}`;
}

/** Return for how many milliseconds a decision stays; both times are of the server, so clocks do not matter. */
function lasts({ valid_until: until, as_of: decidedAt }: Decision): number {
  return until === null ? KEPT_MS_MAX : Date.parse(until) - Date.parse(decidedAt ?? until);
}
