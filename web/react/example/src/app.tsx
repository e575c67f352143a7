import type { WhatsAppLogin } from "@konsulin/whatsapp-login";
import { useEffect, useState, type ReactElement } from "react";
import { redirectToAuth } from "supertokens-auth-react";
import { PasswordlessComponentsOverrideProvider } from "supertokens-auth-react/recipe/passwordless";
import { PasswordlessPreBuiltUI } from "supertokens-auth-react/recipe/passwordless/prebuiltui";
import { signOut, useSessionContext } from "supertokens-auth-react/recipe/session";
import { canHandleRoute, getRoutingComponent } from "supertokens-auth-react/ui";
import { forgetClaim, lastClaim } from "./lastclaim.js";

interface Props {
  whatsApp: WhatsAppLogin;
  sessionUrl: string;
}

/** The prebuilt UI below /auth, with the button and the link page; a page of one's own everywhere else. */
export function App(props: Props): ReactElement {
  if (canHandleRoute([PasswordlessPreBuiltUI])) {
    return (
      <PasswordlessComponentsOverrideProvider components={props.whatsApp.components}>
        {getRoutingComponent([PasswordlessPreBuiltUI])}
      </PasswordlessComponentsOverrideProvider>
    );
  }
  return <Page {...props} />;
}

function Page({ whatsApp, sessionUrl }: Props): ReactElement | null {
  const session = useSessionContext();
  if (session.loading) return null;
  return (
    <main>
      <h1>{window.location.pathname === "/journal" ? "Your journal" : "Welcome"}</h1>
      {session.doesSessionExist ? <User id={session.userId} sessionUrl={sessionUrl} /> : <Guest whatsApp={whatsApp} />}
      <p><a href="/">Welcome</a> · <a href="/journal">Journal</a></p>
    </main>
  );
}

function Guest({ whatsApp }: { whatsApp: WhatsAppLogin }): ReactElement {
  const [id, setId] = useState("…");
  useEffect(() => {
    whatsApp.guest.ensure().then((guest) => setId(guest.id), () => setId("not known: the API is away"));
  }, [whatsApp]);
  return (
    <>
      <p>You are a guest: <code id="guest">{id}</code></p>
      <p>What you do here carries this id, and becomes yours when you sign in.</p>
      <button type="button" onClick={() => void redirectToAuth()}>Sign in</button>
    </>
  );
}

interface SessionInfo {
  roles: string[];
  patient: string;
}

function User({ id, sessionUrl }: { id: string; sessionUrl: string }): ReactElement {
  const [info, setInfo] = useState<SessionInfo>();
  useEffect(() => {
    fetch(sessionUrl, { credentials: "include" })
      .then((response) => response.json() as Promise<SessionInfo>)
      .then(setInfo, () => undefined);
  }, [sessionUrl]);
  const brought = lastClaim();
  const leave = async (): Promise<void> => {
    await signOut();
    forgetClaim();
    window.location.assign("/");
  };
  return (
    <>
      <p>You are signed in: <code id="user">{id}</code></p>
      {info && <p>As <span id="roles">{info.roles.join(", ")}</span>; your Patient is <span id="patient">{info.patient}</span>.</p>}
      {brought !== undefined && <p>Records that came along: <span id="brought">{brought}</span></p>}
      <button type="button" onClick={() => void leave()}>Sign out</button>
    </>
  );
}
