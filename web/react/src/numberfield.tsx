import type { ReactElement, RefObject } from "react";

interface Props {
  id: string;
  label: string;
  hint: string;
  length: number;
  value: string;
  invalid: boolean;
  input: RefObject<HTMLInputElement | null>;
  onChange: (digits: string) => void;
}

/** A field for a few digits that the person has before their eyes. */
export function NumberField({ id, label, hint, length, value, invalid, input, onChange }: Props): ReactElement {
  return (
    <>
      <label data-konsulin="label" htmlFor={id}>{label}</label>
      <input data-konsulin="input" id={id} ref={input} value={value} inputMode="numeric" autoComplete="off" maxLength={length}
        aria-describedby={id + "-hint"} aria-invalid={invalid}
        onChange={(event) => onChange(event.target.value.replace(/[^0-9]/g, ""))} />
      <p data-konsulin="hint" id={id + "-hint"}>{hint}</p>
    </>
  );
}
