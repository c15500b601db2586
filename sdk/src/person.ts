/** Who the user is: the user id as the space's method finds it, and the anonymous id that this browser keeps. */

import { findId, isReadFromPage } from "./finding.js";
import { warn } from "./guard.js";
import { hashedId, knownId, newId } from "./ids.js";
import type { Settings, Token } from "./settings.js";
import { keptCookie, readStored, removeCookie, store, unstore, writeCookie } from "./stored.js";
import { subjectOf } from "./token.js";

/** Ids as messages have them. */
export interface Ids {
  readonly anonymousId: string;
  readonly userId?: string;
}

const ANONYMOUS = "enduser_id";

/** How long a cookie of a browser may last by the strictest guidance for analytics: thirteen months. */
const LASTS_S = 395 * 86_400;

export type Person = ReturnType<typeof newPerson>;

/** Return who uses this page, as far as the space and the page say. */
export function newPerson(
  key: string,
  { unique_user: method, hash_ids: isHashing, hash_salt: salt }: Settings,
) {
  const USER = `enduser.user.${key}`;
  const isFromPage = isReadFromPage(method);
  const hashes = new Map<string, string | undefined>();
  let anonymous: string | undefined;
  let given: string | undefined;
  let token: Token | undefined;
  let subject: string | undefined;
  let mayStore = false;

  /** Return the user id that holds now, undefined where nobody is known to be logged in. */
  function userId(): string | undefined {
    if (isFromPage) {
      return findId(method);
    }
    if (method === "idp") {
      return subject;
    }
    return method === "generated" ? (given ?? (mayStore ? knownId(readStored(USER)) : undefined)) : undefined;
  }

  /** Return whether a user id may still appear by itself, though there is none now. */
  function isLate(): boolean {
    return isFromPage || (method === "idp" && token !== undefined);
  }

  /**
   * Take the id that the page gives; where the space finds ids otherwise, that is told and not done.
   *
   * Return whether it is an id.
   */
  function identify(told: unknown): boolean {
    const id = knownId(told);
    if (method !== "generated") {
      warn(`the id is not used: unique_user is ${method}`);
    } else if (id !== undefined) {
      given = id;
      allow(mayStore);
    }
    return id !== undefined;
  }

  /**
   * Know whether anything may be kept in the browser, or read there.
   *
   * An id that is kept there is no longer kept here: in another tab the user may log out.
   */
  function allow(may: boolean): void {
    mayStore = may;
    if (may && given !== undefined && store(USER, given)) {
      given = undefined;
    }
  }

  /** Take a token, or what gives one. */
  async function trust(told: Token): Promise<void> {
    token = told;
    await currentToken();
  }

  /** Return the token that holds now; undefined: there is none, or none can be had. */
  async function currentToken(): Promise<string | undefined> {
    const from = token;
    try {
      const told = await (typeof from === "function" ? from() : from);
      if (from === token) {
        subject = subjectOf(told ?? "");
      }
      return told;
    } catch (error) {
      warn("no token", error);
      return undefined;
    }
  }

  /** Return whether a user id can be told as the space wants it. */
  function isHashed(id: string | undefined): boolean {
    return id === undefined || !isHashing || hashes.has(id);
  }

  /** Hash a user id, if the space wants it. What cannot be hashed here is hashed at the server's door. */
  async function hashNow(id: string | undefined): Promise<void> {
    if (id !== undefined && !isHashed(id)) {
      hashes.set(id, await hashedId(salt, id));
    }
  }

  /** Return the ids for a user id, which is hashed as far as `hash` was there before; and whether it is. */
  function ids(id: string | undefined): [Ids, isHash: boolean] {
    const known = id === undefined ? undefined : hashes.get(id);
    const anonymousId = anonymousIdOf();
    return [id === undefined ? { anonymousId } : { anonymousId, userId: known ?? id }, known !== undefined];
  }

  /** Return the anonymous id of this browser; kept for the next page where that can be. */
  function anonymousIdOf(): string {
    if (anonymous === undefined) {
      const isKept = method !== "none";
      const kept = isKept ? knownId(keptCookie(ANONYMOUS, LASTS_S) ?? readStored(ANONYMOUS)) : undefined;
      anonymous = kept ?? newId();
      if (isKept && !kept && !writeCookie(ANONYMOUS, anonymous, LASTS_S)) {
        store(ANONYMOUS, anonymous);
      }
    }
    return anonymous;
  }

  /** Be somebody new: no user id that was given, no token, another anonymous id. */
  function forget(): void {
    anonymous = given = token = subject = undefined;
    removeCookie(ANONYMOUS);
    unstore(ANONYMOUS);
    unstore(USER);
  }

  return { userId, isLate, identify, allow, trust, currentToken, isHashed, hashNow, ids, forget };
}
