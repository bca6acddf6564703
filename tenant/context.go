package tenant

import "context"

type contextKey int

const (
	readKey contextKey = iota
	writeKey
	namedKey
)

// WithRead attaches the scope of the caller of an HTTP request. Only the edge
// that authenticated the request does so; handlers take it out with ReadFrom
// and pass it on as an argument.
func WithRead(ctx context.Context, r Read) context.Context {
	return context.WithValue(ctx, readKey, r)
}

// ReadFrom gives the scope of the request's caller; without one, a scope that
// reads nothing.
func ReadFrom(ctx context.Context) Read {
	r, _ := ctx.Value(readKey).(Read)
	return r
}

// WithWrite is WithRead for what the caller may write.
func WithWrite(ctx context.Context, w Write) context.Context {
	return context.WithValue(ctx, writeKey, w)
}

// WriteFrom gives what the request's caller may write; without one, a scope
// that writes nothing.
func WriteFrom(ctx context.Context) Write {
	w, _ := ctx.Value(writeKey).(Write)
	return w
}

// WithNamed notes the tenant that the request's path named, as in /t/payments/.
func WithNamed(ctx context.Context, id ID) context.Context {
	return context.WithValue(ctx, namedKey, id)
}

// NamedFrom gives the tenant that the request's path named; ok is false where it
// named none. It grants nothing: the scope does.
func NamedFrom(ctx context.Context) (id ID, ok bool) {
	id, ok = ctx.Value(namedKey).(ID)
	return id, ok
}
