package supertokens

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
)

// maxBody is far more than the SDK sends.
const maxBody = 1 << 20

// fields are the inputs of a request: the parameters of a GET, the JSON body of the others.
type fields struct {
	query map[string]string
	body  map[string]json.RawMessage
}

// readFields reads the inputs of a request. strange names those that are not in known; then err is set.
func readFields(w http.ResponseWriter, r *http.Request, known []string) (in fields, strange []string, err error) {
	in.query = map[string]string{}
	for name, values := range r.URL.Query() {
		in.query[name] = values[0]
		if !slices.Contains(known, name) || r.Method != http.MethodGet {
			strange = append(strange, name)
		}
	}
	if r.Method != http.MethodGet && known != nil {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil || json.Unmarshal(raw, &in.body) != nil || in.body == nil {
			return in, strange, bad("Invalid Json Input")
		}
		for name := range in.body {
			if !slices.Contains(known, name) {
				strange = append(strange, name)
			}
		}
	}
	sort.Strings(strange)
	if len(strange) > 0 {
		return in, strange, bad("The SDK does not send field %q here", strange[0])
	}
	return in, nil, nil
}

func invalid(name string) error { return bad("Field name '%s' is invalid in JSON input", name) }

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// str reads a string of the body. Absent is an error; so is null, for the core takes null for a wrong type.
func (f fields) str(name string) (string, error) {
	v, ok, err := f.maybeStr(name)
	if err == nil && !ok {
		err = invalid(name)
	}
	return v, err
}

// maybeStr reads a string of the body that may be absent.
func (f fields) maybeStr(name string) (v string, given bool, err error) {
	raw, given := f.body[name]
	if !given {
		return "", false, nil
	}
	if isNull(raw) || json.Unmarshal(raw, &v) != nil {
		return "", true, invalid(name)
	}
	return v, true, nil
}

func (f fields) flag(name string) (bool, error) {
	v, ok, err := f.maybeFlag(name)
	if err == nil && !ok {
		err = invalid(name)
	}
	return v, err
}

func (f fields) maybeFlag(name string) (v, given bool, err error) {
	raw, given := f.body[name]
	if !given {
		return false, false, nil
	}
	if isNull(raw) || json.Unmarshal(raw, &v) != nil {
		return false, true, invalid(name)
	}
	return v, true, nil
}

// obj reads a JSON object of the body. Its numbers keep the digits they were sent with.
func (f fields) obj(name string) (map[string]any, error) {
	v, given, err := f.maybeObj(name)
	if err == nil && !given {
		err = invalid(name)
	}
	return v, err
}

func (f fields) maybeObj(name string) (v map[string]any, given bool, err error) {
	raw, given := f.body[name]
	if !given {
		return nil, false, nil
	}
	if v, err = decodeObject(raw); err != nil {
		return nil, true, invalid(name)
	}
	return v, true, nil
}

func decodeObject(raw []byte) (map[string]any, error) {
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, io.ErrUnexpectedEOF // null is no object
	}
	return v, nil
}

// maybeStrs reads an array of strings of the body that may be absent.
func (f fields) maybeStrs(name string) (v []string, given bool, err error) {
	raw, given := f.body[name]
	if !given {
		return nil, false, nil
	}
	var items []*string
	if isNull(raw) || json.Unmarshal(raw, &items) != nil || slices.Contains(items, nil) {
		return nil, true, invalid(name)
	}
	v = make([]string, len(items))
	for i, item := range items {
		v[i] = *item
	}
	return v, true, nil
}

// positive reads a whole number of the body that must be above zero.
func (f fields) positive(name string) (int64, error) {
	v, err := strconv.ParseInt(string(bytes.TrimSpace(f.body[name])), 10, 64)
	if err != nil {
		return 0, invalid(name)
	}
	if v <= 0 {
		return 0, bad("%s must be greater than or equal to 0", name)
	}
	return v, nil
}

// param reads a query parameter that must be there.
func (f fields) param(name string) (string, error) {
	v, ok := f.query[name]
	if !ok {
		return "", bad("Field name '%s' is missing in GET request", name)
	}
	return v, nil
}

func text(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/html;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, message+"\n") // the client may be gone
}

// hello is what do returns when the answer is the core's greeting, which is no JSON.
const hello = "hello"

func reply(w http.ResponseWriter, answer object) {
	if answer[hello] != nil {
		text(w, http.StatusOK, "Hello")
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(answer) // the client may be gone
}

func ok(fields object) object {
	if fields == nil {
		fields = object{}
	}
	fields["status"] = "OK"
	return fields
}

// status is an answer that says no in the core's words: HTTP 200 and a status.
func status(s string) object { return object{"status": s} }
