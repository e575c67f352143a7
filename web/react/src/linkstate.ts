import type { Told } from "./conversation.js";
import type { LinkView, Offer } from "./login.js";

/** What the page of a link shows. */
export interface LinkState {
  step:
    | "loading"
    | "failed" // the API could not be asked about the link
    | "foreign" // not a link of ours
    | "gone"
    | "question" // somebody else is signed in here
    | "self" // completes by itself
    | "tap"
    | "digits"
    | "offer"; // the digits were right, and what was done as a guest could come along
  view?: LinkView;
  /** The digits that were right, to be said again with every further answer. */
  digits?: string;
  /** Only in the step "offer". */
  offer?: Offer;
  /** A confirmation is under way. */
  busy: boolean;
  /** The person agreed that whoever is signed in here is signed out. */
  replace: boolean;
  alert?: "digitsWrong" | "notNow" | "lastTry";
}

export type LinkEvent =
  | { kind: "look" }
  | { kind: "viewed"; view: LinkView | undefined }
  | { kind: "unseen" }
  | { kind: "agreed" }
  | { kind: "submitted"; digits?: string }
  | Told;

export const firstState: LinkState = { step: "loading", busy: false, replace: false };

export function reduce(state: LinkState, event: LinkEvent): LinkState {
  switch (event.kind) {
    case "look":
      return firstState;
    case "viewed":
      if (!event.view) return { ...firstState, step: "foreign" };
      return arrange(event.view, state.replace);
    case "unseen":
      return { ...firstState, step: "failed" };
    case "agreed":
      if (!state.view) return state;
      // Who has typed the right digits already says the same once more, and is asked nothing in between.
      return state.digits === undefined ? arrange(state.view, true) : { ...state, replace: true };
    case "submitted": {
      const { alert: _, ...rest } = state;
      return { ...rest, busy: true, ...(event.digits !== undefined && { digits: event.digits }) };
    }
    case "gone":
      return gone(state);
    case "refused":
      return refused(state, event);
  }
}

/** The digits once they were right. */
function known(state: LinkState): Pick<LinkState, "digits"> {
  return state.digits === undefined ? {} : { digits: state.digits };
}

/** The step at which the person is asked next. Who is signed in here comes first: nothing is typed for nothing. */
function arrange(view: LinkView, replace: boolean): LinkState {
  let step: LinkState["step"] = view.door;
  if (view.state !== "open") step = "gone";
  else if (view.other && !replace) step = "question";
  return { step, view, busy: false, replace };
}

function gone(state: LinkState): LinkState {
  return { ...state, step: "gone", busy: false };
}

function refused(state: LinkState, { refusal }: Extract<Told, { kind: "refused" }>): LinkState {
  const { view } = state;
  if (!view) return gone(state);
  const triesLeft = refusal.triesLeft ?? view.triesLeft;
  switch (refusal.reason) {
    case "signed_in_as_other":
      return { ...arrange({ ...view, other: true }, false), ...known(state) };
    case "offer":
      if (!refusal.offer) return gone(state);
      return { step: "offer", view, offer: refusal.offer, busy: false, replace: state.replace, ...known(state) };
    case "digits_required":
      return arrange({ ...view, door: "digits", triesLeft }, state.replace);
    case "digits_wrong":
      if (triesLeft === 0) return { ...gone(state), alert: "lastTry" };
      return { ...arrange({ ...view, door: "digits", triesLeft }, state.replace), alert: "digitsWrong" };
    case "new_link":
      return gone(state);
    case "code_wrong": // not said of links
    case "try_again":
      if (state.offer) return { ...state, busy: false, alert: "notNow" };
      // What went by itself is not repeated by itself.
      return { ...arrange(view, state.replace), ...(view.door === "self" && { step: "tap" }), alert: "notNow" };
  }
}
