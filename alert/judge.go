package alert

import (
	"fmt"
	"time"
)

const (
	leastErrors = 10   // that make an error rate
	leastHour   = 1000 // requests of an hour that make a spike
)

// A condition is a rule that is broken now.
type condition struct {
	rule    Rule
	subject string
	text    string
	hold    time.Time // it isn't over before; zero: see Kind.quiet
}

// rules are an owner's settings of all rules.
type rules map[Rule]Settings

// on returns the threshold of a rule, and whether the rule is on.
func (r rules) on(rule Rule) (threshold int64, on bool) {
	k, _ := rule.Kind()
	return int64(k.threshold(r[rule])), k.on(r[rule])
}

// judge returns the rules that counts break. usual is how many requests the busiest same hour
// of the last days had; it is asked only where there may be a spike, and ok is false where it
// isn't known.
func judge(r report, set rules, usual func() (most int64, ok bool)) (list []condition) {
	broken := func(rule Rule, subject, format string, values ...any) {
		list = append(list, condition{rule: rule, subject: clean(subject, maxSubject), text: fmt.Sprintf(format, values...)})
	}
	if limit, on := set.on(ErrorRate); on && r.Errors >= leastErrors && r.Errors*100 > r.Requests*limit {
		broken(ErrorRate, "", "%s %% of the requests for images failed in the last 5 minutes: %s of %s.", share(r.Errors, r.Requests), grouped(r.Errors), grouped(r.Requests))
	}
	if limit, on := set.on(DeniedImages); on && r.Denied > limit {
		broken(DeniedImages, "", "%s requests for images were refused in the last 5 minutes (401 or 403), of %s.", grouped(r.Denied), grouped(r.Requests))
	}
	for _, s := range r.Sources {
		where := "the source " + s.Key
		if s.Key == "" {
			where = "servers of external originals"
		}
		if limit, on := set.on(Origin); on && s.Failed >= limit && s.Failed > s.Made {
			broken(Origin, "source:"+s.Key, "%s of %s fetches from %s failed in the last 5 minutes.", grouped(s.Failed), grouped(s.Failed+s.Made), where)
		}
		if limit, on := set.on(WorkerLost); on && s.Lost >= limit {
			broken(WorkerLost, "source:"+s.Key, "%s images from %s made a worker crash within an hour.", grouped(s.Lost), where)
		}
	}
	if limit, on := set.on(KeyRate); on {
		for _, a := range r.Actors {
			if a.Requests > limit {
				broken(KeyRate, a.Who, "%s sent %s requests within an hour.", describe(a.Who), grouped(a.Requests))
			}
		}
	}
	if limit, on := set.on(Spike); on && r.Hour > leastHour {
		if most, ok := usual(); ok && r.Hour > most*limit {
			broken(Spike, "", "%s requests in this hour; the busiest same hour of the last 7 days had %s.", grouped(r.Hour), atMost(most))
		}
	}
	if limit, on := set.on(Quota); on {
		for _, q := range r.Quotas {
			if q.Max <= 0 || q.Used*100 < q.Max*limit {
				continue
			}
			c := condition{rule: Quota, subject: q.Window, hold: time.Unix(q.Resets, 0).UTC()}
			c.text = fmt.Sprintf("%s %% of the transforms of this %s are used: %s of %s.", share(q.Used, q.Max), q.Window, grouped(q.Used), grouped(q.Max))
			list = append(list, c)
			if q.Used >= q.Max {
				c.subject = q.Window + ":all"
				c.text = fmt.Sprintf("All %s transforms of this %s are used. Images that were made before are still served; new ones are refused until %s.",
					grouped(q.Max), q.Window, c.hold.Format("2006-01-02 15:04 UTC"))
				list = append(list, c)
			}
		}
	}
	return list
}

// share returns a part in percent, with a decimal place below 10.
func share(part, of int64) string {
	if of <= 0 {
		return "0"
	}
	if percent := float64(part) * 100 / float64(of); percent < 10 {
		return fmt.Sprintf("%.1f", percent)
	}
	return fmt.Sprint(part * 100 / of)
}

// atMost writes the requests of an hour, of which few aren't remembered.
func atMost(n int64) string {
	if n < keptHour {
		return fmt.Sprintf("under %d", keptHour)
	}
	return grouped(n)
}
