/** The script that the server gives as `/enduser.js?key=…`, with the settings of the space around it. */

import { begin, type Call, type Enduser, newCalls } from "./api.js";
import { guarded, warn } from "./guard.js";
import type { Options, Settings } from "./settings.js";

/** What the server hands over: the script stands in a function of this argument. */
declare const ENDUSER: { readonly key: string; readonly settings: Settings };

/** What the snippet leaves for us, or another copy of the SDK. */
interface Before {
  readonly calls?: Iterable<Call> & { push: (call: Call) => unknown };
  readonly decide?: unknown;
}

guarded(() => {
  const { key, settings } = ENDUSER;
  const script = document.currentScript as HTMLScriptElement; // or an image of that name, from another place
  if (script.tagName !== "SCRIPT") {
    return;
  }
  const host = script.src.replace(/\/enduser\.js\?.*/, "");
  const page = window as unknown as { enduser?: Before | Enduser };
  const before = page.enduser as Before | undefined;
  const calls = newCalls();
  let options: Options = {};
  for (const call of before?.calls ?? []) {
    if (call[0] === "init") {
      options = { ...options, ...(call[1][0] as Options) };
    } else {
      calls.add(call);
    }
  }
  if (before?.calls) {
    // Whoever has kept a method of the snippet calls it still.
    before.calls.push = ([method, given, , done]) => {
      const make = calls.methods[method] as (...given: unknown[]) => unknown;
      done?.(make(...given));
    };
  }
  if (!before || before.calls || before instanceof Element) {
    page.enduser = calls.methods;
  } else if (!before.decide) {
    warn("window.enduser is taken by the page");
  }
  begin(calls, host, key, settings, options);
})();
