/**
 * JSON by ourselves: pages replace `JSON.stringify`, or give arrays a `toJSON` of their own, and their
 * properties may be anything, such as an element of the page with all that hangs on it.
 */

/** Deeper values are refused by the server too (`JSON_DEPTH_MAX` there). */
export const DEPTH_MAX = 64;

/** What is JSON already. */
export class Raw {
  constructor(readonly text: string) {}
}

/**
 * Return a value as JSON, undefined where JSON has none for it (a function).
 *
 * @throws RangeError if it would have more than `charactersMax` characters, is nested more than `DEPTH_MAX`
 *   deep, or contains itself; at most so much work is done.
 */
export function json(value: unknown, charactersMax: number): string | undefined {
  let left = charactersMax;
  let depth = 0;

  function spend(text: string): string {
    left -= text.length;
    if (left < 0) {
      throw new RangeError("too long");
    }
    return text;
  }

  function compound(found: object): string {
    if (depth++ === DEPTH_MAX) {
      throw new RangeError("too deep");
    }
    const text = Array.isArray(found) ? array(found) : object(found as Record<string, unknown>);
    depth--;
    return text;
  }

  function array(items: unknown[]): string {
    let text = "";
    for (let at = 0; at < items.length; at++) {
      text += spend(at ? "," : "") + (written(items[at]) ?? spend("null"));
    }
    return `[${text}]`;
  }

  function object(found: Record<string, unknown>): string {
    let text = "";
    for (const name of Object.keys(found)) {
      const told = written(found[name]);
      if (told !== undefined) {
        text += `${text && ","}${spend(quoted(name))}:${told}`;
      }
    }
    return `{${text}}`;
  }

  function written(found: unknown): string | undefined {
    const kind = typeof found;
    if (found === null || (kind === "number" && !Number.isFinite(found))) {
      return spend("null");
    }
    if (kind === "number" || kind === "boolean") {
      return spend(`${found}`);
    }
    if (kind === "string" || kind === "bigint") {
      return spend(quoted(`${found}`));
    }
    return kind === "object" ? ofObject(found as object) : undefined;
  }

  function ofObject(found: object): string | undefined {
    if (found instanceof Date) {
      return written(Number.isNaN(+found) ? null : found.toISOString());
    }
    return found instanceof Raw ? spend(found.text) : compound(found);
  }

  return written(value);
}

/** Return a string as JSON. Half of a character stays as it is: the browser replaces it when it sends it. */
function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those must be escaped
  return `"${text.replace(/["\\\u0000-\u001f]/g, escaped)}"`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
