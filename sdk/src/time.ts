/** What time it is, in milliseconds since 1970. */

let replayed: number | undefined;

/** Return the time: of the call that is being made up for, else now. */
export function now(): number {
  return replayed ?? Date.now();
}

/** Do something as of the time at which the page asked for it. */
export function asOf(time: number, act: () => void): void {
  replayed = time;
  try {
    act();
  } finally {
    replayed = undefined;
  }
}
