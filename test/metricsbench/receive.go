package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// receive measures remote write: the first round makes the series and does not
// count; then come rounds of samples of series that are there.
func (b *bench) receive(ctx context.Context) error {
	starts := []func(context.Context) (*server, error){b.startPrometheus, b.startOriel, b.startVictoria}
	fmt.Println("| protocol | server | samples per CPU-second | ratio to Prometheus | peak memory, MiB | bytes a sample in the log |")
	fmt.Println("|---|---|---:|---:|---:|---:|")
	for _, v2 := range []bool{false, true} {
		var peer float64
		for _, start := range starts {
			var rates []float64
			var peak, disk int64
			name := ""
			for range b.repeat {
				s, err := start(ctx)
				if err != nil {
					return err
				}
				name = fmt.Sprintf("%s (%s)", s.name, version(s.bin))
				if v2 && s.name == "VictoriaMetrics" {
					s.stop()
					break // it has no 2.0
				}
				rate, err := b.send(ctx, s, v2)
				if err != nil {
					s.stop()
					return err
				}
				rates = append(rates, rate)
				peak, _ = s.memory("VmHWM")
				disk = s.disk()
				s.stop()
			}
			if len(rates) == 0 {
				continue
			}
			slices.Sort(rates)
			rate := rates[len(rates)/2]
			if peer == 0 {
				peer = rate
			}
			protocol := "1.0"
			if v2 {
				protocol = "2.0"
			}
			fmt.Printf("| %s | %s | %.0f | %.2f | %d | %.2f |\n", protocol, name, rate, rate/peer, peak>>20, float64(disk)/float64(b.series*b.rounds))
		}
	}
	return nil
}

// send gives the samples per CPU-second.
func (b *bench) send(ctx context.Context, s *server, v2 bool) (float64, error) {
	l := newLoad(b.series, func(int) string { return "bench" })
	begin := time.Now().Add(-time.Duration(b.rounds) * 15 * time.Second)
	var before time.Duration
	for round := range b.rounds {
		if round == 1 {
			before = s.settle(ctx)
		}
		at := begin.Add(time.Duration(round) * 15 * time.Second)
		for from := 0; from < b.series; from += perRequest {
			if _, err := s.do(ctx, http.MethodPost, s.write, l.request(v2, from, min(from+perRequest, b.series), at), contentType(v2)); err != nil {
				return 0, err
			}
		}
	}
	took := s.settle(ctx) - before
	return float64(b.series*(b.rounds-1)) / took.Seconds(), nil
}
