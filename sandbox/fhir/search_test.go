package fhir_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

func TestSearchParametersFindExactly(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.put(t, patient("62812"))
	b.put(t, patient("+62812"))
	b.put(t, `{"resourceType":"Patient","telecom":[{"system":"email","value":"62812"},{"system":"phone","value":"1,2|3\\$"}]}`)
	b.put(t, `{"resourceType":"Patient","identifier":[{"system":"s","value":"62812"}],"contained":[{"resourceType":"Patient","identifier":[{"system":"s","value":"in"}]}]}`)
	for query, want := range map[string][]string{
		"":                                     {"1", "2", "3", "4"},
		byNumber("62812"):                      {"1"},
		byNumber("+62812"):                     {"2"},
		byNumber("6281"):                       {},
		"identifier=s%7C62812":                 {"4"},
		"identifier=s%7Cin":                    {},
		"identifier=S%7C62812":                 {},
		"phone=62812":                          {"1"},
		"phone=%2B62812":                       {"2"},
		"phone=+62812":                         {},
		"phone=%2B62812,62812":                 {"1", "2"},
		"phone=%2B62812&phone=62812":           {},
		"phone=62812&" + byNumber("62812"):     {"1"},
		"telecom=62812":                        {"1", "3"},
		"telecom=email%7C62812":                {"3"},
		"telecom=phone%7C62812,email%7C62812":  {"1", "3"},
		`phone=1%5C,2%5C%7C3%5C%5C%5C$`:        {"3"},
		"_id=3,1,9":                            {"1", "3"},
		"_id=1&phone=62812":                    {"1"},
		"_id=2&phone=62812":                    {},
		"_count=1":                             {"1", "2", "3", "4"},
		"_count=3&telecom=62812&_total=none":   {"1", "3"},
		"telecom=62812&_count=1000&_id=3,4,62": {"3"},
	} {
		require.Equal(t, want, b.search(t, "Patient", query), query)
	}
	require.Empty(t, b.Unknown())
	b.put(t, `{"resourceType":"Patient","id":"1"}`)
	require.Empty(t, b.search(t, "Patient", byNumber("62812")))
}

func TestSearchOfAQuestionnaireResponseByItsOneIdentifier(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.put(t, `{"resourceType":"QuestionnaireResponse","identifier":{"system":"g","value":"x"},"telecom":7}`)
	b.put(t, `{"resourceType":"QuestionnaireResponse"}`)
	require.Equal(t, []string{"1"}, b.search(t, "QuestionnaireResponse", "identifier=g%7Cx"))
	require.Empty(t, b.Unknown())
	refused(t, b.do(t, http.MethodGet, "/QuestionnaireResponse?phone=1", ""), http.StatusBadRequest, "invalid")
	require.Equal(t, []string{`GET /fhir/QuestionnaireResponse: unknown parameter "phone"`}, b.Unknown())
}

func TestSearchByFormIsASearch(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.put(t, patient("62812"))
	b.put(t, patient("62813"))
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	page := b.do(t, http.MethodPost, "/Patient/_search?_total=accurate", "phone=62812,62813&_count=1", form...).bundle(t)
	require.Equal(t, []string{"1"}, page.ids(t))
	require.Equal(t, 2, *page.Total)
	next := b.do(t, http.MethodGet, strings.TrimPrefix(page.link("next"), b.URL()), "").bundle(t)
	require.Equal(t, []string{"2"}, next.ids(t))
	refused(t, b.do(t, http.MethodPost, "/Patient/_search", "phone=62812"), http.StatusUnsupportedMediaType, "not-supported")
	refused(t, b.do(t, http.MethodPost, "/Patient/_search", "phone=%zz", form...), http.StatusBadRequest, "invalid")
	require.Empty(t, b.Unknown())
	require.Equal(t, 4, b.Calls("search Patient"))
}

func TestAPageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{PageSize: 2})
	for range 5 {
		b.put(t, `{"resourceType":"Person","telecom":[{"system":"phone","value":"+62"}]}`)
	}
	query := url.Values{"phone": {"+62"}, "_count": {"50"}, "_total": {"accurate"}}.Encode()
	first := b.do(t, http.MethodGet, "/Person?"+query, "").bundle(t)
	require.Equal(t, "searchset", first.Type)
	require.Equal(t, []string{"1", "2"}, first.ids(t))
	require.Equal(t, b.URL()+"/Person/1", first.Entry[0].FullURL)
	require.Equal(t, 5, *first.Total)
	require.Equal(t, b.URL()+"/Person?"+query, first.link("self"))
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, b.search(t, "Person", query))
	require.Nil(t, b.do(t, http.MethodGet, "/Person?phone=%2B62", "").bundle(t).Total)
	none := b.do(t, http.MethodGet, "/Person?_total=accurate&phone=1", "")
	require.Equal(t, 0, *none.bundle(t).Total)
	require.NotContains(t, none.body, "entry")
	counted := b.do(t, http.MethodGet, "/Person?_total=accurate&_count=0", "").bundle(t)
	require.Equal(t, 5, *counted.Total)
	require.Empty(t, counted.ids(t))
	require.Empty(t, counted.link("next"))
	for _, wrong := range []string{"_count=-1", "_count=x", "_count=1&_count=2", "_page=x", "_page=", "_page=MS4", "%zz=1", "phone=1;2"} {
		refused(t, b.do(t, http.MethodGet, "/Person?"+wrong, ""), http.StatusBadRequest, "invalid")
	}
	require.Empty(t, b.Unknown())
}

func TestPagesAreThoseOfTheFirstMoment(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{PageSize: 2})
	for range 6 {
		b.put(t, patient("62812"))
	}
	path, seen := "/Patient?_total=accurate&"+byNumber("62812"), []string{}
	for path != "" {
		page := b.do(t, http.MethodGet, path, "").bundle(t)
		require.Equal(t, 6, *page.Total)
		for i, id := range page.ids(t) {
			seen = append(seen, id)
			require.Contains(t, string(page.Entry[i].Resource), `"versionId":"1"`)
			b.put(t, `{"resourceType":"Patient","id":"`+id+`"}`) // it does not match any more
		}
		b.Delete("Patient/6")
		b.put(t, `{"resourceType":"Patient","id":"5","active":true}`)
		b.put(t, patient("62812"))
		path = strings.TrimPrefix(page.link("next"), b.URL())
	}
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, seen)
	require.Equal(t, []string{"7", "8", "9"}, b.search(t, "Patient", byNumber("62812")))
}

func TestIndexLagHidesYoungWritesFromSearchesOnly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := setup(t, server.Options{Now: func() time.Time { return now }})
	b.put(t, patient("62812"))
	now = now.Add(time.Minute)
	b.IndexLag(10 * time.Second)
	b.put(t, `{"resourceType":"Patient","id":"1"}`)
	b.put(t, patient("62813"))
	require.Equal(t, []string{"1"}, b.search(t, "Patient", byNumber("62812")), "its old version")
	require.Empty(t, b.search(t, "Patient", byNumber("62813")))
	require.Equal(t, []string{"1"}, b.do(t, http.MethodGet, "/Patient", "", "Cache-Control", "no-cache").bundle(t).ids(t))
	require.Equal(t, `W/"2"`, b.do(t, http.MethodGet, "/Patient/1", "").header.Get("ETag"))
	match := []string{"If-None-Exist", byNumber("62813")}
	require.Equal(t, http.StatusOK, b.do(t, http.MethodPost, "/Patient", patient("62813"), match...).status)
	b.Racy(true)
	require.Equal(t, http.StatusCreated, b.do(t, http.MethodPost, "/Patient", patient("62813"), match...).status)
	now = now.Add(10 * time.Second)
	require.Empty(t, b.search(t, "Patient", byNumber("62812")))
	require.Equal(t, []string{"2", "3"}, b.search(t, "Patient", byNumber("62813")))
	b.IndexLag(0)
	b.put(t, patient("62814"))
	require.Equal(t, []string{"4"}, b.search(t, "Patient", byNumber("62814")))
}

func TestTenThousandPatientsAreFoundByIndex(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{PageSize: 1000})
	const n = 10000
	for i := range n {
		b.put(t, patient(fmt.Sprint(62810000000+i)))
	}
	started := time.Now()
	for i := range 200 {
		number := fmt.Sprint(62810000000 + i*49)
		require.Equal(t, []string{fmt.Sprint(i*49 + 1)}, b.search(t, "Patient", byNumber(number)))
		require.Equal(t, []string{fmt.Sprint(i*49 + 1)}, b.search(t, "Patient", "phone="+number+",%2B"+number))
	}
	require.Less(t, time.Since(started), 10*time.Second)
	require.Len(t, b.search(t, "Patient", "_total=accurate"), n)
}
