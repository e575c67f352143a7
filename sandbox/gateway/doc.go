// Package gateway is a stand-in for the Konsulin API (konsulin-api) as far as a sign-in goes: the SuperTokens routes that
// its front end calls, with their side effects on the FHIR server and in the omnichannel system, the guest routes, and a
// plain page in place of the front end's own /auth/verify. It speaks with a core, a FHIR server and a webhook over HTTP,
// whichever they are, and keeps nothing itself but a key for guests' tokens and the links that it would have sent.
//
// It must not know any room of the product, nor the SuperTokens SDK.
//
// # What it does, in the gateway's order
//
//   - A code is created: the core makes it; then the Patient and the contact are made, also for a number that has no user
//     yet (such a Patient carries no user id); then the link is sent.
//   - A code is consumed: the core deletes it and makes the user; then come the role, the Patient and the contact; the
//     session is last.
//   - An invitation ([Server.Invite]) makes the user at once, by creating a code and consuming it, which deletes every
//     other code of the number; then it creates the code that it sends.
//
// # How it writes
//
// As the gateway does, so that races can be shown: it looks for the Patient by the number's digits in telecom (by user id
// when there is no number), takes the first one found, puts the user's id there even over another's, and else creates one
// without condition. It updates without If-Match. The webhook is called each time, with the Patient's name. A claim of a
// guest's records reads the first page only and answers claimed: true whatever it did.
//
// It differs where the gateway would depend on others: a contact whose Patient has no name is named by its number, because
// the webhook refuses an empty name. Fields that it does not edit are kept.
//
// It is stricter than the gateway: an unknown path, method, parameter or body field is refused and listed by
// [Server.Unknown]. Headers are not checked, because browsers send what they like.
package gateway
