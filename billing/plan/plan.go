// Package plan has the operator's plans, which bound what workspaces may use.
//
// For most uses, call [New], which reads the file of plans, and run [Book.Run], which follows
// the plans that the API keeps in the store. [Book.Plan] returns a plan by its name, from
// memory. A workspace names its plan; package manage and package delivery hold it to the plan.
package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tintype/tintype/workspace"
)

// KeyRequests is how many requests a minute each API key may send where no plan says it.
const KeyRequests = 100

// MaxPlans is the largest number of plans of a file, and of plans in a store.
const MaxPlans = 100

// A Plan bounds what the workspaces on it may use.
type Plan struct {
	Name   string           `json:"name" doc:"As in the path. Left out of a request, it is that."`
	Limits workspace.Limits `json:"limits" doc:"The most that the limits of a workspace can be. 0 is unlimited."`

	// RequestsPerMinute is how many API requests each API key may send. 0 is KeyRequests.
	RequestsPerMinute int `json:"requests_per_minute" minimum:"0" doc:"API requests a minute of each API key. 0 or left out, 100."`

	Members *int `json:"members" minimum:"1" doc:"The most members and open invitations. Null or left out, any number."` // at most, with open invitations; nil is any number
	Domains *int `json:"domains" minimum:"0" doc:"The most domains. Null or left out, any number."`                      // at most; nil is any number

	// WorkspacesPerAccount is how many workspaces on the plan an account may own, and so make
	// for itself. 0 is none. It matters on the signup plan.
	WorkspacesPerAccount int `json:"workspaces_per_account" minimum:"0" doc:"Workspaces on the plan that an account may own, and so make for itself. It matters for the plan that is signup_plan in the file of --plans. 0 is none."`

	// StripePrice and StripeMeteredPrice are the prices of a subscription: one of a month, say,
	// and one of units. A plan without any isn't sold. Lapsed is the plan that a workspace gets
	// when its subscription has ended; empty: it keeps this one.
	StripePrice        string `json:"stripe_price" doc:"ID of the price at Stripe that a subscription of the plan has. Empty or left out, none."`
	StripeMeteredPrice string `json:"stripe_metered_price" doc:"ID of the price at Stripe that bills units. Empty or left out, none."`
	Lapsed             string `json:"lapsed" doc:"The plan that a workspace gets when its subscription at Stripe has ended. Empty or left out, it keeps this one."`

	InFile bool `json:"in_file" readOnly:"true" doc:"The plan is in the file of --plans, and only changed there. Set by the server; ignored in requests."` // set by the server: the file of plans has it, so that the API can't change it
	Signup bool `json:"signup" readOnly:"true" doc:"Workspaces that people make for themselves are on this plan. Set by the server; ignored in requests."` // set by the server: workspaces that people make for themselves are on it
}

// Validate returns what is wrong with the plan, as a *[workspace.ValidationError].
func (p *Plan) Validate() error {
	var wrong []workspace.Problem
	add := func(path, format string, args ...any) {
		wrong = append(wrong, workspace.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if !workspace.ValidSourceKey(p.Name) {
		add("name", "%.100q is not allowed: use 1 to 63 of a-z, 0-9, \"_\" and \"-\", starting with a letter or digit", p.Name)
	}
	for _, l := range p.Limits.Named() {
		if l.Most < 0 {
			add("limits."+l.Name, "%d is not allowed: give 0 for no limit, or a number above", l.Most)
		}
	}
	if p.RequestsPerMinute < 0 {
		add("requests_per_minute", "%d is not allowed: give a number above 0, or leave it out for %d", p.RequestsPerMinute, KeyRequests)
	}
	if p.Members != nil && *p.Members < 1 {
		add("members", "%d is not allowed: a workspace has an owner, so give a number from 1, or leave it out for any number", *p.Members)
	}
	if p.Domains != nil && *p.Domains < 0 {
		add("domains", "%d is not allowed: give a number from 0, or leave it out for any number", *p.Domains)
	}
	if p.WorkspacesPerAccount < 0 {
		add("workspaces_per_account", "%d is not allowed: give a number from 0", p.WorkspacesPerAccount)
	}
	for _, price := range []struct{ name, id string }{{"stripe_price", p.StripePrice}, {"stripe_metered_price", p.StripeMeteredPrice}} {
		if price.id != "" && !strings.HasPrefix(price.id, "price_") || len(price.id) > 100 {
			add(price.name, "%.100q is no price at Stripe: give its ID, which begins with price_", price.id)
		}
	}
	if p.Lapsed != "" && (p.Lapsed == p.Name || !workspace.ValidSourceKey(p.Lapsed)) {
		add("lapsed", "%.100q is not allowed: name another plan, or leave it out where the workspace is to keep this one", p.Lapsed)
	}
	if wrong != nil {
		return &workspace.ValidationError{Problems: wrong}
	}
	return nil
}

// Sold reports whether the plan can be bought.
func (p *Plan) Sold() bool { return p.StripePrice != "" || p.StripeMeteredPrice != "" }

// Bound returns the limits that hold for a workspace on the plan: the lower one of each of its
// own and of the plan's. A nil plan leaves them as they are.
func (p *Plan) Bound(own workspace.Limits) workspace.Limits {
	if p == nil {
		return own
	}
	return own.Lower(p.Limits)
}

// KeyRequests returns how many requests a minute each API key of a workspace on the plan may
// send. The plan may be nil.
func (p *Plan) KeyRequests() int {
	if p == nil || p.RequestsPerMinute == 0 {
		return KeyRequests
	}
	return p.RequestsPerMinute
}

// A File is the content of a file of plans.
type File struct {
	Plans      map[string]Plan `json:"plans"`       // by name
	SignupPlan string          `json:"signup_plan"` // of workspaces that people make for themselves; empty: they make none

	// Units are the prices of operations. Those that aren't in it keep their default.
	Units map[string]float64 `json:"units"`
}

// validate returns what is wrong with the file, as a *[workspace.ValidationError], and gives
// each plan its name.
func (f *File) validate() error {
	var wrong []workspace.Problem
	if len(f.Plans) > MaxPlans {
		wrong = append(wrong, workspace.Problem{Path: "plans", Message: fmt.Sprintf("has %d plans; at most %d are allowed", len(f.Plans), MaxPlans)})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Plans)) {
		p, path := f.Plans[name], "plans."+name
		if p.Name != "" && p.Name != name {
			wrong = append(wrong, workspace.Problem{Path: path + ".name", Message: fmt.Sprintf("is %.100q: leave it out, the plan has its name in front", p.Name)})
		}
		if p.InFile || p.Signup {
			wrong = append(wrong, workspace.Problem{Path: path, Message: "in_file and signup are set by the server: leave them out, and name the plan of new workspaces in signup_plan"})
		}
		p.Name, p.InFile, p.Signup = name, true, name == f.SignupPlan
		if err, ok := p.Validate().(*workspace.ValidationError); ok {
			wrong = append(wrong, err.Within(path).Problems...)
		}
		f.Plans[name] = p
	}
	for _, name := range slices.Sorted(maps.Keys(f.Plans)) {
		if to := f.Plans[name].Lapsed; to != "" {
			if _, ok := f.Plans[to]; !ok {
				wrong = append(wrong, workspace.Problem{Path: "plans." + name + ".lapsed", Message: fmt.Sprintf("%.100q is no plan of this file: name one of its plans, or leave it out", to)})
			}
		}
	}
	if _, ok := f.Plans[f.SignupPlan]; f.SignupPlan != "" && !ok {
		wrong = append(wrong, workspace.Problem{Path: "signup_plan", Message: fmt.Sprintf("%.100q is no plan of this file: name one of its plans, or leave it out if people make no workspaces for themselves", f.SignupPlan)})
	}
	wrong = append(wrong, checkUnits(f.Units)...)
	if wrong != nil {
		return &workspace.ValidationError{Problems: wrong}
	}
	return nil
}
