// Package relay is an agent's durable way to central for log records. To the
// edges of an agent a Sender is the store: what it has taken is on disk and
// reaches central, through any outage that the queue has room for. A Receiver on
// central takes it in and decides anew whose each record is: nothing that an
// agent says about tenants counts, only its cluster's credential.
//
//	s, err := relay.NewSender(relay.SenderOptions{Queue: q, URL: "https://central:7480", Token: token})
//	forward.New(forward.Options{Appender: s, ...})
//	err = s.Run(ctx)
//
// Parcels are sent in order, each under a key of its own that central
// remembers, so that one whose answer was lost is not stored twice. The format
// is docs/format/relay.md.
package relay
