import { act, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactElement } from "react";
import SuperTokens, { SuperTokensWrapper } from "supertokens-auth-react";
import Passwordless, { PasswordlessComponentsOverrideProvider } from "supertokens-auth-react/recipe/passwordless";
import { PasswordlessPreBuiltUI } from "supertokens-auth-react/recipe/passwordless/prebuiltui";
import Session from "supertokens-auth-react/recipe/session";
import { getRoutingComponent } from "supertokens-auth-react/ui";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { createWhatsAppLogin, type Claim, type PasswordlessComponents, type WhatsAppLogin } from "../src/index.js";
import { languages } from "../src/texts.js";
import { FakeApi, json, link, started } from "./fakeapi.js";

// SuperTokens is one per page, so it is one for this file; what a test changes is the API behind it.
const texts = languages.en;
const consume = "POST /signinup/code/consume";
let api = new FakeApi();
let whatsApp: WhatsAppLogin;
const went: string[] = [];
const events: string[] = [];
const claims: Claim[] = [];
const bodies: string[] = [];
let below: PasswordlessComponents;

beforeAll(() => {
  globalThis.fetch = (input, init) => api.fetch(input, init);
  const where = { apiDomain: "https://api.example", apiBasePath: "/auth" };
  whatsApp = createWhatsAppLogin({ ...where, place: "instead", language: "en", onClaim: (claim) => claims.push(claim) });
  below = createWhatsAppLogin({ ...where, place: "below", language: "en" }).components;
  SuperTokens.init({
    appInfo: { appName: "Test", websiteDomain: "https://app.example", websiteBasePath: "/auth", ...where },
    useShadowDom: false,
    windowHandler: (original) => ({
      ...original,
      location: { ...original.location, setHref: (href) => went.push(href), assign: (href) => went.push(href.toString()) },
    }),
    recipeList: [
      Session.init(),
      Passwordless.init(whatsApp.recipe({
        contactMethod: "PHONE",
        onHandleEvent: (event) => events.push(event.action),
        preAPIHook: (context) => Promise.resolve({
          url: context.url, requestInit: { ...context.requestInit, headers: { ...context.requestInit.headers, "x-own": "1" } },
        }),
        postAPIHook: async (context) => void bodies.push(await context.fetchResponse.text()),
      })),
    ],
  });
});

/** Before it knows better, the SDK asks whether there is a session to refresh. */
function freshApi(): FakeApi {
  return new FakeApi().on("POST /session/refresh", () => json({ message: "unauthorised" }, 401));
}

beforeEach(() => {
  api = freshApi();
  for (const list of [went, events, claims, bodies]) list.length = 0;
  for (const cookie of document.cookie.split("; ")) {
    document.cookie = `${cookie.split("=")[0] ?? ""}=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT`;
  }
  localStorage.clear();
});

async function open(path: string, components: PasswordlessComponents = whatsApp.components): Promise<void> {
  window.history.replaceState(null, "", path);
  const Page = (): ReactElement => getRoutingComponent([PasswordlessPreBuiltUI]);
  await act(async () => {
    render(
      <SuperTokensWrapper>
        <PasswordlessComponentsOverrideProvider components={components}><Page /></PasswordlessComponentsOverrideProvider>
      </SuperTokensWrapper>,
    );
  });
}

/** What the bot answers to a confirmed link: the form of SuperTokens' Go SDK, with the session that it made. */
function signedIn(): Response {
  const front = { uid: "user-1", ate: Date.now() + 3_600_000, up: { sessionHandle: "handle-1" } };
  return json(
    { status: "OK", createdNewUser: true, user: { id: "user-1", phoneNumber: "+6281234567890", timeJoined: 1, tenantIds: ["public"] } },
    200, { "front-token": btoa(JSON.stringify(front)), "st-access-token": "" },
  );
}

function refused(reason: string, more: Record<string, unknown> = {}): Response {
  return json({ status: "GENERAL_ERROR", reason, message: "a sentence", ...more });
}

function claimed(): Response {
  return json({ data: { claimed: true, count: 2, referenceList: ["QuestionnaireResponse/1", "QuestionnaireResponse/2"] } });
}

test("the sign-in page of the prebuilt UI has the button instead of a form", async () => {
  api.on("POST /login/start", () => started());
  await open("/auth?redirectToPath=%2Fjournal");
  expect(await screen.findByRole("link", { name: texts.button })).toBeTruthy();
  expect(screen.queryByRole("textbox")).toBeNull();
  expect(api.unexpected).toEqual([]);
  expect(api.to("POST /login/start")[0]?.body).toEqual({ returnPath: "/journal" });
});

test("or below the form, where others serve that", async () => {
  api.on("POST /login/start", () => started());
  await open("/auth", below);
  expect(await screen.findByRole("link", { name: texts.button })).toBeTruthy();
  expect(document.querySelector("input")).not.toBeNull();
  expect(screen.getByText(texts.or)).toBeTruthy();
});

test("one tap signs in by the SDK: its events, hooks, session and redirection, to where the login began", async () => {
  api.on("GET /login/link", () => link({ returnPath: "/journal" }));
  api.on(consume, () => signedIn());
  api.on("PATCH /anonymous/claim", () => claimed());
  await open("/auth/verify?preAuthSessionId=pre&tenantId=public#code");
  expect(await screen.findByText(new RegExp("12 •••• ••••"))).toBeTruthy();
  expect(api.to(consume)).toHaveLength(0); // opening the link is not confirming it
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  await waitFor(() => expect(went).toEqual(["/journal"]));
  expect(api.to(consume)[0]?.body).toMatchObject({ preAuthSessionId: "pre", linkCode: "code" });
  expect(api.to(consume)[0]?.body).not.toHaveProperty("digits");
  expect(new Headers(api.to(consume)[0]?.init.headers).get("x-own")).toBe("1");
  expect(events).toContain("SUCCESS");
  expect(bodies).toHaveLength(1);
  expect(claims).toEqual([{ claimed: true, count: 2, references: ["QuestionnaireResponse/1", "QuestionnaireResponse/2"], reason: "" }]);
  expect(await Session.doesSessionExist()).toBe(true);
  expect(await Session.getUserId()).toBe("user-1");
  // Nothing stays behind by which the SDK would confirm a link without asking.
  expect(await Passwordless.getLoginAttemptInfo()).toBeUndefined();
  expect(api.unexpected).toEqual([]);
});

test("the page waits for the claim before it leads on", async () => {
  let answer: (response: Response) => void = () => undefined;
  api.on("GET /login/link", () => link({ door: "self" }));
  api.on(consume, () => signedIn());
  api.on("PATCH /anonymous/claim", () => new Promise((resolve) => (answer = resolve)));
  await open("/auth/verify?preAuthSessionId=pre#code");
  await waitFor(() => expect(api.to("PATCH /anonymous/claim")).toHaveLength(1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(went).toEqual([]);
  answer(claimed());
  await waitFor(() => expect(went).toEqual(["/"]));
});

test("a claim that fails keeps nobody from signing in", async () => {
  api.on("GET /login/link", () => link({ door: "self" }));
  api.on(consume, () => signedIn());
  api.on("PATCH /anonymous/claim", () => json({}, 500));
  await open("/auth/verify?preAuthSessionId=pre&redirectToPath=%2Fhere#code");
  await waitFor(() => expect(went).toEqual(["/here"]));
  expect(claims).toEqual([]);
});

test("another browser signs in with the digits, and takes along what it was told to", async () => {
  const offer = { guest: true, here: true, records: 1, kinds: { QuestionnaireResponse: 1 }, tag: "the-tag" };
  const ok = { ...((await signedIn().json()) as object), returnPath: "/journal" };
  const headers = Object.fromEntries(signedIn().headers);
  const answers = [refused("digits_wrong", { triesLeft: 2 }), refused("offer", { offer }), json(ok, 200, headers)];
  api.on("GET /login/link", () => link({ door: "digits" }));
  api.on(consume, () => answers.shift() ?? json({}, 500));
  api.on("PATCH /anonymous/claim", () => claimed());
  await open("/auth/verify?preAuthSessionId=pre#code");
  const input = await screen.findByLabelText(texts.digitsLabel);
  await userEvent.type(input, "1111{Enter}");
  await screen.findByText(texts.digitsWrong);
  expect(screen.getByText(/: 2$/)).toBeTruthy();
  expect(went).toEqual([]);
  await userEvent.type(input, "7890{Enter}");
  await screen.findByText(texts.offerForm);
  expect(went).toEqual([]);
  await userEvent.click(screen.getByRole("checkbox"));
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  await waitFor(() => expect(went).toEqual(["/journal"]));
  expect(api.to(consume).map((call) => call.body)).toMatchObject([
    { preAuthSessionId: "pre", linkCode: "code", digits: "1111" },
    { preAuthSessionId: "pre", linkCode: "code", digits: "7890" },
    { preAuthSessionId: "pre", linkCode: "code", digits: "7890", bringGuest: true, offer: "the-tag" },
  ]);
  expect(events.filter((event) => event === "SUCCESS")).toHaveLength(1);
});

test("who is signed in as somebody else is not signed out before saying yes", async () => {
  const answers = [refused("signed_in_as_other"), signedIn()];
  api.on("GET /login/link", () => link());
  api.on(consume, () => answers.shift() ?? json({}, 500));
  api.on("PATCH /anonymous/claim", () => new Response(null, { status: 204 }));
  await open("/auth/verify?preAuthSessionId=pre#code");
  await userEvent.click(await screen.findByRole("button", { name: texts.continue }));
  await userEvent.click(await screen.findByRole("button", { name: texts.otherYes }));
  await userEvent.click(await screen.findByRole("button", { name: texts.continue }));
  await waitFor(() => expect(went).toEqual(["/"]));
  expect(api.to(consume).map((call) => call.body?.["replaceSession"])).toEqual([undefined, true]);
});

test("a link that died leads back to the sign-in page, after that was read", async () => {
  api.on("GET /login/link", () => link());
  api.on(consume, () => json({ status: "RESTART_FLOW_ERROR" }));
  await open("/auth/verify?preAuthSessionId=pre#code");
  await userEvent.click(await screen.findByRole("button", { name: texts.continue }));
  await screen.findByRole("heading", { name: texts.goneTitle });
  expect(went).toEqual([]);
  await userEvent.click(screen.getByRole("button", { name: texts.newLink }));
  await waitFor(() => expect(went[0]).toMatch(/^\/auth\/?\?/));
});

test("a link that is spent for nothing, or is no link at all, is gone as well", async () => {
  for (const answer of [refused("new_link"), json({}, 400)]) {
    api = freshApi();
    api.on("GET /login/link", () => link());
    api.on(consume, () => answer);
    await open("/auth/verify?preAuthSessionId=pre#code");
    await userEvent.click((await screen.findAllByRole("button", { name: texts.continue })).at(-1) as HTMLElement);
    await screen.findAllByRole("heading", { name: texts.goneTitle });
    document.body.replaceChildren();
  }
});

test("an outage keeps the link, and the next tap uses it", async () => {
  const answers = [json({}, 503), refused("try_again"), signedIn()];
  api.on("GET /login/link", () => link());
  api.on(consume, () => answers.shift() ?? json({}, 500));
  api.on("PATCH /anonymous/claim", () => new Response(null, { status: 204 }));
  await open("/auth/verify?preAuthSessionId=pre#code");
  for (let tap = 1; tap <= 2; tap++) {
    await userEvent.click(await screen.findByRole("button", { name: texts.continue }));
    await waitFor(() => expect(api.to(consume)).toHaveLength(tap));
    await screen.findByText(texts.notNow);
  }
  await userEvent.click(screen.getByRole("button", { name: texts.continue }));
  await waitFor(() => expect(went).toEqual(["/"]));
});

test("a link of others is left to the SDK's own screen and its own confirmation", async () => {
  api.on("GET /login/link", () => json({}, 404));
  api.on(consume, () => signedIn());
  await open("/auth/verify?preAuthSessionId=mail#code");
  await userEvent.click(await screen.findByRole("button", { name: "CONTINUE" }));
  await waitFor(() => expect(went).toEqual(["/"]));
  expect(api.to(consume)[0]?.body).toMatchObject({ preAuthSessionId: "mail", linkCode: "code" });
  expect(api.to("PATCH /anonymous/claim")).toHaveLength(0);
});

test("a return path of the address that leads away is forgotten", async () => {
  api.on("GET /login/link", () => link({ door: "self" }));
  api.on(consume, () => signedIn());
  api.on("PATCH /anonymous/claim", () => new Response(null, { status: 204 }));
  await open("/auth/verify?preAuthSessionId=pre&redirectToPath=%2F%2Fevil.example#code");
  await waitFor(() => expect(went).toEqual(["/"]));
});
