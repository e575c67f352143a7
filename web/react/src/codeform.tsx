import { useId, useRef, useState, type FormEvent, type ReactElement } from "react";
import type { Login } from "./login.js";
import { NumberField } from "./numberfield.js";
import { fill, type Texts } from "./texts.js";

interface Props {
  login: Login;
  texts: Texts;
  onSignedIn: () => void;
}

/** Takes the code that the chat's reply carries, for a computer whose WhatsApp is on a phone. */
export function CodeForm({ login, texts, onSignedIn }: Props): ReactElement {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState(false);
  const [alert, setAlert] = useState("");
  // The person was told that somebody else is signed in here; the next press says that this is meant.
  const [replace, setReplace] = useState(false);

  const complain = (text: string): void => {
    setAlert(text);
    setBusy(false);
    input.current?.focus();
  };
  const send = async (): Promise<void> => {
    setBusy(true);
    setAlert("");
    const answer = await login.code(code, replace ? { replaceSession: true } : {}).catch(() => undefined);
    if (answer?.status === "OK") return onSignedIn();
    if (answer?.status === "gone") return complain(texts.codeGone);
    switch (answer?.refusal.reason) {
      case "code_wrong":
        setCode("");
        return complain(`${texts.codeWrong} ${fill(texts.triesLeft, { count: answer.refusal.triesLeft ?? 0 })}`);
      case "signed_in_as_other":
        setReplace(true);
        return complain(texts.codeOther);
      default:
        return complain(texts.notNow);
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (busy) return;
    if (/^[0-9]{6}$/.test(code)) void send();
    else complain(texts.codeShape);
  };
  return (
    <form data-konsulin="code" onSubmit={submit} noValidate>
      <p data-konsulin="alert" role="alert">{alert}</p>
      <NumberField id={id} label={texts.codeLabel} hint={texts.codeHelp} length={6} value={code} invalid={alert !== ""} input={input}
        onChange={setCode} />
      <button data-konsulin="button secondary" type="submit" aria-disabled={busy}>{busy ? texts.working : texts.codeSend}</button>
    </form>
  );
}
