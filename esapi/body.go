package esapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/klauspost/compress/gzip"

	"github.com/oriel-project/oriel/esapi/dsl"
)

// bodyBytesMax bounds the body of what is no _bulk, unpacked: a search is far
// smaller, a multi-search of a large dashboard too.
const bodyBytesMax = 16 << 20

// body reads the request's body, unpacked. Clients that cannot send one with GET
// hand it over as the parameter source.
func (c *call) body() ([]byte, error) {
	var in io.Reader = c.r.Body
	switch enc := c.r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(c.r.Body)
		if err != nil {
			return nil, &dsl.Error{Status: http.StatusBadRequest, Type: "parse_exception", Reason: "the body is said to be gzip and is not"}
		}
		defer z.Close()
		in = z
	default:
		return nil, &dsl.Error{Status: http.StatusUnsupportedMediaType, Type: "content_type_exception", Reason: "Content-Encoding [" + clip(enc) + "] is not supported: use gzip or none"}
	}
	most := bodyBytesMax
	if c.api.o.BodyBytesMax > 0 {
		most = int(min(c.api.o.BodyBytesMax, bodyBytesMax))
	}
	b, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case len(b) > most, errors.As(err, &tooLarge):
		return nil, &dsl.Error{Status: http.StatusRequestEntityTooLarge, Type: "content_too_long_exception", Reason: "the body is larger than " + strconv.Itoa(most) + " bytes"}
	case err != nil:
		return nil, &dsl.Error{Status: http.StatusBadRequest, Type: "parse_exception", Reason: "the body cannot be read: " + clip(err.Error())}
	case len(b) == 0:
		return []byte(c.param("source")), nil
	}
	return b, nil
}

// json reads the body as JSON; the zero Node where it is empty.
func (c *call) json() (dsl.Node, error) {
	b, err := c.body()
	if err != nil {
		return dsl.Node{}, err
	}
	return parseJSON(b)
}

func parseJSON(b []byte) (dsl.Node, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return dsl.Node{}, nil
	}
	n, err := dsl.ParseJSON(b, dsl.RequestValuesMax)
	if err != nil {
		return n, &dsl.Error{Status: http.StatusBadRequest, Type: "parsing_exception", Reason: clip(err.Error()),
			Cause: &dsl.Error{Type: "x_content_parse_exception", Reason: clip(err.Error())}}
	}
	return n, nil
}
