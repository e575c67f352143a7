import { useEffect, useMemo, useReducer, useRef, type ReactElement, type ReactNode } from "react";
import { Conversation } from "./conversation.js";
import { DigitsForm } from "./digitsform.js";
import { OfferForm } from "./offerform.js";
import { firstState, reduce, type LinkState } from "./linkstate.js";
import type { ConsumeFields, Login } from "./login.js";
import { Styles } from "./styles.js";
import { fill, textsFor, type Language, type Texts } from "./texts.js";

export interface LinkPageProps {
  login: Login;
  preAuthSessionId: string;
  /** Begins the confirmation that talks with this page. It is called once for each link. */
  confirm: (talk: Conversation) => void;
  /** Leads to where a new link can be asked for. */
  leave: () => void;
  /** Leads away from the link, because whoever is signed in here stays so. */
  stay: () => void;
  /** What is shown for links that are not ours, such as those of an e-mail. */
  foreign: ReactElement;
  /** Where to go after the sign-in unless the login says where. */
  returnPath?: string | undefined;
  language?: Language | undefined;
  texts?: Partial<Texts> | undefined;
}

/**
 * The page that a link opens: at once through, one tap, or the digits, whichever the API asks of this browser. It shows
 * and asks; the API decides, whatever is asked here.
 */
export function LinkPage(props: LinkPageProps): ReactElement {
  const { login, preAuthSessionId, confirm, returnPath, language, texts: own } = props;
  const texts = useMemo(() => textsFor(language, own), [language, own]);
  const [state, dispatch] = useReducer(reduce, firstState);
  const talk = useRef<Conversation>(undefined);
  const { step, view } = state;

  useEffect(() => {
    if (step !== "loading") return;
    const abort = new AbortController();
    login.link(preAuthSessionId, abort.signal).then(
      (seen) => dispatch({ kind: "viewed", view: seen }),
      () => {
        if (!abort.signal.aborted) dispatch({ kind: "unseen" });
      },
    );
    return () => abort.abort();
  }, [login, preAuthSessionId, step]);

  const submit = (fields: ConsumeFields): void => {
    if (state.busy) return;
    dispatch({ kind: "submitted", ...(fields.digits !== undefined && { digits: fields.digits }) });
    const running = talk.current;
    const now = running ?? new Conversation(preAuthSessionId, dispatch, view?.returnPath ?? returnPath);
    talk.current = now;
    const said = state.digits === undefined ? fields : { digits: state.digits, ...fields };
    now.submit(state.replace ? { ...said, replaceSession: true } : said);
    if (!running) confirm(now);
  };
  const submitSelf = useRef(submit);
  submitSelf.current = submit;
  useEffect(() => {
    if (step === "self") submitSelf.current({});
  }, [step]);

  const agree = (): void => {
    dispatch({ kind: "agreed" });
    if (state.digits !== undefined) submit({ replaceSession: true });
  };
  const leave = (): void => {
    if (talk.current && state.alert !== "lastTry") talk.current.leave();
    else props.leave();
  };
  if (step === "foreign") return props.foreign;
  return (
    <div data-supertokens="container">
      <div data-supertokens="row">
        <div data-konsulin="block">
          <Styles />
          <Step key={step} {...{ state, texts, submit, leave, stay: props.stay }}
            agree={agree} again={() => dispatch({ kind: "look" })} />
        </div>
      </div>
    </div>
  );
}

interface StepProps {
  state: LinkState;
  texts: Texts;
  submit: (fields: ConsumeFields) => void;
  leave: () => void;
  stay: () => void;
  agree: () => void;
  again: () => void;
}

function Step({ state, texts, submit, leave, stay, agree, again }: StepProps): ReactElement {
  const number = { number: state.view?.number ?? "" };
  const alert = state.alert ? texts[state.alert] : "";
  switch (state.step) {
    case "failed":
      return (
        <Screen title={texts.failedTitle} text={texts.failed}>
          <Button onClick={again}>{texts.tryAgain}</Button>
        </Screen>
      );
    case "gone":
      return (
        <Screen title={texts.goneTitle} text={texts.gone} alert={alert}>
          <Button onClick={leave}>{texts.newLink}</Button>
        </Screen>
      );
    case "question":
      return (
        <Screen title={texts.otherTitle} text={fill(texts.other, number)}>
          <Button busy={state.busy} onClick={agree}>{state.busy ? texts.working : texts.otherYes}</Button>
          <Button secondary onClick={stay}>{texts.otherNo}</Button>
        </Screen>
      );
    case "tap":
      return (
        <Screen title={texts.tapTitle} text={fill(texts.tap, number)} alert={alert}>
          <Button busy={state.busy} onClick={() => submit({})}>{state.busy ? texts.working : texts.continue}</Button>
        </Screen>
      );
    case "digits":
      return (
        <Screen title={texts.digitsTitle} text={fill(texts.digits, number)} alert={alert}>
          <DigitsForm {...{ state, texts, submit }} />
        </Screen>
      );
    case "offer":
      return (
        <Screen title={texts.offerTitle} text={offerText(state, texts)} alert={alert}>
          <OfferForm {...{ state, texts, submit }} />
        </Screen>
      );
    case "self":
      return <p data-konsulin="text" role="status">{texts.working}</p>;
    default:
      return <p data-konsulin="text" role="status">{texts.loading}</p>;
  }
}

function offerText({ offer }: LinkState, texts: Texts): string {
  if (!offer?.guest) return texts.offerGone;
  return offer.here ? texts.offerHere : texts.offerThere;
}

/** One step. Its heading takes the focus, so that those who listen hear that the page has changed. */
function Screen(props: { title: string; text: string; alert?: string; children: ReactNode }): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <>
      <h1 data-konsulin="title" tabIndex={-1} ref={heading}>{props.title}</h1>
      <p data-konsulin="text">{props.text}</p>
      <p data-konsulin="alert" role="alert">{props.alert}</p>
      {props.children}
    </>
  );
}

/** Not "disabled" while busy: that would throw the keyboard's focus away. */
function Button(props: { busy?: boolean; secondary?: boolean; onClick: () => void; children: ReactNode }): ReactElement {
  return (
    <button data-konsulin={props.secondary ? "button secondary" : "button primary"} type="button"
      aria-disabled={props.busy ?? false} onClick={props.onClick}>
      {props.children}
    </button>
  );
}
