import { useEffect, useId, useRef, useState, type FormEvent, type ReactElement } from "react";
import type { LinkState } from "./linkstate.js";
import type { ConsumeFields } from "./login.js";
import { NumberField } from "./numberfield.js";
import { fill, type Texts } from "./texts.js";

interface Props {
  state: LinkState;
  texts: Texts;
  submit: (fields: ConsumeFields) => void;
}

/** Asks for the number's last four digits. What else there is to ask comes after them. */
export function DigitsForm({ state, texts, submit }: Props): ReactElement {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [digits, setDigits] = useState("");
  const [misshapen, setMisshapen] = useState(false);
  const view = state.view;
  const wrong = state.alert === "digitsWrong" && !state.busy;

  useEffect(() => {
    if (!wrong) return;
    setDigits("");
    input.current?.focus();
  }, [wrong]);

  const send = (event: FormEvent): void => {
    event.preventDefault();
    const ok = /^[0-9]{4}$/.test(digits);
    setMisshapen(!ok);
    if (ok) submit({ digits });
    else input.current?.focus();
  };
  return (
    <form onSubmit={send} noValidate>
      <NumberField id={id} label={texts.digitsLabel} length={4} value={digits} invalid={misshapen || wrong} input={input} onChange={setDigits}
        hint={(misshapen ? texts.digitsShape + " " : "") + fill(texts.triesLeft, { count: view?.triesLeft ?? 0 })} />
      <p data-konsulin="hint">{texts.staysThere}</p>
      <button data-konsulin="button primary" type="submit" aria-disabled={state.busy}>
        {state.busy ? texts.working : texts.continue}
      </button>
    </form>
  );
}
