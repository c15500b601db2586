/** What the server and the page tell the SDK. */

import type { Message } from "./message.js";

/** What the server says of the space, by the names of its settings. */
export interface Settings {
  /** How the Unique User ID is found: a method, and behind a colon where it looks. */
  readonly unique_user: string;
  readonly hash_ids: boolean;
  readonly hash_salt: string;
  readonly inactivity_window_s: number;
}

/** A token by which the site's server says who is logged in, or what gives one. */
export type Token = string | (() => string | undefined | Promise<string | undefined>);

/** What the page may want to be otherwise. */
export interface Options {
  /**
   * Whether the user agrees: `true`, `false`, or nothing while it is not decided; or a function that tells, which
   * is asked once a second and with each call. Until it is decided events wait in memory; with `false` they are
   * dropped, nothing is sent, and what was stored in the browser is removed.
   */
  readonly consent?: boolean | (() => boolean | null | undefined);
  /** Sees each event before it is sent, and may change it; without a result it is not sent. */
  readonly beforeSend?: (message: Message) => Message | null | undefined;
  /** Whether page views are noticed; `true` unless given. */
  readonly pages?: boolean;
  /** Whether clicks, inputs and use of the page are noticed; `true` unless given. */
  readonly interactions?: boolean;
  /** Who is logged in, signed: for `unique_user` = `idp`, and for decisions where `identity` is enforced. */
  readonly token?: Token;
}
