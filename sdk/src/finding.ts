/** Where the Unique User ID is found on a page: the methods of the setting `unique_user`. */

import { quietly, warn } from "./guard.js";
import { knownId } from "./ids.js";
import { readCookie } from "./stored.js";

/** Methods that read the id from the page, again and again: whatever `identify` says of ids does not count. */
const READ: Record<string, (where: string) => unknown> = {
  cookie: readCookie,
  selector: bySelector,
  variable: byPath,
  salesforce: ofSalesforce,
};

/** Return whether the page itself says who the user is, by this value of the setting. */
export function isReadFromPage(uniqueUser: string): boolean {
  return parted(uniqueUser)[0] in READ;
}

/** Return the id that the page has now, undefined where it has none (yet), or one that means nobody. */
export function findId(uniqueUser: string): string | undefined {
  const [method, where] = parted(uniqueUser);
  return knownId(quietly(() => READ[method]?.(where)));
}

function parted(uniqueUser: string): [string, string] {
  const at = uniqueUser.indexOf(":");
  return at < 0 ? [uniqueUser, ""] : [uniqueUser.slice(0, at), uniqueUser.slice(at + 1)];
}

/** Return an attribute of the first element found (`CSS@attribute`), else what a meta has, its value, or its text. */
function bySelector(where: string): unknown {
  const [, css = where, attribute] = /^(.+)@([\w:-]+)$/.exec(where) ?? [];
  const element = found(css) as HTMLMetaElement & HTMLInputElement;
  return attribute
    ? element.getAttribute(attribute)
    : [element.content, element.value, element.textContent].find((told) => typeof told === "string");
}

function found(css: string): Element | null {
  try {
    return document.querySelector(css);
  } catch (error) {
    warn("unique_user is no selector", error);
    return null;
  }
}

function byPath(path: string): unknown {
  let found: unknown = window;
  for (const name of path.split(".")) {
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

/** Return the id of who is logged in to Salesforce: in Lightning, else in Classic and Visualforce. */
function ofSalesforce(): string | undefined {
  const page = window as unknown as {
    $A?: { get(name: string): unknown };
    UserContext?: { userId?: unknown };
  };
  const told = quietly(() => page.$A?.get("$SObjectType.CurrentUser.Id")) ?? page.UserContext?.userId;
  return longSalesforceId(`${told}`.trim());
}

/**
 * Return the id of 18 characters for one of 15, which some pages of Salesforce have for the same user.
 *
 * Three characters are added that tell which letters are capitals: one for each five, its bits from the first on.
 */
function longSalesforceId(id: string): string | undefined {
  if (!/^(\w{15}|\w{18})$/.test(id)) {
    return undefined;
  }
  let told = id.slice(0, 15);
  for (let from = 0; from < 15; from += 5) {
    let bits = 0;
    for (let at = 0; at < 5; at++) {
      bits |= /[A-Z]/.test(id[from + at] ?? "") ? 1 << at : 0;
    }
    told += bits < 26 ? String.fromCharCode(65 + bits) : bits - 26;
  }
  return told;
}
