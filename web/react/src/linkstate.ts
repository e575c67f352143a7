import type { Told } from "./conversation.js";
import type { LinkView } from "./login.js";

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
    | "digits";
  view?: LinkView;
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
  | { kind: "submitted" }
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
      return state.view ? arrange(state.view, true) : state;
    case "submitted": {
      const { alert: _, ...rest } = state;
      return { ...rest, busy: true };
    }
    case "gone":
      return gone(state);
    case "refused":
      return refused(state, event);
  }
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
      return arrange({ ...view, other: true }, false);
    case "digits_required":
      return arrange({ ...view, door: "digits", triesLeft }, state.replace);
    case "digits_wrong":
      if (triesLeft === 0) return { ...gone(state), alert: "lastTry" };
      return { ...arrange({ ...view, door: "digits", triesLeft }, state.replace), alert: "digitsWrong" };
    case "new_link":
      return gone(state);
    case "code_wrong": // not said of links
    case "try_again":
      // What went by itself is not repeated by itself.
      return { ...arrange(view, state.replace), ...(view.door === "self" && { step: "tap" }), alert: "notNow" };
  }
}
