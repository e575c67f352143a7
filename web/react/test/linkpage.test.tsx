import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";
import { Api } from "../src/api.js";
import type { Conversation } from "../src/conversation.js";
import { LinkPage } from "../src/linkpage.js";
import { Login } from "../src/login.js";
import { fill, languages } from "../src/texts.js";
import { FakeApi, json, link } from "./fakeapi.js";

const texts = languages.en;
const number = "+62 812 •••• ••••";
let api: FakeApi;

beforeEach(() => {
  api = new FakeApi();
  vi.stubGlobal("fetch", api.fetch);
});

function setup() {
  const talks: Conversation[] = [];
  const leave = vi.fn();
  const stay = vi.fn();
  const login = new Login(new Api({ apiDomain: "https://api.example" }));
  render(
    <LinkPage login={login} preAuthSessionId="pre" language="en" returnPath="/from-address" leave={leave} stay={stay}
      confirm={(talk) => talks.push(talk)} foreign={<p>not ours</p>} />,
  );
  return { talks, leave, stay };
}

function heading(name: string) {
  return screen.findByRole("heading", { name });
}

test("looking at a link confirms nothing", async () => {
  api.on("GET /login/link", () => link());
  const { talks } = setup();
  await heading(texts.tapTitle);
  expect(screen.getByText(fill(texts.tap, { number }))).toBeTruthy();
  expect(talks).toHaveLength(0);
  expect(api.calls.map((call) => call.method)).toEqual(["GET"]);
});

test("one tap confirms, and a second tap meanwhile does nothing", async () => {
  api.on("GET /login/link", () => link());
  const { talks } = setup();
  await heading(texts.tapTitle);
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  await userEvent.click(screen.getByRole("button", { name: texts.working }));
  expect(talks).toHaveLength(1);
  expect(await talks[0]?.next()).toEqual({});
  expect(talks[0]?.returnPath).toBe("/from-address");
});

test("a login that began here completes by itself and goes where it was begun", async () => {
  api.on("GET /login/link", () => link({ door: "self", returnPath: "/journal" }));
  const { talks } = setup();
  await waitFor(() => expect(talks).toHaveLength(1));
  expect(await talks[0]?.next()).toEqual({});
  expect(talks[0]?.returnPath).toBe("/journal");
});

test("what went by itself and failed is not repeated by itself", async () => {
  api.on("GET /login/link", () => link({ door: "self" }));
  const { talks } = setup();
  await waitFor(() => expect(talks).toHaveLength(1));
  await talks[0]?.next();
  talks[0]?.refuse({ reason: "try_again" });
  expect((await screen.findByRole("alert")).textContent).toBe(texts.notNow);
  const again = talks[0]?.next();
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(await again).toEqual({});
  expect(talks).toHaveLength(1);
});

test("another browser is asked for the digits, with the tries that are left", async () => {
  api.on("GET /login/link", () => link({ door: "digits" }));
  const { talks, leave } = setup();
  await heading(texts.digitsTitle);
  const input = screen.getByLabelText(texts.digitsLabel);
  await userEvent.type(input, "12x");
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(screen.getByText(new RegExp(texts.digitsShape))).toBeTruthy();
  expect(talks).toHaveLength(0);
  await userEvent.type(input, "34{Enter}");
  expect(await talks[0]?.next()).toEqual({ digits: "1234" });
  talks[0]?.refuse({ reason: "digits_wrong", triesLeft: 1 });
  expect((await screen.findByRole("alert")).textContent).toBe(texts.digitsWrong);
  expect(screen.getByText(fill(texts.triesLeft, { count: 1 }))).toBeTruthy();
  await waitFor(() => expect((input as HTMLInputElement).value).toBe(""));
  const next = talks[0]?.next();
  await userEvent.type(input, "9999{Enter}");
  expect(await next).toEqual({ digits: "9999" });
  talks[0]?.refuse({ reason: "digits_wrong", triesLeft: 0 });
  await heading(texts.goneTitle);
  expect(screen.getByRole("alert").textContent).toBe(texts.lastTry);
  await userEvent.click(screen.getByRole("button", { name: texts.newLink }));
  expect(leave).toHaveBeenCalledOnce();
});

const offer = { guest: true, here: false, kinds: { QuestionnaireResponse: 3, Consent: 1 }, tag: "the-tag" };

async function offered(what = offer) {
  api.on("GET /login/link", () => link({ door: "digits" }));
  const { talks } = setup();
  await heading(texts.digitsTitle);
  expect(screen.queryByRole("checkbox")).toBeNull(); // nothing of it is shown before the digits
  await userEvent.type(screen.getByLabelText(texts.digitsLabel), "1234{Enter}");
  expect(await talks[0]?.next()).toEqual({ digits: "1234" });
  talks[0]?.refuse({ reason: "offer", offer: what });
  await heading(texts.offerTitle);
  return { talks };
}

test("nothing comes along unless the person says so", async () => {
  const { talks } = await offered();
  expect((screen.getByRole("checkbox", { name: texts.bring }) as HTMLInputElement).checked).toBe(false);
  expect(screen.getByText(texts.offerThere)).toBeTruthy();
  expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual([fill(texts.offerForms, { count: 3 }), texts.offerOther]);
  const next = talks[0]?.next();
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(await next).toEqual({ digits: "1234", bringGuest: false });
});

test("a yes repeats the digits and whom it is about, also after a failure", async () => {
  const { talks } = await offered();
  let next = talks[0]?.next();
  await userEvent.click(screen.getByRole("checkbox"));
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(await next).toEqual({ digits: "1234", bringGuest: true, offer: "the-tag" });
  talks[0]?.refuse({ reason: "try_again" });
  expect((await screen.findByRole("alert")).textContent).toBe(texts.notNow);
  next = talks[0]?.next();
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(await next).toEqual({ digits: "1234", bringGuest: true, offer: "the-tag" });
  talks[0]?.refuse({ reason: "digits_wrong", triesLeft: 2 });
  await heading(texts.digitsTitle);
});

test("what is not there any more is told, and the sign-in goes on without it", async () => {
  const { talks } = await offered({ ...offer, guest: false });
  expect(screen.getByText(texts.offerGone)).toBeTruthy();
  expect(screen.queryByRole("checkbox")).toBeNull();
  const next = talks[0]?.next();
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(await next).toEqual({ digits: "1234", bringGuest: false });
});

test("how much it is may be unknown", async () => {
  await offered({ ...offer, kinds: {} as typeof offer.kinds });
  expect(screen.getByText(texts.offerUnknown)).toBeTruthy();
});

test("another browser is told that what was done elsewhere may stay there, whether there is something or not", async () => {
  api.on("GET /login/link", () => link({ door: "digits" }));
  setup();
  await heading(texts.digitsTitle);
  expect(screen.getByText(texts.staysThere)).toBeTruthy();
});

test("who is signed in as somebody else is asked after the digits, which are not typed twice", async () => {
  api.on("GET /login/link", () => link({ door: "digits" }));
  const { talks } = setup();
  await heading(texts.digitsTitle);
  await userEvent.type(screen.getByLabelText(texts.digitsLabel), "1234{Enter}");
  await talks[0]?.next();
  talks[0]?.refuse({ reason: "signed_in_as_other" });
  await heading(texts.otherTitle);
  const next = talks[0]?.next();
  await userEvent.click(screen.getByRole("button", { name: texts.otherYes }));
  expect(await next).toEqual({ digits: "1234", replaceSession: true });
  talks[0]?.refuse({ reason: "offer", offer });
  await heading(texts.offerTitle);
  const last = talks[0]?.next();
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(await last).toEqual({ digits: "1234", bringGuest: false, replaceSession: true });
});

test("who is signed in as somebody else is asked first, and may stay", async () => {
  api.on("GET /login/link", () => link({ door: "self", other: true }));
  const { talks, stay } = setup();
  await heading(texts.otherTitle);
  expect(talks).toHaveLength(0);
  await userEvent.click(screen.getByRole("button", { name: texts.otherNo }));
  expect(stay).toHaveBeenCalledOnce();
  await userEvent.click(screen.getByRole("button", { name: texts.otherYes }));
  await waitFor(() => expect(talks).toHaveLength(1));
  expect(await talks[0]?.next()).toEqual({ replaceSession: true });
});

test("what the API asks for only at the confirmation is asked then", async () => {
  api.on("GET /login/link", () => link({ door: "tap" }));
  const { talks } = setup();
  await heading(texts.tapTitle);
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  await talks[0]?.next();
  talks[0]?.refuse({ reason: "signed_in_as_other" });
  await heading(texts.otherTitle);
  await userEvent.click(screen.getByRole("button", { name: texts.otherYes }));
  await heading(texts.tapTitle);
  const next = talks[0]?.next();
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  expect(await next).toEqual({ replaceSession: true });
  talks[0]?.refuse({ reason: "digits_required", triesLeft: 3 });
  await heading(texts.digitsTitle);
  const last = talks[0]?.next();
  await userEvent.type(screen.getByLabelText(texts.digitsLabel), "1234{Enter}");
  expect(await last).toEqual({ digits: "1234", replaceSession: true });
});

test.each(["used", "expired"])("a link that is %s leads to a new one and is never tried", async (state) => {
  api.on("GET /login/link", () => json({ state }));
  const { talks, leave } = setup();
  await heading(texts.goneTitle);
  await userEvent.click(screen.getByRole("button", { name: texts.newLink }));
  expect(leave).toHaveBeenCalledOnce();
  expect(talks).toHaveLength(0);
});

test("a link that died meanwhile is told, and the confirmation ends when that was read", async () => {
  api.on("GET /login/link", () => link());
  const { talks, leave } = setup();
  await heading(texts.tapTitle);
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  await talks[0]?.next();
  const read = talks[0]?.gone();
  await heading(texts.goneTitle);
  await userEvent.click(screen.getByRole("button", { name: texts.newLink }));
  await read;
  expect(leave).not.toHaveBeenCalled(); // the SDK leads on
});

test("an API that is away leaves the link as it is, and can be asked again", async () => {
  let away = true;
  api.on("GET /login/link", () => (away ? json({}, 503) : link()));
  setup();
  await heading(texts.failedTitle);
  away = false;
  await userEvent.click(screen.getByRole("button", { name: texts.tryAgain }));
  await heading(texts.tapTitle);
});

test("links of others are shown as others show them", async () => {
  api.on("GET /login/link", () => json({}, 404));
  setup();
  expect(await screen.findByText("not ours")).toBeTruthy();
});

test("a step that appears is heard: its heading has the focus", async () => {
  api.on("GET /login/link", () => link({ door: "digits" }));
  setup();
  const title = await heading(texts.digitsTitle);
  await waitFor(() => expect(document.activeElement).toBe(title));
});
