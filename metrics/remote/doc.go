// Package remote moves samples between processes by Prometheus remote write.
//
// The Receiver takes remote write 1.0 and 2.0 into a metrics.Appender under the
// caller's write scope. The Sender is the agent's side: what is appended to it
// is made durable in a queue before Commit returns, and sent in order by Run.
//
//	s, err := remote.NewSender(remote.SenderOptions{Queue: q, URL: central + "/api/v1/write", Token: token})
//	go s.Run(ctx)
//	scraper, err := scrape.New(scrape.Options{Appendable: s, ...})
package remote
