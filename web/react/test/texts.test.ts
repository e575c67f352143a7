import { afterEach, expect, test } from "vitest";
import { fill, languages, textsFor } from "../src/texts.js";

afterEach(() => (document.documentElement.lang = ""));

test("every string exists in every language, with the same places to fill", () => {
  const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [name, texts] of Object.entries(languages)) {
    expect(Object.keys(texts).sort(), name).toEqual(Object.keys(languages.en).sort());
    for (const [key, text] of Object.entries(texts)) {
      expect(text.trim(), `${name}.${key}`).not.toBe("");
      expect(places(text), `${name}.${key}`).toEqual(places(languages.en[key as keyof typeof languages.en]));
    }
  }
});

test("the page's language decides unless the application does, and its own words come first", () => {
  document.documentElement.lang = "id-ID";
  expect(textsFor(undefined).button).toBe(languages.id.button);
  expect(textsFor("en").button).toBe(languages.en.button);
  expect(textsFor("en", { button: "Go" })).toMatchObject({ button: "Go", continue: languages.en.continue });
});

test("what has no value stays as it is", () => expect(fill("{a} and {b}", { a: 1 })).toBe("1 and {b}"));
