package grafana

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pacer lets requests through at a rate. Those of windows that somebody waits
// for go first, so that a round over thousands of windows that are right holds
// up no new one. Safe for concurrent use.
type pacer struct {
	perSecond, burst float64

	mu      sync.Mutex // guards what follows
	tokens  float64    // as of at
	at      time.Time
	waiting [2][]chan struct{} // hurried, others: first come, first served
	timer   *time.Timer        // nil: nobody waits
}

func newPacer(perSecond float64) *pacer {
	burst := max(1, perSecond)
	return &pacer{perSecond: perSecond, burst: burst, tokens: burst, at: time.Now()}
}

// wait returns when the request may go, or with the context's error.
func (p *pacer) wait(ctx context.Context, hurried bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	lane := 1
	if hurried {
		lane = 0
	}
	p.mu.Lock()
	p.fill()
	if p.tokens >= 1 && len(p.waiting[0]) == 0 && (hurried || len(p.waiting[1]) == 0) {
		p.tokens--
		p.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	p.waiting[lane] = append(p.waiting[lane], mine)
	p.arm()
	p.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		if i := slices.Index(p.waiting[lane], mine); i >= 0 {
			p.waiting[lane] = slices.Delete(p.waiting[lane], i, i+1)
		} else {
			p.tokens++ // let through in this very moment, and not used
		}
		return ctx.Err()
	}
}

// fill wants p.mu held, as do arm and next.
func (p *pacer) fill() {
	now := time.Now()
	p.tokens = min(p.burst, p.tokens+now.Sub(p.at).Seconds()*p.perSecond)
	p.at = now
}

// arm wakes for the next token where somebody waits.
func (p *pacer) arm() {
	if p.timer != nil || len(p.waiting[0])+len(p.waiting[1]) == 0 {
		return
	}
	missing := max(0, 1-p.tokens) / p.perSecond
	p.timer = time.AfterFunc(time.Duration(missing*float64(time.Second))+time.Microsecond, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.timer = nil
		p.fill()
		p.next()
		p.arm()
	})
}

func (p *pacer) next() {
	for lane := range p.waiting {
		for p.tokens >= 1 && len(p.waiting[lane]) > 0 {
			p.tokens--
			close(p.waiting[lane][0])
			p.waiting[lane] = p.waiting[lane][1:]
		}
	}
}

type hurryKey struct{}

// hurry makes the requests under ctx go before those that nobody waits for.
func hurry(ctx context.Context) context.Context { return context.WithValue(ctx, hurryKey{}, true) }

func hurried(ctx context.Context) bool { return ctx.Value(hurryKey{}) != nil }
