/** The SDK as a package: `enduser.init({ key, host })`, and all else as by the script. */

import { begin, type Enduser, METHODS, newCalls } from "./api.js";
import { agreed } from "./consent.js";
import { type Decision, NOTHING } from "./deciding.js";
import { guarded, quietly, warn } from "./guard.js";
import type { Options, Settings } from "./settings.js";
import { readStored, store, unstore } from "./stored.js";

export type { Enduser } from "./api.js";
export type { ContentItem, Decision } from "./deciding.js";
export type { Message, Properties } from "./message.js";
export type { Options, Token } from "./settings.js";

/** Which space, and where its server is. */
export interface Place {
  /** The write key. */
  readonly key: string;
  /** The server, such as `https://enduser.example.com`. */
  readonly host: string;
}

const RETRY_MS = 2_000;
const RETRY_MS_MAX = 300_000;
/** A page waits for its content so long at most, also where nobody has said where to ask. */
const PATIENCE_MS = 5_000;

/** Of a server, or of a path of the site itself. */
const ADDRESS = /^(https?:\/)?\//;

const calls = newCalls();
let given: Options = {};
let isBegun = false;

const init = guarded((options: Options & Partial<Place>): void => {
  const { key, host } = options;
  given = { ...given, ...options };
  if (isBegun) {
    calls.methods.init(options);
  } else if (key && host) {
    if (!ADDRESS.test(host)) {
      warn(`init() was given ${host} as host; it needs an address, such as https://enduser.example.com`);
      return;
    }
    isBegun = true;
    void ask(host.replace(/\/+$/, ""), key);
  } else if (options.consent === undefined) {
    warn("init() needs key, the write key of the space, and host, where the server is");
  }
});

function decide(): Promise<Decision> {
  const late = new Promise<Decision>((done) => setTimeout(done, PATIENCE_MS, NOTHING));
  return Promise.race([calls.methods.decide(), late]);
}

/** Ask the server for the settings of the space until it answers, or take what it told before; then begin. */
async function ask(host: string, key: string): Promise<void> {
  const kept = `enduser.settings.${key}`;
  for (let pause = RETRY_MS; ; pause = Math.min(2 * pause, RETRY_MS_MAX)) {
    const told = await settings(host, key).catch(() => undefined);
    const mayStore = agreed(given.consent);
    if (told && mayStore) {
      store(kept, JSON.stringify(told));
    } else if (mayStore === false) {
      unstore(kept);
    }
    const before = mayStore ? quietly(() => JSON.parse(readStored(kept) ?? "null")) : null;
    if (told ?? before) {
      begin(calls, host, key, told ?? (before as Settings), given);
      return;
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

/** Return what the server says of the space. */
async function settings(host: string, key: string): Promise<Settings> {
  const answer = await fetch(`${host}/v1/projects/${encodeURIComponent(key)}/settings`, {
    credentials: "omit",
  });
  const told = await answer.json();
  if (!answer.ok) {
    warn(`the server does not tell the settings of the space: ${told?.error?.message}`);
    throw new Error(answer.statusText);
  }
  return told.enduser as Settings;
}

type Package = Omit<Enduser, "init"> & { init(options: Options & Partial<Place>): void };

/** On a server, where pages are rendered, nothing is done and nothing is shown. */
function onServer(): Package {
  const methods = {} as Record<(typeof METHODS)[number], () => unknown>;
  for (const method of METHODS) {
    methods[method] = () => (method === "decide" ? Promise.resolve(NOTHING) : undefined);
  }
  return methods as unknown as Package;
}

const enduser: Package = typeof window === "undefined" ? onServer() : { ...calls.methods, decide, init };
export default enduser;
