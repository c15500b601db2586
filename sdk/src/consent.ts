/** Whether the user agrees. */

import { quietly } from "./guard.js";
import type { Options } from "./settings.js";

/** Return whether the user agrees: a browser that says no is asked before the page is. */
export function agreed(consent: Options["consent"]): boolean | undefined {
  const browser = navigator as Navigator & { globalPrivacyControl?: boolean };
  if (browser.globalPrivacyControl || browser.doNotTrack === "1") {
    return false;
  }
  const said = consent ? quietly(consent) : true;
  return typeof said === "boolean" ? said : undefined;
}
