/** Whether the user agrees. */

import { quietly, warn } from "./guard.js";
import type { Options } from "./settings.js";

/**
 * Return whether the user agrees, undefined while it is not decided: a browser that says no is asked before the
 * page is.
 */
export function agreed(consent: Options["consent"]): boolean | undefined {
  const browser = navigator as Navigator & { globalPrivacyControl?: boolean };
  if (browser.globalPrivacyControl || browser.doNotTrack === "1") {
    return false;
  }
  const said = typeof consent === "function" ? quietly(consent) : (consent ?? true);
  if (typeof said === "boolean") {
    return said;
  }
  if (said) {
    warn("consent must be true or false; until then it counts as not decided", said);
  }
  return undefined;
}
