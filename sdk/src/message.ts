/** Messages of the tracking protocol, as far as this SDK makes them. */

import { newId } from "./ids.js";
import { now } from "./time.js";

/** What a page says with an event or of a user. */
export type Properties = Record<string, unknown>;

export interface Message {
  readonly type: "identify" | "page" | "track";
  readonly messageId: string;
  /** When it happened by the browser's clock, ISO 8601. The server knows how far that is off. */
  readonly timestamp: string;
  /** What was done, of `track`. */
  event?: string | undefined;
  /** The page's name, of `page`. */
  name?: string | undefined;
  properties?: Properties | undefined;
  traits?: Properties | undefined;
  context: {
    library: { name: string; version: string };
    page: { url: string };
    /** `false`: the user did nothing, so it belongs to no session. */
    active?: false;
  };
}

/** Of an address: a message has to have room for more. */
const URL_CHARACTERS_MAX = 4_096;

declare const VERSION: string;

const LIBRARY = { name: "enduser.js", version: VERSION };

/** What a message says, without what all have. */
type Told = Omit<Partial<Message>, "context"> & Pick<Message, "type"> & { context?: { active: false } };

/** Return a message about what happens on the page at a time. */
export function newMessage(told: Told, at = now()): Message {
  return {
    messageId: newId(),
    timestamp: new Date(at).toISOString(),
    ...told,
    context: { library: LIBRARY, page: { url: pageUrl() }, ...told.context },
  };
}

/** Return the address of the page; of its fragment only what a router made. */
export function pageUrl(): string {
  const [page = "", fragment = ""] = location.href.split("#", 2);
  return (/^[/!]/.test(fragment) ? location.href : page).slice(0, URL_CHARACTERS_MAX);
}
