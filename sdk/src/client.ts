/** One space on one page: what the page says and what the user does becomes messages, and goes to the server. */

import { agreed } from "./consent.js";
import { type Decision, newDecisions } from "./deciding.js";
import { guarded, warn } from "./guard.js";
import { newId, utf8 } from "./ids.js";
import { json, Raw } from "./json.js";
import { type Message, newMessage, type Properties } from "./message.js";
import { newOutbox } from "./outbox.js";
import { newPerson } from "./person.js";
import type { Options, Settings, Token } from "./settings.js";
import { now } from "./time.js";
import { newUsage } from "./usage.js";

const TICK_MS = 1_000;
/** So long events and decisions wait for a user id that the page sets late. */
const LATE_MS = 2_000;
const LOOK_AGAIN_MS = 100;
/** Of properties and of traits; the server refuses messages of more than 32 KiB (`MESSAGE_BYTES_MAX` there). */
const SAID_BYTES_MAX = 15_000;
/** Of a whole message: what it says is bounded before. */
const STAMPED_CHARACTERS_MAX = 1e9;
/** So many events may wait for consent, or for an id. */
const DRAFTS_MAX = 500;

/** A message without its ids; `userId` is who was logged in when it happened, as far as that was known. */
interface Draft {
  readonly message: Message;
  readonly userId: string | undefined;
  /** Whether an id that is found later is that of this message too. */
  readonly isWaiting: boolean;
}

export type Client = ReturnType<typeof newClient>;

/** Begin to work on this page for the space of a write key, with the server at `host`. */
export function newClient(host: string, key: string, settings: Settings, options: Options) {
  const person = newPerson(key, settings);
  const outbox = newOutbox(host, key);
  const decideFor = newDecisions(host, key);
  const usage = newUsage(settings.inactivity_window_s, viewed, used);
  const beganAt = performance.now();
  let nobody: string | undefined;
  let drafts: Draft[] = [];
  /** Whether the user agrees; `undefined`: it is not decided. */
  let consent: boolean | undefined;
  let knownAs: string | undefined;
  /** Where the user came from, until it is told with the first page view. */
  let { referrer } = document;
  let willStamp = false;

  // --- what the page says

  function init(more: Options): void {
    options = { ...options, ...more };
    look();
    trust(more?.token);
  }

  /** Traits are of whom the id names: with one that names nobody they are nobody's. */
  function identify(userId?: unknown, traits?: Properties, more?: { readonly token?: Token }): void {
    if (userId != null && !person.identify(userId)) {
      warn("identify() was given no user id, and does nothing", userId);
      return;
    }
    trust(more?.token);
    tell({ type: "identify", traits });
  }

  function track(event: string, properties?: Properties): void {
    tell({ type: "track", event: `${event}`, properties });
  }

  function page(name?: string, properties?: Properties): void {
    tell({ type: "page", name: `${name ?? document.title}`, properties });
  }

  /** The user did not do this, so it makes no session longer. */
  function shown(contentId: string): void {
    if (typeof contentId !== "string") {
      warn("shown() needs the id of a content item", contentId);
      return;
    }
    const properties = { content_id: contentId };
    tell({ type: "track", event: "$content_shown", properties, context: { active: false } });
  }

  function reset(): void {
    usage.leave();
    stamp(true);
    drafts = [];
    person.forget();
    knownAs = person.userId();
  }

  /** Who does not agree, or has not yet, sees what everyone sees: he is asked for under an id that nobody has. */
  async function decide(): Promise<Decision> {
    look();
    if (!consent) {
      nobody ??= newId();
      return decideFor({ anonymousId: nobody }, false, undefined);
    }
    while (isWaiting()) {
      await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
    }
    const token = await person.currentToken();
    const userId = person.userId();
    await person.hashNow(userId);
    return consent ? decideFor(...person.ids(userId), token) : decide();
  }

  // --- what happens on the page

  function viewed(at: number): void {
    tell({ type: "page", name: document.title, properties: referrer ? { referrer } : undefined }, at);
    referrer = consent === false ? referrer : "";
  }

  function used(event: string, at: number, element?: string): void {
    tell({ type: "track", event, properties: element ? { element } : undefined }, at);
  }

  // --- from what happens to messages

  const tell = guarded((told: Parameters<typeof newMessage>[0], at: number = now()): void => {
    look();
    const made = consent === false ? undefined : newMessage(told, at);
    const message = made && options.beforeSend ? censored(made, options.beforeSend) : made;
    if (drafts.length >= DRAFTS_MAX) {
      stamp(false);
    }
    if (!message?.context || drafts.length >= DRAFTS_MAX) {
      return;
    }
    freeze(message, "properties");
    freeze(message, "traits");
    drafts.push({ message, userId: person.userId(), isWaiting: isWaiting() });
    if (message.context.active !== false) {
      usage.note(at);
    }
    if (!willStamp) {
      willStamp = true;
      setTimeout(guarded(() => stamp(false))); // not now: the page has better things to do
    }
  });

  /** Give messages their ids, in order, as far as these are known; with `isLast` as they are now. */
  function stamp(isLast: boolean): void {
    const texts: string[] = [];
    willStamp = false;
    while (consent && drafts[0] && (isLast || !isWaiting())) {
      const { message, userId: then, isWaiting: wasWaiting } = drafts[0];
      const userId = then ?? (wasWaiting ? person.userId() : undefined);
      if (!isLast && !person.isHashed(userId)) {
        void person.hashNow(userId).then(guarded(() => stamp(false)));
        break;
      }
      drafts.shift();
      knownAs = userId ?? knownAs;
      const [ids, hashed] = person.ids(userId);
      const context = hashed ? { ...message.context, enduser: { hashed } } : message.context;
      guarded(() => texts.push(json({ ...ids, ...message, context }, STAMPED_CHARACTERS_MAX) as string))();
    }
    if (texts.length) {
      outbox.add(texts);
    }
  }

  /** Return whether the user id may still appear within the time that the first events wait for it. */
  function isWaiting(): boolean {
    return performance.now() - beganAt < LATE_MS && person.isLate() && person.userId() === undefined;
  }

  // --- what time brings

  function tick(): void {
    look();
    if (consent !== false) {
      usage.tick();
    }
    if (consent) {
      stamp(false);
      announce();
      outbox.tick();
    }
  }

  /** Say who the user is, if he logged in while the page stayed. */
  function announce(): void {
    const userId = person.isLate() ? person.userId() : undefined;
    if (userId !== undefined && userId !== knownAs) {
      tell({ type: "identify" });
    }
  }

  /** See whether the user agrees, and do what that means. */
  function look(): void {
    const before = consent;
    consent = agreed(options.consent);
    person.allow(consent === true);
    if (consent === false && before !== false) {
      drafts = [];
      outbox.clearAll();
      person.forget();
    } else if (consent !== false && before === false) {
      usage.seeAgain();
    }
  }

  function leave(isOver: boolean): void {
    look();
    usage.leave();
    stamp(true);
    if (consent) {
      outbox.leave(isOver);
    }
  }

  function comeBack(): void {
    if (consent) {
      outbox.comeBack();
    }
    usage.seeAgain();
  }

  function trust(token: Token | undefined): void {
    if (token !== undefined) {
      void person.trust(token);
    }
  }

  /** Begin to notice what happens on the page. */
  function watch(): void {
    if (options.pages !== false) {
      usage.watchPages();
    }
    if (options.interactions !== false) {
      usage.watchUser();
    }
  }

  // --- begin

  init(options);
  setInterval(guarded(tick), TICK_MS);
  on(window, "online", () => consent && outbox.hurry());
  on(window, "pagehide", () => leave(true));
  on(window, "pageshow", (event) => (event as PageTransitionEvent).persisted && comeBack());
  on(document, "visibilitychange", () => document.visibilityState === "hidden" && leave(false));

  return {
    init,
    identify,
    track,
    page,
    properties: (traits: Properties) => identify(null, traits),
    reset,
    decide,
    shown,
    watch,
  };
}

/** Return what the page makes of a message before it is kept; nothing where it fails, or gives no message. */
function censored(message: Message, beforeSend: NonNullable<Options["beforeSend"]>): Message | undefined {
  try {
    const left = beforeSend(message);
    if (left && !left.context) {
      throw new TypeError("no message");
    }
    return left ?? undefined;
  } catch (error) {
    warn("beforeSend failed: events are not sent", error);
    return undefined;
  }
}

function on(target: EventTarget, name: string, act: (event: Event) => void): void {
  target.addEventListener(name, guarded(act), true);
}

/** Keep what the page says as it is now: it may change its object later. What cannot be sent is left out. */
function freeze(message: Message, name: "properties" | "traits"): void {
  const said = message[name];
  if (said === undefined) {
    return;
  }
  delete message[name];
  try {
    const text = json(said, SAID_BYTES_MAX) ?? "";
    if (text[0] !== "{" || utf8(text).length > SAID_BYTES_MAX) {
      throw new RangeError("too long, or no object");
    }
    message[name] = new Raw(text) as unknown as Properties;
  } catch (error) {
    warn(`${name} of ${message.event ?? message.type} are left out`, error);
  }
}
