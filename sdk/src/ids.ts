/** Ids: which mean somebody, new ones, and hashed ones. The same rules hold at the server's door. */

import { quietly, warn } from "./guard.js";

/** Longer ids are refused by the server (`ID_BYTES_MAX` there). */
const BYTES_MAX = 256;

/** Ids that are some program's word for "nobody", in any case. */
const JUNK = /^(null|undefined|0|nan|none|true|false|anonymous|guest|\[object object\])?$/;

/** The white space around ids: what Unicode calls so, and the separators of ASCII. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are meant
const AROUND = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g;

/** Return an id trimmed: of a string or a number that means somebody, else undefined. */
export function knownId(told: unknown): string | undefined {
  if (typeof told !== "string" && typeof told !== "number") {
    return undefined;
  }
  const bytes = utf8(`${told}`.replace(AROUND, ""));
  const id = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes); // half of a character is replaced
  if (bytes.length > BYTES_MAX) {
    warn(`an id has more than ${BYTES_MAX} bytes`);
    return undefined;
  }
  return JUNK.test(id.toLowerCase()) ? undefined : id;
}

/** Return a text as it is sent. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Return a new id: a random UUID. (`crypto.randomUUID` is not there on pages without TLS.) */
export function newId(): string {
  const random = crypto.getRandomValues(new Uint8Array(31));
  let at = 0;
  return "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
    (+digit ^ ((random[at++] ?? 0) & (15 >> (+digit / 4)))).toString(16),
  );
}

/** Return base64(SHA-256(salt + id)) without padding; undefined on a page without TLS, which has no Web Crypto. */
export async function hashedId(salt: string, id: string): Promise<string | undefined> {
  const digest = quietly(() => crypto.subtle.digest("SHA-256", utf8(salt + id)));
  const bytes = digest && (await digest.catch(() => undefined));
  return bytes && btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/=+$/, "");
}
