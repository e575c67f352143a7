// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { Api, ApiError } from "../src/api.js";
import { Login, readRefusal, readReturnPath } from "../src/login.js";
import { FakeApi, json, link, started } from "./fakeapi.js";

let api: FakeApi;
let login: Login;

beforeEach(() => {
  api = new FakeApi();
  vi.stubGlobal("fetch", api.fetch);
  login = new Login(new Api({ apiDomain: "https://api.example/", apiBasePath: "/auth/" }));
});

test("a login begins with this browser's cookies and its return path", async () => {
  api.on("POST /login/start", () => started({ reference: "K7QM2X" }));
  const before = Date.now();
  const begun = await login.start("/journal?day=1");
  expect(begun.url).toMatch(/^https:\/\/wa\.me\//);
  expect(begun.reference).toBe("K7QM2X");
  expect(begun.expiresAt).toBeGreaterThanOrEqual(before + 1_800_000);
  const [call] = api.calls;
  expect(call?.init).toMatchObject({ credentials: "include", redirect: "error", cache: "no-store" });
  expect(call?.body).toEqual({ returnPath: "/journal?day=1" });
});

test("a return path that leads away is not even sent", async () => {
  api.on("POST /login/start", () => started());
  await login.start("//evil.example");
  expect(api.calls[0]?.body).toEqual({});
});

test("an answer that would make a link to a script is refused", async () => {
  api.on("POST /login/start", () => started({ url: "javascript:alert(1)" }));
  await expect(login.start()).rejects.toBeInstanceOf(ApiError);
});

test("the state of an attempt is one of four, and none when the answer says something else", async () => {
  const states = ["waiting", "received", "expired", "none", "signed in as +62", 7];
  api.on("GET /login/attempt", () => json({ state: states.shift() }));
  for (const state of ["waiting", "received", "expired", "none", "none", "none"]) {
    expect(await login.state()).toBe(state);
  }
});

test("a link's view is read whole", async () => {
  api.on("GET /login/link", () => link({
    door: "tap", triesLeft: 2, other: true, returnPath: "/x",
  }));
  expect(await login.link("a&b")).toEqual({
    state: "open", number: "+62 812 •••• ••••", door: "tap", triesLeft: 2, other: true, returnPath: "/x",
  });
  expect(api.calls[0]?.query.get("preAuthSessionId")).toBe("a&b");
});

test("what a view does not say is taken as the stricter of what it could mean", async () => {
  api.on("GET /login/link", () => json({ returnPath: "https://evil.example" }));
  expect(await login.link("a")).toEqual({
    state: "expired", number: "", door: "digits", triesLeft: 0, other: false,
  });
});

test("a link that the API does not serve is somebody else's", async () => {
  api.on("GET /login/link", () => json({}, 404));
  expect(await login.link("a")).toBeUndefined();
});

test("errors name the route and never what was in the query", async () => {
  api.on("GET /login/link", () => json({}, 503, { "retry-after": "5" }));
  const error = await login.link("secret").catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 503, retryAfter: 5000 });
  expect(String(error)).toContain("GET /login/link");
  expect(String(error)).not.toContain("secret");
});

test("no answer is an error with status 0, also when it took too long", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
  await expect(login.start()).rejects.toMatchObject({ status: 0 });
  vi.stubGlobal("fetch", (_: string, init: RequestInit) => new Promise((_resolve, reject) => {
    init.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error));
  }));
  await expect(new Login(new Api({ apiDomain: "https://api.example", timeout: 5 })).start()).rejects.toMatchObject({ status: 0 });
});

test("a refusal is read with its reason and the tries that are left", () => {
  expect(readRefusal({ status: "GENERAL_ERROR", reason: "digits_wrong", triesLeft: 0 })).toEqual({ reason: "digits_wrong", triesLeft: 0 });
  expect(readRefusal({ status: "GENERAL_ERROR", reason: "signed_in_as_other" })).toEqual({ reason: "signed_in_as_other" });
  expect(readRefusal({ status: "GENERAL_ERROR", message: "x" })).toEqual({ reason: "try_again" });
  const kinds = { QuestionnaireResponse: 60, Consent: 0, Basic: "x" };
  expect(readRefusal({ status: "GENERAL_ERROR", reason: "offer", offer: { guest: true, here: true, records: 60, kinds, tag: "t" } }))
    .toEqual({ reason: "offer", offer: { guest: true, here: true, kinds: { QuestionnaireResponse: 60 }, tag: "t" } });
  expect(readRefusal({ status: "GENERAL_ERROR", reason: "offer" }))
    .toEqual({ reason: "offer", offer: { guest: false, here: false, kinds: {}, tag: "" } });
  expect(readReturnPath({ status: "OK", returnPath: "/x" })).toBe("/x");
  expect(readReturnPath({ status: "OK", returnPath: "//evil.example" })).toBeUndefined();
  expect(readRefusal({ status: "OK" })).toBeUndefined();
  expect(readRefusal(undefined)).toBeUndefined();
});
