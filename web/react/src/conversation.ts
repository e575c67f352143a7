import type { ConsumeFields, Refusal } from "./login.js";

/** What the page is told while a link is being confirmed. */
export type Told =
  | { kind: "refused"; refusal: Refusal }
  /** The link is of no use any more. The page says so, and calls leave when that was read. */
  | { kind: "gone" };

/**
 * Conversation stands between the page of a link and SuperTokens' confirmation of it. To the SDK a confirmation is one
 * call with one end; to the person it may take several tries: the digits, a typing mistake, a question. The page submits
 * what the person answered, the confirmation takes it and tells the page how it went.
 */
export class Conversation {
  private submitted: ConsumeFields | undefined;
  private takes: ((fields: ConsumeFields) => void) | undefined;
  private leaves: (() => void) | undefined;

  constructor(
    /** The link that it is about: its preAuthSessionId. */
    readonly link: string,
    private readonly tell: (told: Told) => void,
    /** Where the browser goes afterwards; undefined leaves that to the SDK. */
    readonly returnPath: string | undefined,
  ) {}

  /** The page: try with this. */
  submit(fields: ConsumeFields): void {
    const takes = this.takes;
    this.takes = undefined;
    if (takes) takes(fields);
    else this.submitted = fields;
  }

  /** The page: the person has read that the link is gone. */
  leave(): void {
    this.leaves?.();
  }

  /** The confirmation: what to try next. It waits for the person. */
  next(): Promise<ConsumeFields> {
    const fields = this.submitted;
    this.submitted = undefined;
    return fields ? Promise.resolve(fields) : new Promise((resolve) => (this.takes = resolve));
  }

  refuse(refusal: Refusal): void {
    this.tell({ kind: "refused", refusal });
  }

  /** The confirmation: there is nothing more to try. It waits until that was read. */
  gone(): Promise<void> {
    const left = new Promise<void>((resolve) => (this.leaves = resolve));
    this.tell({ kind: "gone" });
    return left;
  }
}
