package kubetest

import "crypto/tls"

// ServerCertificate gives one for a server on 127.0.0.1 or localhost that the
// cluster's authority has signed, as those of kubelets may be.
func (c *Cluster) ServerCertificate(name string) (tls.Certificate, error) {
	crt, key, err := c.ca.issue(name, nil, true)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(crt, key)
}
