import { Api, ApiError } from "./api.js";
import { count, fields, oneOf, text } from "./json.js";
import { isSafePath } from "./returnpath.js";

/** A login that was begun in this browser. */
export interface StartedLogin {
  /** Opens WhatsApp with the message typed in already. */
  url: string;
  /** The message that must be sent, whole. */
  text: string;
  /** The reference at the message's end; undefined where the bot uses none. Only with it there is something to poll. */
  reference?: string;
  /** When this login is over, in milliseconds since 1970. */
  expiresAt: number;
  /** Whether the reply in the chat carries a code that can be typed here instead of opening the link. */
  desktopCode: boolean;
}

/** How far the login of this browser is: all that a page may learn before the link is opened. */
export type AttemptState = "none" | "waiting" | "received" | "expired";

/** What the API asks of a browser before it confirms a link: nothing, one tap, or the number's last four digits. */
export type Door = "self" | "tap" | "digits";

/** What a browser may know about a link before it confirms it. */
export interface LinkView {
  state: "open" | "used" | "expired";
  /** The number, its last four digits hidden; empty unless the link is open. */
  number: string;
  door: Door;
  triesLeft: number;
  /** Whether somebody else is signed in in this browser. Where the digits are wanted, only the confirmation tells. */
  other: boolean;
  /** Where this browser wanted to go when it began the login. Where the digits are wanted, only the confirmation tells. */
  returnPath?: string;
}

/** What was done as a guest and could come along. It is told for the right digits. */
export interface Offer {
  /** False: what was offered before is not there any more. */
  guest: boolean;
  /** Whether that was in this browser. */
  here: boolean;
  /** How many records there are of each FHIR type; empty when that is not known. */
  kinds: Record<string, number>;
  /** Stands for the guest: a yes repeats it. */
  tag: string;
}

/** What a browser may say when it confirms a link, beside the link itself. */
export interface ConsumeFields {
  /** The last four digits of the number. */
  digits?: string;
  /** Take along what was done as a guest, or not. Left out, the API asks first, if there is something to ask. */
  bringGuest?: boolean;
  /** The tag of the offer that a yes belongs to. */
  offer?: string;
  /** Sign out whoever else is signed in here. */
  replaceSession?: boolean;
}

const reasons = ["digits_required", "digits_wrong", "signed_in_as_other", "offer", "code_wrong", "new_link", "try_again"] as const;

/** Why a link was not confirmed, although it may still be. */
export interface Refusal {
  reason: (typeof reasons)[number];
  triesLeft?: number;
  /** Only with the reason "offer". */
  offer?: Offer;
}

/** Reads the answer of the consume route; undefined when it is no refusal. */
export function readRefusal(answer: unknown): Refusal | undefined {
  const body = fields(answer);
  if (body["status"] !== "GENERAL_ERROR") return undefined;
  const refusal: Refusal = { reason: oneOf(body["reason"], reasons, "try_again") };
  if (typeof body["triesLeft"] === "number") refusal.triesLeft = count(body["triesLeft"]);
  if (refusal.reason === "offer") refusal.offer = readOffer(body["offer"]);
  return refusal;
}

function readOffer(answer: unknown): Offer {
  const offer = fields(answer);
  const kinds: Record<string, number> = {};
  for (const [kind, records] of Object.entries(fields(offer["kinds"]))) {
    if (count(records) > 0) kinds[kind] = count(records);
  }
  return { guest: offer["guest"] === true, here: offer["here"] === true, kinds, tag: text(offer["tag"]) };
}

/** Where the login that was confirmed wanted to go, as the answer of the consume route tells. */
export function readReturnPath(answer: unknown): string | undefined {
  const path = text(fields(answer)["returnPath"]);
  return isSafePath(path) ? path : undefined;
}

/** How a code from the chat was received; "gone": it does not work any more. */
export type CodeAnswer = { status: "OK" } | { status: "gone" } | { status: "refused"; refusal: Refusal };

/**
 * Login begins a login, follows it, and looks at links. It confirms no link: that is for SuperTokens' SDK, see
 * createWhatsAppLogin.
 */
export class Login {
  constructor(private readonly api: Api) {}

  /**
   * Begins a login in this browser: the answer sets the cookie by which this browser is known again. A login that is
   * under way is taken up, so that calling it twice is harmless. A return path that is not safe is left out.
   */
  async start(returnPath?: string, signal?: AbortSignal): Promise<StartedLogin> {
    const safe = returnPath !== undefined && isSafePath(returnPath);
    const answer = await this.api.call("POST", "/login/start", {
      body: safe ? { returnPath } : {},
      ...(signal && { signal }),
    });
    const body = fields(answer.body);
    const started: StartedLogin = {
      url: text(body["url"]),
      text: text(body["text"]),
      expiresAt: Date.now() + count(body["expires_in"]) * 1000,
      desktopCode: body["desktop_code"] === true,
    };
    // The address becomes a link on the page.
    if (body["status"] !== "OK" || !/^https?:\/\//.test(started.url)) {
      throw new ApiError("POST /login/start: an unexpected answer", answer.status);
    }
    const reference = text(body["reference"]);
    if (reference !== "") started.reference = reference;
    return started;
  }

  async state(signal?: AbortSignal): Promise<AttemptState> {
    const answer = await this.api.call("GET", "/login/attempt", signal && { signal });
    return oneOf<AttemptState>(fields(answer.body)["state"], ["waiting", "received", "expired"], "none");
  }

  /** Signs this browser in with the code that the chat's reply to its own login carries. */
  async code(code: string, answers: Pick<ConsumeFields, "replaceSession"> = {}): Promise<CodeAnswer> {
    const { status, body } = await this.api.call("POST", "/login/code", { body: { code, ...answers } });
    const refusal = readRefusal(body);
    if (refusal?.reason === "new_link") return { status: "gone" };
    if (refusal) return { status: "refused", refusal };
    switch (fields(body)["status"]) {
      case "OK":
        return { status: "OK" };
      case "RESTART_FLOW_ERROR":
        return { status: "gone" };
    }
    throw new ApiError("POST /login/code: an unexpected answer", status);
  }

  /** Looks at a link without using it. undefined: the API does not know such links, so they are somebody else's. */
  async link(preAuthSessionId: string, signal?: AbortSignal): Promise<LinkView | undefined> {
    let body;
    try {
      const path = "/login/link?preAuthSessionId=" + encodeURIComponent(preAuthSessionId);
      body = fields((await this.api.call("GET", path, signal && { signal })).body);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
    const view: LinkView = {
      state: oneOf<LinkView["state"]>(body["state"], ["open", "used"], "expired"),
      number: text(body["number"]),
      door: oneOf<Door>(body["door"], ["self", "tap"], "digits"),
      triesLeft: count(body["triesLeft"]),
      other: body["other"] === true,
    };
    const returnPath = text(body["returnPath"]);
    if (isSafePath(returnPath)) view.returnPath = returnPath;
    return view;
  }
}
