import { useId, useState, type FormEvent, type ReactElement } from "react";
import type { LinkState } from "./linkstate.js";
import type { ConsumeFields } from "./login.js";
import { fill, type Texts } from "./texts.js";

interface Props {
  state: LinkState;
  texts: Texts;
  submit: (fields: ConsumeFields) => void;
}

/** Asks whether what was done as a guest shall come along, and says what that is. Default no. */
export function OfferForm({ state, texts, submit }: Props): ReactElement {
  const id = useId();
  const [bring, setBring] = useState(false);
  const offer = state.offer;
  const send = (event: FormEvent): void => {
    event.preventDefault();
    submit(bring && offer?.guest ? { bringGuest: true, offer: offer.tag } : { bringGuest: false });
  };
  return (
    <form onSubmit={send} noValidate>
      {offer?.guest && (
        <>
          <ul data-konsulin="list">{describe(offer.kinds, texts).map((line) => <li key={line}>{line}</li>)}</ul>
          <label data-konsulin="check">
            <input type="checkbox" checked={bring} aria-describedby={id + "-careful"} onChange={(event) => setBring(event.target.checked)} />
            {texts.bring}
          </label>
          <p data-konsulin="hint" id={id + "-careful"}>{texts.bringCareful}</p>
        </>
      )}
      <button data-konsulin="button primary" type="submit" aria-disabled={state.busy}>
        {state.busy ? texts.working : texts.continue}
      </button>
    </form>
  );
}

/** How many records of each kind, in words. */
function describe(kinds: Readonly<Record<string, number>>, texts: Texts): string[] {
  const { QuestionnaireResponse: forms = 0, ...rest } = kinds;
  const others = Object.values(rest).reduce((sum, records) => sum + records, 0);
  const lines: string[] = [];
  if (forms > 0) lines.push(forms === 1 ? texts.offerForm : fill(texts.offerForms, { count: forms }));
  if (others > 0) lines.push(others === 1 ? texts.offerOther : fill(texts.offerOthers, { count: others }));
  return lines.length > 0 ? lines : [texts.offerUnknown];
}
