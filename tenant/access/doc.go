// Package access turns credentials into scopes. It is the only place outside
// tests that makes them: for requests (Guard), for listeners that know their
// senders by other means (KeyScope, LocalWrite), and for the system's own work
// (SystemWrite, OperatorRead, TenantRead).
//
//	tokens, err := access.OpenTokens(filepath.Join(dataDir, "tokens"), clock.System)
//	a := access.New(access.Options{Directory: reg, Tokens: tokens, Local: cluster})
//	http.Serve(listener, a.Guard(httpx.Join(promapi, esapi, console)))
//
// The order is always: authenticate, resolve the tenant, then let the API parse.
// Whoever has no credential learns nothing, not even which paths exist; a
// tenant that is not the caller's and one that does not exist look alike.
package access
