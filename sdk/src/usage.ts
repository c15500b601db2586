/** What the user does on the page: which pages he sees, what he clicks, and whether he uses it at all. */

import { guarded } from "./guard.js";
import { pageUrl } from "./message.js";
import { now } from "./time.js";

/** Between two heartbeats, unless half the inactivity window is less. */
const HEARTBEAT_MS = 30_000;
/** A use so soon after an event adds nothing to the length of a session. */
const TELLING_MS = 1_000;
/** Who types in one place goes on for so long before it is told again. */
const INPUT_MS = 10_000;

const USES = ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"];
/** So long after a router has gone to another page its title is there. */
const TITLED_MS = 200;
const TARGETS = "a,button,input,select,textarea,label,summary,[role]";

/**
 * Listen to the page, for sessions that end after `windowS` of inactivity; nothing here changes what it does.
 *
 * `viewed` is told of page views, `used` of interactions with an element, and of the heartbeat.
 */
export function newUsage(
  windowS: number,
  viewed: (at: number) => void,
  used: (name: "$click" | "$input" | "$heartbeat", at: number, element?: string) => void,
) {
  const heartbeatMs = Math.min(HEARTBEAT_MS, windowS * 500);
  let usedAt = 0;
  let toldAt = 0;
  let typedAt = 0;
  let typedIn: EventTarget | null;
  let isWatching = false;
  let movedAt = 0;
  let seenPath: string | undefined;

  /** Notice page views, the one that is now included. A browser without the Navigation API is looked at by `tick`. */
  function watchPages(): void {
    isWatching = true;
    see();
    const { navigation } = window as { navigation?: EventTarget };
    navigation?.addEventListener("currententrychange", () => {
      movedAt ||= now();
      setTimeout(guarded(see), TITLED_MS);
    });
  }

  /** Tell of a page view, if the path is another than before. What only the query is for, such as a search, is none. */
  function see(): void {
    const path = pageUrl().replace(/\?[^#]*/, "");
    if (isWatching && path !== seenPath) {
      viewed(movedAt || now());
      seenPath = path;
    }
    movedAt = 0;
  }

  /** Tell of the page that is now, whether or not it was told before: the user has come back to it. */
  function seeAgain(): void {
    seenPath = undefined;
    see();
  }

  /** Notice clicks, inputs and use. */
  function watchUser(): void {
    const listen = (name: string, act: (target: EventTarget | null) => void) =>
      addEventListener(
        name,
        guarded(({ isTrusted, target }: Event) => isTrusted && act(target)),
        { capture: true, passive: true },
      );
    for (const name of USES) {
      listen(name, () => {
        if (now() - usedAt >= heartbeatMs) {
          beat();
        }
        usedAt = now();
      });
    }
    listen("click", (target) => {
      used("$click", now(), named(target));
    });
    listen("input", (target) => {
      if (typedIn !== target || now() - typedAt >= INPUT_MS) {
        typedAt = now();
        typedIn = target;
        used("$input", typedAt, named(target));
      }
    });
  }

  /** Know that something was told of the user, at a time. */
  function note(at: number): void {
    toldAt = Math.max(toldAt, at);
  }

  /** Tell of another page, if it is one; and that the user is still there, if he is and it is time. */
  function tick(): void {
    if (!("navigation" in window)) {
      see();
    }
    if (document.visibilityState !== "hidden" && now() - toldAt >= heartbeatMs) {
      beat();
    }
  }

  /** Tell of the last use, as of when it was. */
  function beat(): void {
    if (usedAt - toldAt >= TELLING_MS) {
      used("$heartbeat", usedAt);
    }
  }

  /** Tell what is not told yet: the page is left. */
  function leave(): void {
    see();
    beat();
  }

  return { watchPages, seeAgain, watchUser, note, tick, leave };
}

/** Return how an element is called: its tag, and its id. No text of the page, which may be anybody's. */
function named(target: EventTarget | null): string {
  const hit = target instanceof Element ? (target.closest(TARGETS) ?? target) : undefined;
  return hit ? hit.tagName.toLowerCase() + (hit.id && `#${hit.id}`.slice(0, 64)) : "";
}
