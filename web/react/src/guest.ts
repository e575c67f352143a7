import { Api, ApiError } from "./api.js";
import { count, fields, text } from "./json.js";

/** The identifier system under which a guest's records name their guest. */
export const guestIdentifierSystem = "https://login.konsulin.care/guestid";

/** A visitor who is not signed in. */
export interface Guest {
  id: string;
  token: string;
  /** Whether this guest was made just now. */
  isNew: boolean;
}

/** What became of a guest's records. */
export interface Claim {
  /** Whether they are the user's now. False: there was no guest, or it is not this user's. */
  claimed: boolean;
  count: number;
  /** Which they are, such as "QuestionnaireResponse/7". */
  references: string[];
  /** Why nothing was claimed, in the API's words; empty when there was no guest. */
  reason: string;
}

const nobody: Claim = { claimed: false, count: 0, references: [], reason: "" };

/** GuestSession keeps the visitor of this browser known to the bot before they sign in. */
export class GuestSession {
  private current: Promise<Guest> | undefined;

  constructor(private readonly api: Api) {}

  /** The guest of this browser, made on the first call. Calls at the same time, and later ones, share one answer. */
  ensure(): Promise<Guest> {
    return this.current ?? this.ask("");
  }

  /** A new guest, whoever there was before: for a device that is handed on. */
  renew(): Promise<Guest> {
    return this.ask("?force_new=true");
  }

  /** Forgets what this page knows about its guest. The cookie is the API's to take away. */
  forget(): void {
    this.current = undefined;
  }

  /**
   * Makes a guest's records the user's, and answers when that is done. It needs a session. While the API still works on
   * it, it is asked again for at most `wait` milliseconds; then its last answer is thrown. Calling it twice is harmless.
   */
  async claim(options: { wait?: number; signal?: AbortSignal } = {}): Promise<Claim> {
    const { wait = 10_000, signal } = options;
    const end = Date.now() + wait;
    for (;;) {
      try {
        const claim = await this.claimOnce(signal);
        this.forget();
        return claim;
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status !== 503 && error.status !== 429)) throw error;
        const pause = error.retryAfter ?? 1000;
        if (Date.now() + pause > end) throw error;
        await sleep(pause, signal);
      }
    }
  }

  private ask(query: string): Promise<Guest> {
    const asked = this.request(query);
    this.current = asked;
    asked.catch(() => {
      if (this.current === asked) this.forget(); // the next call asks again
    });
    return asked;
  }

  private async request(query: string): Promise<Guest> {
    const answer = await this.api.call("POST", "/anonymous-session" + query);
    const data = fields(fields(answer.body)["data"]);
    const token = text(data["token"]);
    const id = text(decodePayload(token)?.["guest_id"]) || text(data["guest_id"]);
    if (id === "") throw new ApiError("POST /anonymous-session: the answer names no guest", answer.status);
    return { id, token, isNew: data["is_new"] === true };
  }

  private async claimOnce(signal?: AbortSignal): Promise<Claim> {
    const answer = await this.api.call("PATCH", "/anonymous/claim", signal && { signal });
    if (answer.status === 204) return nobody;
    const data = fields(fields(answer.body)["data"]);
    const references = data["referenceList"];
    return {
      claimed: data["claimed"] === true,
      count: count(data["count"]),
      references: Array.isArray(references) ? references.filter((one): one is string => typeof one === "string") : [],
      reason: text(data["reason"]),
    };
  }
}

/** The FHIR identifier that ties a record to its guest until it is claimed. */
export function guestIdentifier(guestId: string): { system: string; value: string } {
  return { system: guestIdentifierSystem, value: guestId };
}

/**
 * What a token says, unverified: good for showing and for nothing that matters. Only the API can tell whether it is true.
 * undefined when it is no JWT.
 */
export function decodePayload(token: string): Record<string, unknown> | undefined {
  const part = token.split(".")[1];
  if (part === undefined) return undefined;
  try {
    const binary = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const payload: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof payload === "object" && payload !== null ? (payload as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    function stop(): void {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    }
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
