/** What a page calls: the methods of the SDK, also before it knows where to send. */

import { newClient } from "./client.js";
import type { Decision } from "./deciding.js";
import { guarded, warn } from "./guard.js";
import type { Properties } from "./message.js";
import type { Options, Settings, Token } from "./settings.js";
import { asOf } from "./time.js";

/** The methods. None throws; those that return nothing do what they do later. */
export interface Enduser {
  /** Say how the SDK is to be. */
  init(options: Options): void;
  /** Say who the user is, where the space takes ids from the page (`unique_user` = `generated`), and of what kind. */
  identify(userId?: string | number | null, traits?: Properties, more?: { readonly token?: Token }): void;
  /** Say what the user did. */
  track(event: string, properties?: Properties): void;
  /** Say what the user looks at; page views are noticed without it. */
  page(name?: string, properties?: Properties): void;
  /** Say what is known of the user: `name`, `role`, `type`, `status`, `info`. */
  properties(traits: Properties): void;
  /** Forget who the user is: he has logged out. */
  reset(): void;
  /** Ask what the user sees. Where that cannot be told, the answer has nothing. */
  decide(): Promise<Decision>;
  /** Say that a content item is shown. */
  shown(contentId: string): void;
}

export const METHODS = [
  "init",
  "identify",
  "track",
  "page",
  "properties",
  "reset",
  "decide",
  "shown",
] as const;

/** A call that is to be made up for: method, what it was given, when, and who waits for the result. */
export type Call = [
  method: (typeof METHODS)[number],
  given: unknown[],
  at: number,
  done?: (result: unknown) => void,
];

/** Calls that wait; a page that never says where to send must not fill the memory. */
const CALLS_MAX = 500;

/** The methods, and who does them once there is somebody. */
export interface Calls {
  readonly methods: Enduser;
  add(call: Call): void;
  /** Let all calls be done by somebody, from now on, and those that wait as of when they were made. */
  goTo(target: Enduser): void;
}

export function newCalls(): Calls {
  const methods = {} as Record<Call[0], unknown>;
  let waiting: Call[] = [];
  let target: Enduser | undefined;

  for (const method of METHODS) {
    methods[method] = guarded((...given: unknown[]) =>
      target ? done(target, method, given) : new Promise((done) => add([method, given, Date.now(), done])),
    );
  }

  function add(call: Call): void {
    if (waiting.length < CALLS_MAX) {
      waiting.push(call);
    }
  }

  function goTo(who: Enduser): void {
    target = who;
    for (const [method, given, at, take] of waiting) {
      asOf(at, () => take?.(done(who, method, given)));
    }
    waiting = [];
  }

  return { methods: methods as unknown as Enduser, add, goTo };
}

function done(target: Enduser, method: Call[0], given: unknown[]): unknown {
  return guarded(target[method] as (...given: unknown[]) => unknown)(...given);
}

/**
 * Let calls for a key be done on this page: by a new client, or by another copy of the SDK.
 *
 * A page that is rendered before anybody looks at it begins when somebody does.
 */
export function begin(calls: Calls, host: string, key: string, settings: Settings, options: Options): void {
  const registry = Symbol.for("enduser");
  const page = window as unknown as Record<symbol, Record<string, Enduser> | undefined>;
  page[registry] ??= {};
  const copies = page[registry];
  if (copies[key]) {
    warn("two copies of the SDK: remove one");
    copies[key].init(options);
    calls.goTo(copies[key]);
    return;
  }
  copies[key] = calls.methods;
  const start = guarded(() => {
    const client = newClient(host, key, settings, options);
    calls.goTo(client); // first, so that the page view is of whom the page has named
    client.watch();
  });
  if ((document as Document & { prerendering?: boolean }).prerendering) {
    document.addEventListener("prerenderingchange", start, { once: true });
  } else {
    setTimeout(start); // not now: the page has better things to do
  }
}
