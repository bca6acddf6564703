package scrape

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// credentialAge is how long a Secret's content is used before it is read
	// again: how late a rotated password is noticed.
	credentialAge = time.Minute
	// credentialRetry is the same for one that is not there, or forbidden.
	credentialRetry = 15 * time.Second
	credentialMax   = 10 * time.Second // to read one
)

// credentials reads single Secrets and ConfigMaps by their name, when a monitor
// names one: the agent needs no right to list or watch any, and no right at all
// in a namespace whose owner did not give it.
type credentials struct {
	client kubernetes.Interface
	fresh  func() // one has come or changed
	wanted chan credentialKey

	mu sync.Mutex // guards by
	by map[credentialKey]*credentialEntry
}

type credentialKey struct{ namespace, kind, name string }

type credentialEntry struct {
	data     map[string]string
	err      error
	at       time.Time // when it was read; zero: never yet
	fetching bool
	used     time.Time
}

// get gives the content as it was last read, and sees to its being read again
// where that is long ago. ok is false before the first time.
func (c *credentials) get(k credentialKey) (data map[string]string, err error, ok bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.by[k]
	if e == nil {
		e = &credentialEntry{}
		c.by[k] = e
	}
	e.used = now
	age := credentialAge
	if e.err != nil {
		age = credentialRetry
	}
	if !e.fetching && now.Sub(e.at) >= age {
		select {
		case c.wanted <- k:
			e.fetching = true
		default: // so many are under way that this one is asked for next time
		}
	}
	return e.data, e.err, !e.at.IsZero()
}

// run reads what is wanted until ctx ends.
func (c *credentials) run(ctx context.Context) {
	for {
		select {
		case k := <-c.wanted:
			c.fetch(ctx, k)
		case <-ctx.Done():
			return
		}
	}
}

func (c *credentials) fetch(ctx context.Context, k credentialKey) {
	reading, cancel := context.WithTimeout(ctx, credentialMax)
	defer cancel()
	data := map[string]string{}
	var err error
	if k.kind == "Secret" {
		s, gerr := c.client.CoreV1().Secrets(k.namespace).Get(reading, k.name, metav1.GetOptions{})
		if err = gerr; err == nil {
			for name, v := range s.Data {
				data[name] = string(v)
			}
		}
	} else {
		m, gerr := c.client.CoreV1().ConfigMaps(k.namespace).Get(reading, k.name, metav1.GetOptions{})
		if err = gerr; err == nil {
			data = m.Data
		}
	}
	if ctx.Err() != nil {
		return
	}
	err = credentialError(k, err)
	c.mu.Lock()
	e := c.by[k]
	changed := e.at.IsZero() || fmt.Sprint(e.err) != fmt.Sprint(err) || !maps.Equal(e.data, data)
	if err == nil || e.data == nil || !temporary(err) {
		e.data, e.err = data, err
	}
	e.at, e.fetching = time.Now(), false
	for other, o := range c.by {
		if time.Since(o.used) > 10*credentialAge && !o.fetching {
			delete(c.by, other) // no monitor names it any more
		}
	}
	c.mu.Unlock()
	if changed {
		c.fresh()
	}
}

// awayError is a Secret that could not be asked for now.
type awayError struct{ error }

func newCredentials(client kubernetes.Interface, fresh func()) *credentials {
	return &credentials{client: client, fresh: fresh, wanted: make(chan credentialKey, 256), by: map[credentialKey]*credentialEntry{}}
}

func temporary(err error) bool { _, is := err.(awayError); return is } //nolint:errorlint // never wrapped

// credentialError words for the monitor's owner why it was not read.
func credentialError(k credentialKey, err error) error {
	resource := strings.ToLower(k.kind) + "s"
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s %s is not there", k.kind, k.name)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the agent may not read %s %s: give its service account a Role in this namespace with get on %s, resourceNames [%s], and a RoleBinding", k.kind, k.name, resource, k.name)
	}
	return awayError{fmt.Errorf("%s %s could not be read yet", k.kind, k.name)}
}

// credential gives one key of a Secret or ConfigMap of the namespace.
func (m *Manager) credential(namespace, kind, name, key string, optional *bool, ready *bool, errs *[]error) string {
	may := optional != nil && *optional
	if name == "" && may {
		return ""
	}
	data, err, ok := m.credentials.get(credentialKey{namespace, kind, name})
	if !ok {
		*ready = false
		return ""
	}
	v, has := data[key]
	switch {
	case err != nil && !may:
		*errs = append(*errs, err)
	case !has && !may:
		*errs = append(*errs, fmt.Errorf("%s %s has no key %q", kind, name, key))
	}
	return v
}

func escapeDollars(s string) string { return strings.ReplaceAll(s, "$", "$$") }
