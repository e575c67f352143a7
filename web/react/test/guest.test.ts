// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { Api, ApiError } from "../src/api.js";
import { GuestSession, decodePayload, guestIdentifier } from "../src/guest.js";
import { FakeApi, json } from "./fakeapi.js";

let api: FakeApi;
let guest: GuestSession;

beforeEach(() => {
  api = new FakeApi();
  vi.stubGlobal("fetch", api.fetch);
  guest = new GuestSession(new Api({ apiDomain: "https://api.example" }));
});

function token(payload: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(payload));
  const part = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `e30.${part}.c2ln`;
}

function session(id: string, isNew: boolean): Response {
  return json({ success: true, message: "", data: { token: token({ guest_id: id, role: "guest" }), guest_id: id, is_new: isNew, role: "guest" } });
}

test("one guest for everybody who asks, however many ask at once", async () => {
  api.on("POST /anonymous-session", () => session("g-1", true));
  const [one, two] = await Promise.all([guest.ensure(), guest.ensure()]);
  expect(one).toEqual({ id: "g-1", token: token({ guest_id: "g-1", role: "guest" }), isNew: true });
  expect(two).toBe(one);
  expect(await guest.ensure()).toBe(one);
  expect(api.calls).toHaveLength(1);
  expect(api.calls[0]?.init.credentials).toBe("include");
});

test("a renewed guest is asked for and takes the place of the old one", async () => {
  let made = 0;
  api.on("POST /anonymous-session", () => session(`g-${String(++made)}`, true));
  await guest.ensure();
  expect((await guest.renew()).id).toBe("g-2");
  expect(api.calls[1]?.query.get("force_new")).toBe("true");
  expect((await guest.ensure()).id).toBe("g-2");
});

test("a failure is not kept: the next call asks again", async () => {
  let failing = true;
  api.on("POST /anonymous-session", () => (failing ? json({}, 500) : session("g-1", false)));
  await expect(guest.ensure()).rejects.toBeInstanceOf(ApiError);
  failing = false;
  expect((await guest.ensure()).id).toBe("g-1");
});

test("an answer without a guest is an error", async () => {
  api.on("POST /anonymous-session", () => json({ success: true, data: { token: "x" } }));
  await expect(guest.ensure()).rejects.toThrow("names no guest");
});

test("a claim tells what became of the records", async () => {
  api.on("PATCH /anonymous/claim", () => json({ data: { claimed: true, count: 2, referenceList: ["QuestionnaireResponse/1", "QuestionnaireResponse/2"] } }));
  expect(await guest.claim()).toEqual({ claimed: true, count: 2, references: ["QuestionnaireResponse/1", "QuestionnaireResponse/2"], reason: "" });
});

test("no guest is no error: nothing is claimed", async () => {
  api.on("PATCH /anonymous/claim", () => new Response(null, { status: 204 }));
  expect(await guest.claim()).toEqual({ claimed: false, count: 0, references: [], reason: "" });
});

test("a guest that is not this user's is told with the reason", async () => {
  api.on("PATCH /anonymous/claim", () => json({ data: { claimed: false, count: 0, referenceList: [], reason: "not yours" } }));
  expect(await guest.claim()).toMatchObject({ claimed: false, reason: "not yours" });
});

test("a claim waits while the API works on it", async () => {
  vi.useFakeTimers();
  try {
    const answers = [json({}, 503, { "retry-after": "2" }), json({}, 503), json({ data: { claimed: true, count: 1, referenceList: ["A/1"] } })];
    api.on("PATCH /anonymous/claim", () => answers.shift() ?? json({}, 500));
    const claim = guest.claim();
    await vi.advanceTimersByTimeAsync(1900);
    expect(api.calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(api.calls).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect((await claim).count).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});

test("a claim that does not end in time is an error, and one that was called off ends at once", async () => {
  api.on("PATCH /anonymous/claim", () => json({}, 503, { "retry-after": "5" }));
  await expect(guest.claim({ wait: 100 })).rejects.toMatchObject({ status: 503 });
  const abort = new AbortController();
  const claim = guest.claim({ signal: abort.signal });
  setTimeout(() => abort.abort(new Error("gone")), 20);
  await expect(claim).rejects.toThrow("gone");
  await expect(guest.claim({ signal: abort.signal })).rejects.toThrow("gone");
});

test("after a claim the guest is asked for anew", async () => {
  api.on("POST /anonymous-session", () => session("g-1", true));
  api.on("PATCH /anonymous/claim", () => json({ data: { claimed: true, count: 0, referenceList: [] } }));
  await guest.ensure();
  await guest.claim();
  await guest.ensure();
  expect(api.to("POST /anonymous-session")).toHaveLength(2);
});

test("a payload is read as UTF-8, and what is no JWT is nothing", () => {
  expect(decodePayload(token({ guest_id: "g", name: "Ayu – ✓" }))).toEqual({ guest_id: "g", name: "Ayu – ✓" });
  for (const broken of ["", "x", "a.b.c", "e30.Ym9vbQ.x", "e30.NzE.x"]) expect(decodePayload(broken)).toBeUndefined();
});

test("a record is tied to its guest by the identifier that the claim looks for", () => {
  expect(guestIdentifier("g-1")).toEqual({ system: "https://login.konsulin.care/guestid", value: "g-1" });
});
