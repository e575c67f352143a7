export { ApiError, type ApiConfig } from "./api.js";
export { WhatsAppButton, type WhatsAppButtonProps } from "./button.js";
export {
  GuestSession, decodePayload, guestIdentifier, guestIdentifierSystem, type Claim, type Guest,
} from "./guest.js";
export {
  Login, type AttemptState, type ConsumeFields, type Door, type LinkView, type Offer, type Refusal, type StartedLogin,
} from "./login.js";
export { isSafePath } from "./returnpath.js";
export { languages, type Language, type Texts } from "./texts.js";
export {
  createWhatsAppLogin, type PasswordlessComponents, type PasswordlessConfig, type WhatsAppLogin, type WhatsAppLoginConfig,
} from "./whatsapp.js";
