package fhir_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

// odd is a Patient with all that a typed model would lose or change.
const odd = "{ \"birthDate\":\"1990-01-01\",\n\t\"_birthDate\": {\"extension\":[{\"url\":\"http://x/&<>\",\"valueDecimal\":1.2300000000000000001}]}," +
	"\"resourceType\" : \"Patient\", \"active\":false,\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"c\",\"meta\":{\"versionId\":\"9\"}}]," +
	"\"name\":[{\"text\":\"S\\u00e4\\/\\u003c\U0001F600\"}] ,\"strange\":{\"id\":\"77\",\"n\":1e999,\"e\":[ ]} }"

// unstamped takes out what the server writes.
func unstamped(body string) string {
	return regexp.MustCompile(`("lastUpdated": ?)"[^"]*"`).ReplaceAllString(body, `$1"U"`)
}

func TestAResourceComesBackByteForByte(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sent, back string }{
		"neither id nor meta": {odd, strings.Replace(odd, `"resourceType" : "Patient"`,
			`"resourceType" : "Patient","id":"1","meta":{"versionId":"1","lastUpdated":"U"}`, 1)},
		"an id of the client's": {`{"id" : "x", "resourceType":"Patient" ,"a":1}`,
			`{"id" : "1", "resourceType":"Patient","meta":{"versionId":"1","lastUpdated":"U"} ,"a":1}`},
		"empty meta": {`{"meta":{ },"resourceType":"Patient"}`,
			`{"meta":{"versionId":"1","lastUpdated":"U" },"resourceType":"Patient","id":"1"}`},
		"meta with a tag": {`{"meta":{"tag":[{"code":"x"}] },"resourceType":"Patient"}`,
			`{"meta":{"versionId":"1","lastUpdated":"U","tag":[{"code":"x"}] },"resourceType":"Patient","id":"1"}`},
		"meta of another server": {`{"resourceType":"Patient","meta":{"lastUpdated": "then","source":"#a","versionId":"41" },"id":"9"}`,
			`{"resourceType":"Patient","meta":{"lastUpdated": "U","source":"#a","versionId":"1" },"id":"1"}`},
		"meta with a version only": {`{"resourceType":"Patient","id":"9","meta":{"versionId":"41"}}`,
			`{"resourceType":"Patient","id":"1","meta":{"lastUpdated":"U","versionId":"1"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, server.Options{})
			made := b.do(t, http.MethodPost, "/Patient", " "+c.sent+"\n")
			require.Equal(t, http.StatusCreated, made.status, made.body)
			require.Equal(t, c.back, unstamped(made.body))
			read := b.do(t, http.MethodGet, "/Patient/1", "")
			require.Equal(t, made.body, read.body)
			require.Contains(t, b.do(t, http.MethodGet, "/Patient", "").body, `"resource":`+made.body+`,"search"`)

			again := b.do(t, http.MethodPut, "/Patient/1", read.body)
			require.Equal(t, http.StatusOK, again.status, again.body)
			require.Equal(t, strings.Replace(unstamped(made.body), `"versionId":"1"`, `"versionId":"2"`, 1), unstamped(again.body))
			stored, ok := b.Get("Patient/1")
			require.True(t, ok)
			require.Equal(t, again.body, string(stored))
			require.Empty(t, b.Unknown())
		})
	}
}

func TestAWriteSaysWhereAndWhichVersion(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	for n := 1; n <= 2; n++ {
		made := b.do(t, http.MethodPost, "/Person", `{"resourceType":"Person"}`)
		require.Equal(t, http.StatusCreated, made.status)
		require.Equal(t, fhirJSON, made.header.Get("Content-Type"))
		require.Equal(t, b.URL()+"/Person/"+strconv.Itoa(n)+"/_history/1", made.header.Get("Location"))
		require.Equal(t, `W/"1"`, made.header.Get("ETag"))
		_, err := http.ParseTime(made.header.Get("Last-Modified"))
		require.NoError(t, err)
	}
	body := `{"resourceType":"Person","id":"2"}`
	require.Equal(t, `W/"2"`, b.do(t, http.MethodPut, "/Person/2", body).header.Get("ETag"))
	quiet := b.do(t, http.MethodPut, "/Person/2", body, "Prefer", "return=minimal")
	require.Equal(t, http.StatusOK, quiet.status)
	require.Equal(t, `W/"3"`, quiet.header.Get("ETag"))
	require.Empty(t, quiet.body)
	require.Equal(t, `W/"3"`, b.do(t, http.MethodGet, "/Person/2", "").header.Get("ETag"))
	require.Empty(t, b.Unknown())
	require.Equal(t, 2, b.Calls("create Person"))
	require.Equal(t, 2, b.Calls("update Person"))
	require.Equal(t, 1, b.Calls("read Person"))
	require.Equal(t, 5, b.Calls(""))
}

func TestIfMatchLetsOnlyTheCurrentVersionBeReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	ref := "/" + b.put(t, patient("62812"))
	body := `{"resourceType":"Patient","id":"1"}`
	require.Equal(t, http.StatusOK, b.do(t, http.MethodPut, ref, body, "If-Match", `W/"1"`).status)
	refused(t, b.do(t, http.MethodPut, ref, body, "If-Match", `W/"1"`), http.StatusPreconditionFailed, "conflict")
	for _, match := range []string{`"2"`, `2`, `W/2`, `W/"02"`, `W/"0"`, `W/"x"`, `*`, ``} {
		refused(t, b.do(t, http.MethodPut, ref, body, "If-Match", match), http.StatusBadRequest, "invalid")
	}
	require.Equal(t, `W/"2"`, b.do(t, http.MethodGet, ref, "").header.Get("ETag"))
	require.Equal(t, http.StatusOK, b.do(t, http.MethodPut, ref, body, "If-Match", `W/"2"`).status)
	require.Empty(t, b.Unknown())
}

func TestAnUpdateNeverCreates(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	refused(t, b.do(t, http.MethodPut, "/Patient/7", `{"resourceType":"Patient","id":"7"}`), http.StatusNotFound, "not-found")
	refused(t, b.do(t, http.MethodGet, "/Patient/7", ""), http.StatusNotFound, "not-found")
	ref := b.put(t, patient("62812"))
	b.Delete(ref)
	b.Delete(ref)
	refused(t, b.do(t, http.MethodPut, "/Patient/1", `{"resourceType":"Patient","id":"1"}`), http.StatusGone, "deleted")
	refused(t, b.do(t, http.MethodGet, "/Patient/1", ""), http.StatusGone, "deleted")
	require.Empty(t, b.All("Patient"))
	require.Empty(t, b.search(t, "Patient", byNumber("62812")))
	_, ok := b.Get(ref)
	require.False(t, ok)
}

func TestMalformedResourcesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	for _, body := range []string{
		`nonsense`, `[]`, `null`, `"Patient"`, `{`, `{"resourceType":"Patient"} {}`, `{}`, `{"resourceType":null}`, `{"resourceType":1}`,
		`{"resourceType":"Person"}`, `{"resourceType":"Patient","a":1,"a":2}`, `{"resourceType":"Patient","x":[{"a":1,"\u0061":2}]}`,
		`{"resourceType":"Patient","id":1}`, `{"resourceType":"Patient","id":"a/b"}`, `{"resourceType":"Patient","meta":[]}`,
		`{"resourceType":"Patient","identifier":{}}`, `{"resourceType":"Patient","identifier":[]}`, `{"resourceType":"Patient","identifier":[null]}`,
		`{"resourceType":"Patient","identifier":["x"]}`, `{"resourceType":"Patient","identifier":[{"value":1}]}`,
		`{"resourceType":"Patient","identifier":[{"system":""}]}`, `{"resourceType":"Patient","telecom":{"system":"phone"}}`,
		`{"resourceType":"Patient","telecom":[{"system":["phone"]}]}`, "{\"resourceType\":\"Patient\",\"a\":\"\xff\"}",
	} {
		refused(t, b.do(t, http.MethodPost, "/Patient", body), http.StatusBadRequest, "invalid")
		_, err := b.Put([]byte(strings.Replace(body, `{"resourceType":"Person"}`, `{"resourceType":"Device"}`, 1)))
		require.Error(t, err, body)
	}
	refused(t, b.do(t, http.MethodPost, "/QuestionnaireResponse", `{"resourceType":"QuestionnaireResponse","identifier":[{}]}`),
		http.StatusBadRequest, "invalid") // the one type whose identifier does not repeat
	b.put(t, `{"resourceType":"Patient"}`)
	refused(t, b.do(t, http.MethodPut, "/Patient/1", `{"resourceType":"Patient","id":"2"}`), http.StatusBadRequest, "invalid")
	refused(t, b.do(t, http.MethodPut, "/Patient/1", `{"resourceType":"Patient"}`), http.StatusBadRequest, "invalid")
	refused(t, b.do(t, http.MethodPost, "/Patient", `{"resourceType":"Patient","x":"`+strings.Repeat("x", 1<<20)+`"}`),
		http.StatusRequestEntityTooLarge, "too-long")
	require.Len(t, b.All("Patient"), 1)
	require.Empty(t, b.Unknown())
}

func TestAnotherWriterCreatesAndUpdates(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	require.Equal(t, "Patient/2", b.put(t, `{"resourceType":"Patient","id":"2"}`))
	require.Equal(t, "Patient/1", b.put(t, `{"resourceType":"Patient"}`))
	require.Equal(t, "Patient/3", b.put(t, `{"resourceType":"Patient"}`))
	require.Equal(t, "Patient/2", b.put(t, `{"resourceType":"Patient","id":"2","active":false}`))
	body, ok := b.Get("Patient/2")
	require.True(t, ok)
	require.Contains(t, string(body), `"versionId":"2"`)
	require.Equal(t, []string{"2", "1", "3"}, b.search(t, "Patient", ""))
	require.Len(t, b.All("Patient"), 3)
	require.Nil(t, b.All("Device"))
	b.Delete("Patient/2")
	b.put(t, `{"resourceType":"Patient","id":"2"}`)
	require.Equal(t, []string{"2", "1", "3"}, b.search(t, "Patient", ""))
	b.Delete("Device/2")
	_, ok = b.Get("Device/2")
	require.False(t, ok)
	require.Equal(t, 2, b.Calls(""))
}

// TestOnlyWhomR4AllowsIsAnAuthor promises that a Person is refused as the author of a QuestionnaireResponse, wherever one is
// written, and that everybody whom R4 names is taken.
func TestOnlyWhomR4AllowsIsAnAuthor(t *testing.T) {
	t.Parallel()
	for author, status := range map[string]int{
		`{"reference":"Person/1"}`:                             422,
		`{"reference":"http://elsewhere/fhir/Person/1"}`:       422,
		`{"reference":"Person/1/_history/2"}`:                  422,
		`{"type":"Person","display":"somebody"}`:               422,
		`{"reference":"Observation/1"}`:                        422,
		`"Patient/1"`:                                          400,
		`{"reference":"Patient/1"}`:                            201,
		`{"reference":"http://elsewhere/fhir/Practitioner/1"}`: 201,
		`{"reference":"RelatedPerson/1/_history/2"}`:           201,
		`{"display":"somebody"}`:                               201,
	} {
		t.Run(author, func(t *testing.T) {
			t.Parallel()
			b := setup(t, server.Options{})
			body := `{"resourceType":"QuestionnaireResponse","author":` + author + `}`
			g := b.do(t, http.MethodPost, "/QuestionnaireResponse", body)
			require.Equal(t, status, g.status, g.body)
			bundle := b.do(t, http.MethodPost, "", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":`+body+
				`,"request":{"method":"POST","url":"QuestionnaireResponse"}}]}`)
			if status == 201 {
				require.Equal(t, 200, bundle.status, bundle.body)
				return
			}
			refused(t, bundle, status, "invalid")
		})
	}
}
