// Package fhir is a stand-in for a FHIR R4 server: create, read, search, update, conditional create and transaction
// bundles for Patient, Practitioner, Person and QuestionnaireResponse, in memory and on loopback.
//
// It owns resources as raw JSON with all their versions, indexes over them, and faults on demand. It must not know
// any room of the product.
//
// A resource comes back byte for byte as it was sent, but for the top-level id and, within meta, versionId and
// lastUpdated. Pages of a search show the server as it was when the first page was read, as Blaze does: a resource
// that is updated or deleted between two pages still comes, in its old version, and no other one is skipped. HAPI
// shows current versions there, and servers that page by offset skip some.
//
// It is stricter than real servers, which let much pass:
//   - A path, method, parameter, header or Bundle field that it does not know is listed by [Server.Unknown], so that a
//     test can fail. It is also refused, but for headers and for what stands in If-None-Exist, where the stand-in does
//     what servers do: it ignores the header, and creates without condition. Real servers ignore unknown parameters of
//     a search, too, and then find everything.
//   - Bodies must say application/fhir+json. Real servers also take application/json.
//   - An identifier is searched with system and value. Real servers also take one of them.
//   - Every path asks for credentials, the CapabilityStatement too.
//   - A body with duplicate keys or invalid UTF-8 is refused, and so is an empty identifier or telecom array.
//   - An update never creates: ids are the server's to choose, as on Medplum.
//   - A conditional create that finds a resource answers without Location.
//
// And it is more lenient in these: an update that changes nothing makes a new version (not on Blaze), references may
// point nowhere (Blaze refuses those by default), and resources are not validated beyond what searches need, except
// that the author of a QuestionnaireResponse is of a type that R4 allows (a Person is not: 422).
//
// The check of a conditional create sees every write in normal mode, as on Blaze. After [Server.Racy] it is a search
// like any other, so [Server.IndexLag] delays it, and the write comes some milliseconds later.
package fhir
