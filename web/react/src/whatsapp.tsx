import type { ComponentType, ReactElement } from "react";
import { redirectToAuth } from "supertokens-auth-react";
import type { PasswordlessComponentsOverrideProvider } from "supertokens-auth-react/recipe/passwordless";
import type Passwordless from "supertokens-auth-react/recipe/passwordless";
import Session from "supertokens-auth-react/recipe/session";
import { Api, type ApiConfig } from "./api.js";
import { WhatsAppButton } from "./button.js";
import { confirm, noteRefusal } from "./confirm.js";
import type { Conversation } from "./conversation.js";
import { GuestSession, type Claim } from "./guest.js";
import { LinkPage } from "./linkpage.js";
import { Login } from "./login.js";
import { pathFromAddress } from "./returnpath.js";
import { textsFor, type Language, type Texts } from "./texts.js";

/** What Passwordless.init takes. */
export type PasswordlessConfig = Parameters<typeof Passwordless.init>[0];

/** What PasswordlessComponentsOverrideProvider takes. */
export type PasswordlessComponents = Parameters<typeof PasswordlessComponentsOverrideProvider>[0]["components"];

type LinkClicked = NonNullable<PasswordlessComponents["PasswordlessLinkClickedScreen_Override"]>;

export interface WhatsAppLoginConfig extends ApiConfig {
  /**
   * Where the button stands: "instead" of the form for a number or an address, which is right when nobody but the bot
   * signs users in; or "below" it, when others (such as a gateway) serve the form.
   */
  place: "instead" | "below";
  language?: Language;
  /** Your own words, laid over the built-in ones. */
  texts?: Partial<Texts>;
  /** Where to go after a sign-in. Default: the `redirectToPath` of the page's address, when it is safe. */
  returnPath?: () => string | undefined;
  /**
   * Whether a sign-in waits until the guest's records are the user's, so that the next page finds them; at most so many
   * milliseconds. Default 10 s; 0 does not ask at all. The sign-in goes on, however that ends.
   */
  claimWait?: number;
  /** Hears what became of the guest's records. */
  onClaim?: (claim: Claim) => void;
}

/** The parts that an application wires up: see the README. */
export interface WhatsAppLogin {
  login: Login;
  guest: GuestSession;
  /** Lays what a link needs over your configuration of the recipe: `Passwordless.init(whatsApp.recipe({…}))`. */
  recipe: (config: PasswordlessConfig) => PasswordlessConfig;
  /** For `<PasswordlessComponentsOverrideProvider components={whatsApp.components}>`. */
  components: PasswordlessComponents;
}

/** Makes the login with WhatsApp for one application. Call it once, before SuperTokens.init. */
export function createWhatsAppLogin(config: WhatsAppLoginConfig): WhatsAppLogin {
  const api = new Api(config);
  const login = new Login(api);
  const guest = new GuestSession(api);
  // The conversation about the link that was opened last.
  const current: { talk?: Conversation } = {};
  return {
    login,
    guest,
    recipe: (own) => withLinks(own, current, () => claimQuietly(guest, config)),
    components: components(config, login, guest, (talk) => (current.talk = talk)),
  };
}

function withLinks(own: PasswordlessConfig, current: { talk?: Conversation }, arrived: () => Promise<void>): PasswordlessConfig {
  return {
    ...own,
    postAPIHook: async (context) => {
      await noteRefusal(context);
      await own.postAPIHook?.(context);
    },
    override: {
      functions: (original) => {
        const theirs = own.override?.functions?.(original) ?? original;
        return {
          ...theirs,
          consumeCode: (input) => {
            const { talk } = current;
            const ours = talk && "linkCode" in input && talk.link === input.preAuthSessionId;
            // Codes that are typed, and links of others, are not for us.
            return ours ? confirm(theirs, input, talk, arrived) : theirs.consumeCode(input);
          },
        };
      },
    },
  };
}

async function claimQuietly(guest: GuestSession, config: WhatsAppLoginConfig): Promise<void> {
  const wait = config.claimWait ?? 10_000;
  if (wait === 0) return;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error("the claim took too long")), wait);
  try {
    const claim = await guest.claim({ wait, signal: abort.signal });
    config.onClaim?.(claim);
  } catch {
    // The API goes on with it; whoever wants to know asks again.
  } finally {
    clearTimeout(timer);
  }
}

function components(
  config: WhatsAppLoginConfig, login: Login, guest: GuestSession, talk: (with_: Conversation) => void,
): PasswordlessComponents {
  const returnPath = (): string | undefined => config.returnPath?.() ?? pathFromAddress();
  const button = (): ReactElement => (
    <WhatsAppButton login={login} returnPath={returnPath()} language={config.language} texts={config.texts} isSignedIn={isSignedIn}
      onSignedIn={(by) => void arrive(by === "code" ? claimQuietly(guest, config) : Promise.resolve(), returnPath())} />
  );
  return {
    PasswordlessEmailForm_Override: withButton(config, button),
    PasswordlessPhoneForm_Override: withButton(config, button),
    PasswordlessEmailOrPhoneForm_Override: withButton(config, button),
    PasswordlessEPComboEmailForm_Override: withButton(config, button),
    PasswordlessEPComboEmailOrPhoneForm_Override: withButton(config, button),
    PasswordlessLinkClickedScreen_Override: linkScreen(config, login, returnPath, talk),
  };
}

/** A form with the button, or the button alone. The forms differ in what they are given; all of it is handed on. */
function withButton<Props extends object>(
  config: WhatsAppLoginConfig, button: () => ReactElement,
): ComponentType<Props & { DefaultComponent: ComponentType<Props> }> {
  return function WithWhatsApp(props): ReactElement {
    const { DefaultComponent, ...rest } = props;
    if (config.place === "instead") return button();
    return (
      <>
        <DefaultComponent {...(rest as unknown as Props)} />
        <p data-konsulin="or">{textsFor(config.language, config.texts).or}</p>
        {button()}
      </>
    );
  };
}

function isSignedIn(): Promise<boolean> {
  return Session.doesSessionExist();
}

/** Leaves the sign-in page. Without a path the SDK knows where to: its page sends away whoever is signed in. */
async function arrive(claimed: Promise<void>, path: string | undefined): Promise<void> {
  await claimed;
  if (path === undefined) window.location.reload();
  else window.location.assign(path);
}

function linkScreen(
  config: WhatsAppLoginConfig, login: Login, returnPath: () => string | undefined, talk: (with_: Conversation) => void,
): LinkClicked {
  return function WhatsAppLink({ DefaultComponent, ...props }): ReactElement {
    const id = new URLSearchParams(window.location.search).get("preAuthSessionId");
    // A link that this browser asked for by e-mail is confirmed by the SDK itself.
    if (!props.requireUserInteraction || id === null) return <DefaultComponent {...props} />;
    return (
      <LinkPage login={login} preAuthSessionId={id} returnPath={returnPath()} language={config.language} texts={config.texts}
        confirm={(now) => {
          talk(now);
          props.consumeCode();
        }}
        leave={() => void redirectToAuth({ redirectBack: false })}
        stay={() => window.location.assign(returnPath() ?? "/")}
        foreign={<DefaultComponent {...props} />} />
    );
  };
}
