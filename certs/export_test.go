package certs

import "context"

// RenewAll renews every certificate in memory, whenever it ends.
func (a *Auto) RenewAll(ctx context.Context) error {
	a.magic.RenewalWindowRatio, a.magic.DisableARI = 1, true
	return a.cache.RenewManagedCertificates(ctx)
}

// Hosts returns how many hosts are remembered.
func (a *Auto) Hosts() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.hosts)
}

// DomainOrders is the budget of a registered domain.
const DomainOrders = domainOrders
