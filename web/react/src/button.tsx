import { useCallback, useEffect, useMemo, useRef, useState, type MouseEvent, type ReactElement } from "react";
import { ApiError } from "./api.js";
import { CodeForm } from "./codeform.js";
import type { AttemptState, Login, StartedLogin } from "./login.js";
import { Styles } from "./styles.js";
import { textsFor, type Language, type Texts } from "./texts.js";

export interface WhatsAppButtonProps {
  login: Login;
  /** Where to go after the sign-in, a path of this site. */
  returnPath?: string | undefined;
  language?: Language | undefined;
  texts?: Partial<Texts> | undefined;
  /** How often the API is asked whether the message came, in milliseconds; only where logins have a reference. */
  pollEvery?: number | undefined;
  /** Whether this browser is signed in by now, as by the link in another tab; asked when the person comes back. */
  isSignedIn?: (() => Promise<boolean>) | undefined;
  /** This browser is signed in now, by the link in another tab or by a code that was typed here. */
  onSignedIn?: ((by: "link" | "code") => void) | undefined;
}

/**
 * The button "Login with WhatsApp". The login begins when the button appears, so that a press opens WhatsApp at once: a
 * window that opens only after an answer from the network is one that browsers block.
 */
export function WhatsAppButton(props: WhatsAppButtonProps): ReactElement {
  const { login, returnPath, language, texts: own, pollEvery = 3000, isSignedIn, onSignedIn } = props;
  const texts = useMemo(() => textsFor(language, own), [language, own]);
  const { started, trouble, lineDown, busy, begin } = useStart(login, returnPath);
  const [opened, setOpened] = useState(false);
  const state = usePolling(login, opened ? started : undefined, pollEvery);
  useReturn(opened, isSignedIn, onSignedIn);

  const press = (event: MouseEvent): void => {
    if (started && Date.now() < started.expiresAt) {
      setOpened(true); // the browser follows the link
      return;
    }
    event.preventDefault();
    void begin().then((fresh) => {
      if (!fresh) return;
      setOpened(true);
      open(fresh.url);
    });
  };
  if (lineDown) {
    return (
      <div data-konsulin="block">
        <Styles />
        <p data-konsulin="alert" role="alert">{texts.lineDown}</p>
        <button data-konsulin="button primary" type="button" aria-disabled={busy} onClick={() => void begin()}>{texts.tryAgain}</button>
      </div>
    );
  }
  return (
    <div data-konsulin="block">
      <Styles />
      {trouble && <p data-konsulin="alert" role="alert">{texts.startFailed}</p>}
      {started ? (
        <a data-konsulin="button primary" href={started.url} target="_blank" rel="noopener noreferrer" onClick={press}>
          <Bubble /> {texts.button}
        </a>
      ) : (
        <button data-konsulin="button primary" type="button" aria-disabled={busy} onClick={press}>
          <Bubble /> {texts.button}
        </button>
      )}
      {opened && (
        <ol data-konsulin="steps">
          <li>{texts.nextSend}</li>
          <li>{texts.nextLink}</li>
          <li>{texts.nextOpen}</li>
        </ol>
      )}
      {opened && started?.desktopCode && onSignedIn && (
        <CodeForm login={login} texts={texts} onSignedIn={() => onSignedIn("code")} />
      )}
      <p data-konsulin="status" role="status">{state === "received" ? texts.received : ""}</p>
    </div>
  );
}

interface Start {
  started: StartedLogin | undefined;
  /** A press came to nothing. That the login could not begin unasked is no news for anybody. */
  trouble: boolean;
  /** Nobody who writes to the bot would be answered now. */
  lineDown: boolean;
  busy: boolean;
  begin: () => Promise<StartedLogin | undefined>;
}

function useStart(login: Login, returnPath: string | undefined): Start {
  const [started, setStarted] = useState<StartedLogin>();
  const [trouble, setTrouble] = useState(false);
  const [downFor, setDownFor] = useState<number>();
  const running = useRef<Promise<StartedLogin | undefined>>(undefined);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    const abort = new AbortController();
    login.start(returnPath, abort.signal).then(setStarted, (error: unknown) => {
      if (!abort.signal.aborted) setDownFor(lineWait(error));
    });
    return () => abort.abort();
  }, [login, returnPath]);

  const begin = useCallback(() => {
    running.current ??= (async () => {
      setBusy(true);
      setTrouble(false);
      try {
        const fresh = await login.start(returnPath);
        setStarted(fresh);
        setDownFor(undefined);
        return fresh;
      } catch (error) {
        const wait = lineWait(error);
        setDownFor(wait);
        setTrouble(wait === undefined);
        return undefined;
      } finally {
        setBusy(false);
        running.current = undefined;
      }
    })();
    return running.current;
  }, [login, returnPath]);

  // It comes back by itself.
  useEffect(() => {
    if (downFor === undefined) return;
    const timer = setInterval(() => {
      if (!document.hidden) void begin();
    }, downFor);
    return () => clearInterval(timer);
  }, [downFor, begin]);
  return { started, trouble, lineDown: downFor !== undefined, busy, begin };
}

/** After how many milliseconds the API may be asked again whether the bot's line works; undefined: that is not the trouble. */
function lineWait(error: unknown): number | undefined {
  if (!(error instanceof ApiError) || error.trouble !== "LINE_DOWN") return undefined;
  return Math.min(Math.max(error.retryAfter ?? 0, 1_000), 60_000);
}

/** Asks how far a login is, until the message came or the login is over. */
function usePolling(login: Login, started: StartedLogin | undefined, every: number): AttemptState | undefined {
  const [state, setState] = useState<AttemptState>();
  const waiting = started?.reference !== undefined && (state === undefined || state === "waiting");
  const expiresAt = started?.expiresAt ?? 0;
  useEffect(() => {
    if (!waiting) return;
    const abort = new AbortController();
    let timer = setTimeout(look, every);
    function look(): void {
      if (Date.now() >= expiresAt) return;
      const asked = document.hidden ? Promise.resolve<AttemptState>("waiting") : login.state(abort.signal);
      // One question at a time: a slow API is not asked faster than it answers. A failed one is asked again.
      void asked.catch((): AttemptState => "waiting").then((now) => {
        if (abort.signal.aborted) return;
        setState(now);
        if (now === "waiting") timer = setTimeout(look, every);
      });
    }
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [login, waiting, expiresAt, every]);
  return state;
}

/** Notices, when the person comes back to this page, that the link has signed this browser in. */
function useReturn(opened: boolean, isSignedIn?: () => Promise<boolean>, onSignedIn?: (by: "link") => void): void {
  useEffect(() => {
    if (!opened || !isSignedIn || !onSignedIn) return;
    let left = false;
    const look = (): void => {
      if (document.hidden) return;
      isSignedIn().then((yes) => {
        if (yes && !left) onSignedIn("link");
      }, () => undefined);
    };
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    return () => {
      left = true;
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  }, [opened, isSignedIn, onSignedIn]);
}

/** Opens a window of its own, or this one where the browser blocks others. */
function open(url: string): void {
  const other = window.open(url, "_blank");
  if (other) other.opener = null;
  else window.location.assign(url);
}

function Bubble(): ReactElement {
  return (
    <svg width="22" height="22" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="2" aria-hidden="true">
      <path d="M4 20l1.3-4.2A8 8 0 1 1 8.4 19z" strokeLinejoin="round" />
    </svg>
  );
}
