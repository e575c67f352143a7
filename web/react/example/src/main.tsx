import { createWhatsAppLogin } from "@konsulin/whatsapp-login";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import SuperTokens, { SuperTokensWrapper } from "supertokens-auth-react";
import Passwordless from "supertokens-auth-react/recipe/passwordless";
import Session from "supertokens-auth-react/recipe/session";
import { App } from "./app.js";
import { loadConfig } from "./config.js";
import { rememberClaim } from "./lastclaim.js";
import "./app.css";

async function start(root: HTMLElement): Promise<void> {
  const where = await loadConfig();
  const whatsApp = createWhatsAppLogin({ ...where, place: "instead", onClaim: rememberClaim });
  SuperTokens.init({
    appInfo: { appName: "Example", websiteDomain: window.location.origin, websiteBasePath: "/auth", ...where },
    recipeList: [Session.init(), Passwordless.init(whatsApp.recipe({ contactMethod: "PHONE" }))],
  });
  createRoot(root).render(
    <StrictMode>
      <SuperTokensWrapper>
        <App whatsApp={whatsApp} sessionUrl={where.apiDomain + where.apiBasePath + "/session"} />
      </SuperTokensWrapper>
    </StrictMode>,
  );
}

const root = document.getElementById("app");
if (root) {
  start(root).catch((error: unknown) => {
    root.textContent = `The example could not start: ${String(error)}`;
  });
}
