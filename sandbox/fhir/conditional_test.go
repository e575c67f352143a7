package fhir_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

// together creates a Patient twenty times at once, unless one with the number exists, and counts the 201 answers. No
// request is worked on before all have come.
func together(t *testing.T, b *bench, interaction string, create func() int) (made int) {
	t.Helper()
	statuses := make([]int, 20)
	var come, done sync.WaitGroup
	come.Add(len(statuses))
	b.Before(interaction, func() { come.Done(); come.Wait() })
	for i := range statuses {
		done.Go(func() { statuses[i] = create() })
	}
	done.Wait()
	for _, status := range statuses {
		require.Contains(t, []int{http.StatusOK, http.StatusCreated, http.StatusPreconditionFailed}, status)
		if status == http.StatusCreated {
			made++
		}
	}
	require.Len(t, b.All("Patient"), made)
	return made
}

func TestConditionalCreateIsSerialisedUnlessRacy(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	create := func() int {
		g, err := b.try(t, http.MethodPost, "/Patient", patient("62812"), "If-None-Exist", byNumber("62812"))
		if err != nil {
			return 0
		}
		return g.status
	}
	require.Equal(t, 1, together(t, b, "create Patient", create))
	b.Delete("Patient/1")
	b.Racy(true)
	require.Greater(t, together(t, b, "create Patient", create), 1)
	require.Empty(t, b.Unknown())
}

func TestConditionalCreateInATransactionIsSerialisedUnlessRacy(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	body := `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + patient("62812") +
		`,"request":{"method":"POST","url":"Patient","ifNoneExist":"` + byNumber("62812") + `"}}]}`
	create := func() int {
		g, err := b.try(t, http.MethodPost, "", body)
		if err != nil {
			return 0
		}
		if strings.Contains(g.body, `"response":{"status":"201"`) {
			return http.StatusCreated
		}
		return g.status
	}
	require.Equal(t, 1, together(t, b, "transaction", create))
	b.Delete("Patient/1")
	b.Racy(true)
	require.Greater(t, together(t, b, "transaction", create), 1)
	require.Empty(t, b.Unknown())
}

func TestConditionalCreateGivesBackTheOneThatExists(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	match := []string{"If-None-Exist", byNumber("62812")}
	first := b.do(t, http.MethodPost, "/Patient", patient("62812"), match...)
	require.Equal(t, http.StatusCreated, first.status)
	for _, racy := range []bool{false, true} {
		b.Racy(racy)
		second := b.do(t, http.MethodPost, "/Patient", patient("62812"), match...)
		require.Equal(t, http.StatusOK, second.status)
		require.Equal(t, first.body, second.body)
		require.Equal(t, `W/"1"`, second.header.Get("ETag"))
		require.Empty(t, second.header.Get("Location"))
	}
	require.Len(t, b.All("Patient"), 1)
	b.put(t, patient("62812"))
	for _, racy := range []bool{false, true} {
		b.Racy(racy)
		refused(t, b.do(t, http.MethodPost, "/Patient", patient("62812"), match...), http.StatusPreconditionFailed, "conflict")
	}
	require.Len(t, b.All("Patient"), 2)
	require.Empty(t, b.Unknown())
}

func TestAnUnencodedPlusCreatesAnotherPatient(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.put(t, patient("+62812"))
	encoded := "identifier=" + url.QueryEscape(whatsapp+"|+62812")
	require.Equal(t, http.StatusOK, b.do(t, http.MethodPost, "/Patient", patient("+62812"), "If-None-Exist", encoded).status)
	bare := "identifier=" + whatsapp + "|+62812"
	require.Equal(t, http.StatusCreated, b.do(t, http.MethodPost, "/Patient", patient("+62812"), "If-None-Exist", bare).status)
	require.Len(t, b.All("Patient"), 2)
	refused(t, b.do(t, http.MethodPost, "/Patient", patient("+62812"), "If-None-Exist", "identifier=%zz"), http.StatusBadRequest, "invalid")
	require.Empty(t, b.Unknown())
}

func TestAConditionThatTheServerDoesNotKnowCreatesAndIsListed(t *testing.T) {
	t.Parallel()
	for match, unknown := range map[string]string{
		"identity=" + whatsapp + "%7C62812":     `unknown parameter "identity" of If-None-Exist`,
		byNumber("62812") + "&active=true":      `unknown parameter "active" of If-None-Exist`,
		byNumber("62812") + "&_count=1":         `unknown parameter "_count" of If-None-Exist`,
		"identifier=" + whatsapp + "%7C":        `parameter "identifier" of If-None-Exist without a value`,
		"identifier=" + whatsapp:                `parameter "identifier" of If-None-Exist without a value`,
		"identifier=":                           `parameter "identifier" of If-None-Exist without a value`,
		"phone=":                                `parameter "phone" of If-None-Exist without a value`,
		"phone=62812,":                          `parameter "phone" of If-None-Exist without a value`,
		"":                                      `If-None-Exist without a parameter`,
		"Patient?identifier=" + whatsapp + "|1": `unknown parameter "Patient?identifier" of If-None-Exist`,
	} {
		t.Run(match, func(t *testing.T) {
			t.Parallel()
			b := setup(t, server.Options{})
			b.put(t, patient("62812"))
			require.Equal(t, http.StatusCreated, b.do(t, http.MethodPost, "/Patient", patient("62812"), "If-None-Exist", match).status)
			require.Equal(t, []string{"POST /fhir/Patient: " + unknown}, b.Unknown())
		})
	}
}
