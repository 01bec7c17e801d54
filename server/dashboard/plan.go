package dashboard

import (
	"fmt"

	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/server/dashboard/plot"
)

// A planFact is a line of what a plan allows.
type planFact struct{ What, Most string }

// planFacts returns what a plan allows. A nil plan has no lines.
func planFacts(p *plan.Plan) (facts []planFact) {
	if p == nil {
		return nil
	}
	add := func(what string, most int) {
		if most > 0 {
			facts = append(facts, planFact{what, plot.Grouped(int64(most))})
		}
	}
	for _, f := range limitFields {
		add(f.Label, *f.of(&p.Limits))
	}
	add("API requests a minute of each key", p.KeyRequests())
	for _, f := range []struct {
		what string
		most *int
	}{{"Members, with open invitations", p.Members}, {"Domains", p.Domains}} {
		if f.most != nil {
			facts = append(facts, planFact{f.what, fmt.Sprint(*f.most)})
		}
	}
	return facts
}
