import { act, fireEvent, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { Api } from "../src/api.js";
import { WhatsAppButton } from "../src/button.js";
import { Login } from "../src/login.js";
import { languages } from "../src/texts.js";
import { FakeApi, json, started } from "./fakeapi.js";

const texts = languages.en;
let api: FakeApi;
let login: Login;

beforeEach(() => {
  api = new FakeApi();
  vi.stubGlobal("fetch", api.fetch);
  login = new Login(new Api({ apiDomain: "https://api.example" }));
  // A page that is left is not what these tests are about.
  document.addEventListener("click", (event) => event.preventDefault(), { once: true });
});

test("the login has begun before the press, so that the press opens WhatsApp at once, in a tab of its own", async () => {
  api.on("POST /login/start", () => started());
  render(<WhatsAppButton login={login} returnPath="/journal" language="en" />);
  const link = await screen.findByRole("link", { name: texts.button });
  expect(link.getAttribute("href")).toMatch(/^https:\/\/wa\.me\//);
  expect(link.getAttribute("target")).toBe("_blank");
  expect(link.getAttribute("rel")).toContain("noopener");
  expect(api.calls[0]?.body).toEqual({ returnPath: "/journal" });
  expect(screen.queryByText(texts.nextLink)).toBeNull();
  await userEvent.click(link);
  expect(screen.getByText(texts.nextLink)).toBeTruthy();
});

test("without a reference nothing is polled", async () => {
  api.on("POST /login/start", () => started());
  render(<WhatsAppButton login={login} language="en" pollEvery={5} />);
  await userEvent.click(await screen.findByRole("link"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(api.to("GET /login/attempt")).toHaveLength(0);
});

test("with a reference the page says that the message came, and asks no more", async () => {
  const states = ["waiting", "waiting", "received"];
  api.on("POST /login/start", () => started({ reference: "K7QM2X" }));
  api.on("GET /login/attempt", () => json({ state: states.shift() ?? "waiting" }));
  render(<WhatsAppButton login={login} language="en" pollEvery={5} />);
  const link = await screen.findByRole("link");
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(api.to("GET /login/attempt")).toHaveLength(0);
  await userEvent.click(link);
  expect(await screen.findByText(texts.received)).toBeTruthy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(api.to("GET /login/attempt")).toHaveLength(3);
});

test("an API that was away is asked again by the press, and a second failure is told", async () => {
  let away = true;
  api.on("POST /login/start", () => (away ? json({}, 503) : started()));
  render(<WhatsAppButton login={login} language="en" />);
  const button = await screen.findByRole("button", { name: texts.button });
  expect(screen.queryByRole("alert")).toBeNull();
  await userEvent.click(button);
  expect((await screen.findByRole("alert")).textContent).toBe(texts.startFailed);
  away = false;
  const opened = { opener: window };
  const open = vi.spyOn(window, "open").mockReturnValue(opened as unknown as Window);
  await userEvent.click(button);
  expect(await screen.findByRole("link")).toBeTruthy();
  expect(open).toHaveBeenCalledWith(expect.stringMatching(/^https:\/\/wa\.me\//), "_blank");
  expect(opened.opener).toBeNull();
  expect(screen.queryByRole("alert")).toBeNull();
});

test("a line that is down is said, nobody is sent into the chat, and it comes back", async () => {
  let down = true;
  api.on("POST /login/start", () =>
    down ? json({ status: "LINE_DOWN", reason: "banned" }, 503, { "retry-after": "3600" }) : started());
  render(<WhatsAppButton login={login} language="en" />);
  expect((await screen.findByRole("alert")).textContent).toBe(texts.lineDown);
  expect(screen.queryByRole("link")).toBeNull();
  const open = vi.spyOn(window, "open").mockReturnValue({} as Window);
  const again = screen.getByRole("button", { name: texts.tryAgain });
  await userEvent.click(again);
  expect(screen.getByRole("alert").textContent).toBe(texts.lineDown);
  expect(api.to("POST /login/start")).toHaveLength(2);
  down = false;
  await userEvent.click(again);
  expect(await screen.findByRole("link", { name: texts.button })).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
  expect(open).not.toHaveBeenCalled(); // trying again is no wish to leave the page
});

test("a line that is up again is noticed without a press", async () => {
  let down = true;
  api.on("POST /login/start", () => (down ? json({ status: "LINE_DOWN", reason: "connecting" }, 503, { "retry-after": "1" }) : started()));
  render(<WhatsAppButton login={login} language="id" />);
  expect((await screen.findByRole("alert")).textContent).toBe(languages.id.lineDown);
  down = false;
  expect(await screen.findByRole("link", {}, { timeout: 10_000 })).toBeTruthy();
});

test("a login that is over by the time of the press begins anew", async () => {
  let expires = 0;
  api.on("POST /login/start", () => started({ expires_in: expires, url: `https://wa.me/1?text=${String(expires)}` }));
  const open = vi.spyOn(window, "open").mockReturnValue({} as Window);
  render(<WhatsAppButton login={login} language="en" />);
  const link = await screen.findByRole("link");
  expires = 1800;
  const press = fireEvent.click(link);
  expect(press).toBe(false); // the old link is not followed
  await vi.waitFor(() => expect(open).toHaveBeenCalledWith("https://wa.me/1?text=1800", "_blank"));
});

test("who comes back signed in, by the link in another tab, is noticed", async () => {
  api.on("POST /login/start", () => started());
  let session = false;
  const signedIn = vi.fn();
  const isSignedIn = vi.fn(() => Promise.resolve(session));
  render(<WhatsAppButton login={login} language="en" isSignedIn={isSignedIn} onSignedIn={signedIn} />);
  const link = await screen.findByRole("link");
  act(() => void window.dispatchEvent(new Event("focus")));
  expect(isSignedIn).not.toHaveBeenCalled(); // nothing has begun yet
  await userEvent.click(link);
  await act(async () => void window.dispatchEvent(new Event("focus")));
  expect(signedIn).not.toHaveBeenCalled();
  session = true;
  await act(async () => void document.dispatchEvent(new Event("visibilitychange")));
  expect(signedIn).toHaveBeenCalledExactlyOnceWith("link");
});

describe("a code from the chat", () => {
  const codes: Response[] = [];
  const signedIn = vi.fn();

  async function openForm(): Promise<HTMLElement> {
    codes.length = 0;
    signedIn.mockClear();
    api.on("POST /login/start", () => started({ reference: "K7QM2X", desktop_code: true }));
    api.on("POST /login/code", () => codes.shift() ?? json({}, 500));
    render(<WhatsAppButton login={login} language="en" pollEvery={60_000} onSignedIn={signedIn} />);
    const link = await screen.findByRole("link");
    expect(screen.queryByLabelText(texts.codeLabel)).toBeNull(); // nothing was sent yet
    await userEvent.click(link);
    return screen.findByLabelText(texts.codeLabel);
  }

  test("signs this browser in", async () => {
    const input = await openForm();
    codes.push(json({ status: "GENERAL_ERROR", reason: "code_wrong", triesLeft: 4 }), json({ status: "OK" }));
    await userEvent.type(input, "12345{Enter}");
    expect(screen.getByRole("alert").textContent).toBe(texts.codeShape);
    expect(api.to("POST /login/code")).toHaveLength(0);
    await userEvent.type(input, "6{Enter}");
    expect(await screen.findByText(`${texts.codeWrong} Tries left: 4`)).toBeTruthy();
    expect(signedIn).not.toHaveBeenCalled();
    await userEvent.type(input, "654321{Enter}");
    await vi.waitFor(() => expect(signedIn).toHaveBeenCalledExactlyOnceWith("code"));
    expect(api.to("POST /login/code").map((call) => call.body)).toEqual([{ code: "123456" }, { code: "654321" }]);
  });

  test("replaces who is signed in here only when pressed again", async () => {
    const input = await openForm();
    codes.push(json({ status: "GENERAL_ERROR", reason: "signed_in_as_other" }), json({ status: "OK" }));
    await userEvent.type(input, "123456{Enter}");
    expect(await screen.findByText(texts.codeOther)).toBeTruthy();
    await userEvent.type(input, "{Enter}");
    await vi.waitFor(() => expect(signedIn).toHaveBeenCalled());
    expect(api.to("POST /login/code").map((call) => call.body)).toEqual([{ code: "123456" }, { code: "123456", replaceSession: true }]);
  });

  test("that is dead, or an API that is away, is told", async () => {
    const input = await openForm();
    codes.push(json({ status: "RESTART_FLOW_ERROR" }), json({ status: "GENERAL_ERROR", reason: "new_link" }), json({}, 503));
    await userEvent.type(input, "123456{Enter}");
    expect(await screen.findByText(texts.codeGone)).toBeTruthy();
    await userEvent.type(input, "{Enter}");
    await vi.waitFor(() => expect(api.to("POST /login/code")).toHaveLength(2));
    expect(await screen.findByText(texts.codeGone)).toBeTruthy();
    await userEvent.type(input, "{Enter}");
    expect(await screen.findByText(texts.notNow)).toBeTruthy();
    expect(signedIn).not.toHaveBeenCalled();
  });
});
