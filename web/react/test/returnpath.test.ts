// @vitest-environment node
import { expect, test } from "vitest";
import { isSafePath, pathFromAddress } from "../src/returnpath.js";

const safe = [
  "/", "/journal", "/journal/2026-11-25?tab=day#top", "/a%20b", "/caf%C3%A9", "/x?next=%2Fy", "/" + "a".repeat(255),
  "/a/../b", "/a b", "/x?e=a@b.example",
];

const unsafe = [
  "", "journal", "./x", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/%2Fevil.example",
  "/%2f%2fevil.example", "/%5Cevil.example", "/%255Cevil.example", "/%25252Fevil.example", "https://evil.example",
  "/https://evil.example", "/x?u=https://evil.example", "javascript:alert(1)", "/\tevil", "/\nx", "/%0d%0aSet-Cookie:x",
  "/%09/evil.example", "/\u2028x", "/\u202ex", "/\u00a0x", "/\u3000/evil", "/\uff0fevil.example", "/\uff3cevil.example",
  "/.//evil.example", "/a/.//../..//evil.example", "/a/..//evil.example", "/%2e%2e//evil.example", "/%", "/%zz",
  "/%ff", "/" + "a".repeat(256), "/\u0000", "/%00", "/x\u007f", "/%E2%80%AE", "/\ud800", "/x\u200b",
];

test.each(safe)("may be gone to: %j", (path) => expect(isSafePath(path)).toBe(true));

test.each(unsafe)("leads away or is unclear: %j", (path) => expect(isSafePath(path)).toBe(false));

test("the corpus is not a handful", () => expect(unsafe.length).toBeGreaterThanOrEqual(40));

test("only a safe path is taken from the address bar", () => {
  expect(pathFromAddress("?redirectToPath=%2Fjournal%3Fa%3D1")).toBe("/journal?a=1");
  expect(pathFromAddress("?redirectToPath=%2F%2Fevil.example")).toBeUndefined();
  expect(pathFromAddress("?other=1")).toBeUndefined();
});
