/** A token by which the site's server says who is logged in. The SDK only reads it; the server checks it. */

import { quietly } from "./guard.js";
import { knownId } from "./ids.js";

/** Return whom a token names (`sub`), undefined where it is no token. */
export function subjectOf(token: string): string | undefined {
  return quietly(() => {
    const packed = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    return knownId(JSON.parse(new TextDecoder().decode(bytes)).sub);
  });
}
