import type { ReactElement } from "react";

/**
 * What SuperTokens' own style sheet lacks. It stands inside the components because the prebuilt UI lives in a shadow DOM
 * that no style sheet of the page reaches. Colours have a contrast of at least 4.5 to 1.
 */
const css = `
[data-konsulin~="block"] { text-align: left; padding-bottom: 20px; font-family: inherit; line-height: 1.5; }
[data-konsulin~="or"] { margin: 12px 0; font-size: 14px; color: #555b66; text-align: center; }
[data-konsulin~="button"] { box-sizing: border-box; display: flex; align-items: center; justify-content: center; gap: 10px;
  width: 100%; min-height: 44px; padding: 8px 16px; border: 1px solid transparent; border-radius: 6px; font: inherit;
  font-size: 16px; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer; }
[data-konsulin~="primary"] { background: #0b6b4b; color: #ffffff; }
[data-konsulin~="primary"]:hover { background: #085139; }
[data-konsulin~="secondary"] { background: #ffffff; color: #0b6b4b; border-color: #0b6b4b; margin-top: 12px; }
[data-konsulin~="button"]:focus-visible, [data-konsulin~="input"]:focus-visible, [data-konsulin~="check"] input:focus-visible {
  outline: 3px solid #1d6fe0; outline-offset: 2px; }
[data-konsulin~="button"][aria-disabled="true"] { opacity: 0.7; cursor: progress; }
[data-konsulin~="title"] { margin: 0 0 12px; font-size: 24px; line-height: 1.25; color: #161c26; text-align: center; }
[data-konsulin~="title"]:focus { outline: none; }
[data-konsulin~="text"] { margin: 0 0 16px; font-size: 16px; color: #363636; overflow-wrap: anywhere; }
[data-konsulin~="steps"] { margin: 16px 0 0; padding-left: 20px; font-size: 14px; color: #363636; }
[data-konsulin~="code"] { margin-top: 20px; padding-top: 20px; border-top: 1px solid #d5d9df; }
[data-konsulin~="status"] { margin: 16px 0 0; font-size: 14px; font-weight: 600; color: #0b6b4b; }
[data-konsulin~="status"]:empty, [data-konsulin~="alert"]:empty { display: none; }
[data-konsulin~="alert"] { margin: 0 0 16px; padding: 10px 14px; border-radius: 6px; font-size: 14px; color: #a3161f; background: #fff1ed; }
[data-konsulin~="label"] { display: block; margin-bottom: 6px; font-size: 14px; font-weight: 700; color: #161c26; }
[data-konsulin~="input"] { box-sizing: border-box; width: 100%; height: 48px; margin-bottom: 6px; border: 1px solid #6b7280;
  border-radius: 6px; font-size: 24px; letter-spacing: 0.4em; text-align: center; color: #161c26; background: #ffffff; }
[data-konsulin~="hint"] { margin: 0 0 16px; font-size: 14px; color: #555b66; }
[data-konsulin~="list"] { margin: 0 0 16px; padding-left: 20px; font-size: 16px; color: #161c26; }
[data-konsulin~="check"] { display: flex; gap: 10px; margin: 0 0 4px; font-size: 14px; color: #161c26; cursor: pointer; }
[data-konsulin~="check"] input { flex: none; width: 20px; height: 20px; margin: 0; }
`;

export function Styles(): ReactElement {
  return <style>{css}</style>;
}
