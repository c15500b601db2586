/** What the browser keeps for us: cookies, and localStorage. Both may be blocked, and then there is nothing. */

import { quietly } from "./guard.js";

/** How many labels of the host the domain of a cookie may have, the shortest first; 0 is the host alone. */
const DOMAINS = [2, 3, 4, 5, 6, 0];

/** Return the value of a cookie, as it was before it was encoded or quoted. */
export function readCookie(name: string): string | undefined {
  const cookies = quietly(() => document.cookie.split(/; */)) ?? [];
  const value = cookies.find((cookie) => cookie.startsWith(`${name}=`))?.slice(name.length + 1);
  return value && (quietly(() => decodeURIComponent(value)) ?? value).replace(/^"(.*)"$/, "$1");
}

/**
 * Return the value of a cookie that all hosts of the site share, and let it last on; undefined if there is none.
 *
 * It begins with how many labels its domain has, 0 for the host alone: a browser does not tell that.
 */
export function keptCookie(name: string, lastsS: number): string | undefined {
  const [, labels, value] = /^(\d+)\.(.+)/.exec(readCookie(name) ?? "") ?? [];
  if (value) {
    setCookie(name, value, lastsS, Number(labels));
  }
  return value;
}

/**
 * Write a cookie for the registrable domain, so that all hosts of the site share it; return whether it is there.
 *
 * Which domain that is only the browser knows: it refuses a cookie for a public suffix such as `co.uk`, so the
 * shortest domain that it takes is it. An address, or `localhost`, gets one of the host alone.
 */
export function writeCookie(name: string, value: string, lastsS: number): boolean {
  return DOMAINS.some((labels) => {
    setCookie(name, value, lastsS, labels);
    return readCookie(name) === `${labels}.${value}`;
  });
}

/** Remove a cookie, whichever domain it was written for. */
export function removeCookie(name: string): void {
  for (const labels of DOMAINS) {
    setCookie(name, "", 0, labels);
  }
}

function setCookie(name: string, value: string, lastsS: number, labels: number): void {
  const domain = labels ? `; domain=${location.hostname.split(".").slice(-labels).join(".")}` : "";
  const secure = location.protocol === "https:" ? "; secure" : "";
  quietly(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not everywhere, and asynchronous
    document.cookie = `${name}=${labels}.${value}; path=/; max-age=${lastsS}; samesite=lax${domain}${secure}`;
  });
}

/** Return what localStorage has under a name; `null` where it has nothing, undefined where it is blocked. */
export function readStored(name: string): string | null | undefined {
  return quietly(() => localStorage.getItem(name));
}

/** Keep a text in localStorage, unless that is blocked or full. */
export function store(name: string, text: string): true | undefined {
  return quietly(() => {
    localStorage.setItem(name, text);
    return true as const;
  });
}

/** Remove what localStorage has under a name. */
export function unstore(name: string): void {
  quietly(() => localStorage.removeItem(name));
}

/** Return the names in localStorage that begin with `prefix`. */
export function storedNames(prefix: string): string[] {
  return quietly(() => Object.keys(localStorage).filter((name) => name.startsWith(prefix))) ?? [];
}
