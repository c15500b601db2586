/** What keeps a page safe from us: nothing that we do throws into it, and each complaint is made once. */

const told: Record<string, true> = {};

/** Tell the page's developer something, once for each text. */
export function warn(text: string, ...more: unknown[]): void {
  if (!told[text]) {
    told[text] = true;
    quietly(() => console.warn(`enduser: ${text}`, ...more));
  }
}

/** Return what `act` gives; undefined if it throws, which is how a browser says that something is blocked. */
export function quietly<Result>(act: () => Result): Result | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

/** Return a function that does as `act` and never throws: its mistakes are told to the console. */
export function guarded<Given extends unknown[], Result>(
  act: (...given: Given) => Result,
): (...given: Given) => Result | undefined {
  return (...given) => {
    try {
      return act(...given);
    } catch (error) {
      warn("a call failed", error);
      return undefined;
    }
  };
}
