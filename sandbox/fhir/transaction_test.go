package fhir_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

func transaction(entries ...string) string {
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
}

func entry(method, url, resource, more string) string {
	if resource != "" {
		resource = `"resource":` + resource + `,`
	}
	return `{` + resource + `"request":{"method":"` + method + `","url":"` + url + `"` + more + `}}`
}

func TestATransactionDoesAllAndAnswersInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.put(t, patient("62812"))
	b.put(t, patient("62813"))
	changed := `{ "id":"1", "resourceType":"Patient","x":1.20 }`
	for _, path := range []string{"", "/"} {
		b.put(t, patient("62812")[:len(patient("62812"))-1]+`,"id":"1"}`)
		stored := b.do(t, http.MethodGet, "/Patient/1", "")
		got := b.do(t, http.MethodPost, path, transaction(
			entry("GET", "Patient/1", "", ""),
			entry("GET", "Patient?"+byNumber("62813"), "", ""),
			entry("PUT", "Patient/1", changed, `,"ifMatch":"`+strings.ReplaceAll(stored.header.Get("ETag"), `"`, `\"`)+`"`),
			entry("POST", "Person", `{"resourceType":"Person"}`, ""),
			entry("POST", "Patient", patient("62813"), `,"ifNoneExist":"`+byNumber("62813")+`"`),
		))
		answer := got.bundle(t)
		require.Equal(t, "transaction-response", answer.Type)
		require.Len(t, answer.Entry, 5)
		now, ok := b.Get("Patient/1")
		require.True(t, ok)
		require.Contains(t, string(now), `"x":1.20 }`)
		require.Equal(t, string(now), string(answer.Entry[0].Resource), "reads come last")
		require.Equal(t, "200", answer.Entry[0].Response.Status)
		require.Contains(t, string(answer.Entry[1].Resource), `"searchset"`)
		require.Equal(t, "200", answer.Entry[2].Response.Status)
		require.True(t, strings.HasPrefix(answer.Entry[2].Response.Location, b.URL()+"/Patient/1/_history/"))
		require.Equal(t, b.do(t, http.MethodGet, "/Patient/1", "").header.Get("ETag"), answer.Entry[2].Response.Etag)
		require.Equal(t, "201", answer.Entry[3].Response.Status)
		require.Equal(t, "200", answer.Entry[4].Response.Status)
		require.Equal(t, b.URL()+"/Patient/2/_history/1", answer.Entry[4].Response.Location)
	}
	require.Len(t, b.All("Person"), 2)
	require.Len(t, b.All("Patient"), 2)
	require.Equal(t, 2, b.Calls("transaction"))
	require.Empty(t, b.Unknown())
}

func TestATransactionDoesNothingWhenOneEntryFails(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.put(t, patient("62812"))
	b.put(t, patient("62812"))
	b.put(t, patient("62813"))
	b.Delete("Patient/3")
	good := entry("POST", "Person", `{"resourceType":"Person"}`, "") + "," +
		entry("PUT", "Patient/1", `{"resourceType":"Patient","id":"1"}`, "")
	for failing, want := range map[string]struct {
		status int
		code   string
	}{
		entry("PUT", "Patient/2", `{"resourceType":"Patient","id":"2"}`, `,"ifMatch":"W/\"2\""`): {412, "conflict"},
		entry("PUT", "Patient/9", `{"resourceType":"Patient","id":"9"}`, ``):                     {404, "not-found"},
		entry("PUT", "Patient/3", `{"resourceType":"Patient","id":"3"}`, ``):                     {410, "deleted"},
		entry("GET", "Patient/9", "", ""):                                                        {404, "not-found"},
		entry("GET", "Patient/2", patient("1"), ""):                                              {400, "invalid"},
		entry("POST", "Patient", patient("62812"), `,"ifNoneExist":"`+byNumber("62812")+`"`):     {412, "conflict"},
		entry("PUT", "Patient/1", `{"resourceType":"Patient","id":"1"}`, ``):                     {400, "invalid"},
		entry("PUT", "Patient/2", `{"resourceType":"Patient","id":"1"}`, ``):                     {400, "invalid"},
		entry("PUT", "Patient/2", `{"resourceType":"Patient","id":"2"}`, `,"ifMatch":"2"`):       {400, "invalid"},
		entry("POST", "Patient", `{"resourceType":"Person"}`, ``):                                {400, "invalid"},
		entry("POST", "Patient", `{"resourceType":"Patient","identifier":{}}`, ``):               {400, "invalid"},
		entry("POST", "Patient", ``, ``):                                                         {400, "invalid"},
		`{"resource":{"resourceType":"Patient"}}`:                                                {400, "invalid"},
		`{"request":{"url":"Patient/1"}}`:                                                        {400, "invalid"},
		`{"request":{"method":"GET"}}`:                                                           {400, "invalid"},
		`null`:                                                                                   {400, "invalid"},
		entry("POST", "Patient", patient("5"), `,"ifNoneExist":"_id=5"`) + "," + entry("POST", "Patient", patient("5"), `,"ifNoneExist":"_id=5"`): {400, "invalid"},
	} {
		refused(t, b.do(t, http.MethodPost, "", transaction(good, failing)), want.status, want.code)
	}
	for _, body := range []string{`[]`, `{}`, `{"resourceType":"Patient","type":"transaction"}`, transaction(),
		`{"resourceType":"Bundle","type":"transaction","entry":{}}`, `{"resourceType":"Bundle","type":"transaction","type":"transaction"}`} {
		refused(t, b.do(t, http.MethodPost, "", body), http.StatusBadRequest, "invalid")
	}
	require.Empty(t, b.Unknown())
	require.Empty(t, b.All("Person"))
	require.Equal(t, `W/"1"`, b.do(t, http.MethodGet, "/Patient/1", "").header.Get("ETag"))
	require.Len(t, b.All("Patient"), 2)
}

func TestWhatATransactionDoesNotKnowIsRefusedAndListed(t *testing.T) {
	t.Parallel()
	for body, unknown := range map[string]string{
		`{"resourceType":"Bundle","type":"batch"}`:                               "a Bundle that is no transaction",
		`{"resourceType":"Bundle","type":"transaction","link":[]}`:               `unknown field "link" of Bundle`,
		transaction(`{"request":{"method":"GET","url":"Patient/1"},"search":1}`): `unknown field "search" of Bundle.entry`,
		transaction(entry("GET", "Patient/1", "", `,"ifNoneMatch":"x"`)):         `unknown field "ifNoneMatch" of Bundle.entry.request`,
		transaction(entry("DELETE", "Patient/1", "", "")):                        "unknown method of an entry, or one that does not go with its url",
		transaction(entry("GET", "Patient", "", "")):                             "unknown method of an entry, or one that does not go with its url",
		transaction(entry("PUT", "Patient?_id=1", patient("1"), "")):             "unknown method of an entry, or one that does not go with its url",
		transaction(entry("GET", "Device/1", "", "")):                            "unknown url of an entry",
		transaction(entry("GET", "/Patient/1", "", "")):                          "unknown url of an entry",
		transaction(entry("GET", "Patient?x=1", "", "")):                         `unknown parameter "x"`,
		transaction(entry("GET", "Patient/1", "", `,"ifMatch":"W/\"1\""`)):       "ifMatch that is no string or not of a PUT",
		transaction(entry("GET", "Patient/1", "", `,"ifNoneExist":"_id=1"`)):     "ifNoneExist that is no string or not of a POST",
		transaction(`{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","x":"urn:uuid:1"},"request":{"method":"POST","url":"Patient"}}`): "a reference to another entry of the Bundle",
	} {
		t.Run(unknown, func(t *testing.T) {
			t.Parallel()
			b := setup(t, server.Options{})
			b.put(t, patient("62812"))
			refused(t, b.do(t, http.MethodPost, "", body), http.StatusBadRequest, "invalid")
			require.Equal(t, []string{"POST /fhir: " + unknown}, b.Unknown())
			require.Len(t, b.All("Patient"), 1)
		})
	}
}

func TestATransactionWithoutEntriesDoesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	answer := b.do(t, http.MethodPost, "", `{"resourceType":"Bundle","type":"transaction"}`).bundle(t)
	require.Equal(t, "transaction-response", answer.Type)
	require.Empty(t, answer.Entry)
}
