package alert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Rule names what an alert is about.
type Rule string

// The rules.
const (
	ErrorRate    Rule = "error_rate"
	KeyRate      Rule = "key_rate"
	Spike        Rule = "spike"
	Quota        Rule = "quota"
	Denied       Rule = "denied"
	DeniedImages Rule = "denied_images"
	KeyAge       Rule = "key_age"
	KeyUnused    Rule = "key_unused"
	KeyPlace     Rule = "key_place"
	KeyHours     Rule = "key_hours"
	Origin       Rule = "origin"
	WorkerLost   Rule = "worker_lost"
	Expiry       Rule = "expiry"
	Channel      Rule = "channel"
)

// A Kind describes a rule.
type Kind struct {
	Rule  Rule
	Title string // a few words, for subjects and headings
	Words string // one sentence; {} stands for the threshold

	Default  int    // of the threshold; 0: the rule has none
	Min, Max int    // of the threshold
	Unit     string // of the threshold
	Off      bool   // the rule is off until it is set

	quiet time.Duration // an alert is over when its condition has not held for so long
	daily bool          // it is judged once a day, from what is stored
}

// Times of alerts.
const (
	quietLevel = 5 * time.Minute // of what is counted
	quietEvent = time.Hour       // of what happens now and then
)

// kinds are all rules, in the order of pages.
var kinds = []Kind{
	{Rule: ErrorRate, Title: "Many requests fail", Words: "More than {} % of the requests for images fail within 5 minutes, and at least 10.", Default: 10, Min: 1, Max: 100, Unit: "percent", quiet: quietLevel},
	{Rule: Origin, Title: "A source doesn't answer", Words: "The server of a source fails or takes too long {} times within 5 minutes, and more often than it answers.", Default: 5, Min: 1, Max: 1_000_000, Unit: "failures", quiet: quietLevel},
	{Rule: WorkerLost, Title: "Images of a source crash the engine", Words: "{} images of one source make a worker crash within an hour.", Default: 3, Min: 1, Max: 1_000_000, Unit: "crashes", quiet: quietLevel},
	{Rule: Quota, Title: "A quota is nearly used up", Words: "{} % of the transforms of a day or of a month are used, and again when all are.", Default: 80, Min: 50, Max: 100, Unit: "percent", quiet: quietLevel},
	{Rule: Spike, Title: "Many more requests than usual", Words: "An hour has over {} times as many requests as the busiest same hour of the last 7 days, and over 1,000.", Default: 3, Min: 2, Max: 1000, Unit: "times", quiet: quietLevel},
	{Rule: KeyRate, Title: "A key or a person sends many requests", Words: "One API key or one person sends over {} requests within an hour. Visitors of your pages, who have no key, don't count.", Default: 100, Min: 25, Max: 1_000_000_000, Unit: "requests", quiet: quietLevel},
	{Rule: Denied, Title: "A key or a sign-in is refused", Words: "The management API refuses an API key (401 or 403), a page refuses a person, or a member's sign-in fails.", quiet: quietEvent},
	{Rule: DeniedImages, Title: "Many images are refused", Words: "Over {} requests for images are refused (401 or 403) within 5 minutes.", Default: 50, Min: 10, Max: 1_000_000_000, Unit: "requests", quiet: quietLevel},
	{Rule: KeyPlace, Title: "A key is used from a new country", Words: "An API key is used from a country in which it was not seen before.", quiet: quietEvent},
	{Rule: KeyHours, Title: "A key is used outside your hours", Words: "An API key is used outside the hours that you set.", Off: true, quiet: quietEvent},
	{Rule: KeyAge, Title: "A key is old", Words: "An API key is over {} days old.", Default: 90, Min: 1, Max: 3650, Unit: "days", daily: true},
	{Rule: KeyUnused, Title: "A key isn't used", Words: "An API key was not used for {} days.", Default: 30, Min: 1, Max: 399, Unit: "days", daily: true},
	{Rule: Expiry, Title: "Something ends soon", Words: "An API key ends within {} days, or the certificate of a domain can't be renewed.", Default: 14, Min: 1, Max: 365, Unit: "days", daily: true},
	{Rule: Channel, Title: "Alerts don't arrive", Words: "A channel takes no messages: its server fails, or refuses them.", quiet: quietEvent},
}

// Kinds returns all rules, in the order of pages.
func Kinds() []Kind { return slices.Clone(kinds) }

// Kind returns the description of a rule. known is false for other names.
func (r Rule) Kind() (k Kind, known bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Rule == r })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// title returns the rule's title. It is used with rules of the table only.
func (r Rule) title() string {
	k, _ := r.Kind()
	return k.Title
}

// Text returns the Words with a threshold.
func (k Kind) Text(threshold int) string {
	return strings.ReplaceAll(k.Words, "{}", grouped(int64(threshold)))
}

// Settings are an owner's settings of a rule. The zero value is the rule as it is by default.
type Settings struct {
	On        *bool `json:"on,omitempty"`        // nil is the rule's default
	Threshold int   `json:"threshold,omitempty"` // 0 is the rule's default

	// Hours of KeyHours: from one to another, such as 08:00 and 18:00, on days of the week, 1 is
	// Monday, in a time zone. Without Days, every day. Where From is after To, the hours go over
	// midnight.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Days []int  `json:"days,omitempty"`
	Zone string `json:"zone,omitempty"` // such as Europe/Berlin; empty is UTC
}

// A SettingError says which field of Settings is wrong.
type SettingError struct{ Field, Message string }

// Error implements error.
func (e *SettingError) Error() string { return e.Field + ": " + e.Message }

// on reports whether the rule is on.
func (k Kind) on(s Settings) bool {
	if s.On != nil {
		return *s.On
	}
	return !k.Off
}

// threshold returns the threshold of a rule.
func (k Kind) threshold(s Settings) int {
	if s.Threshold != 0 {
		return s.Threshold
	}
	return k.Default
}

// check returns a *SettingError for settings that the rule can't have.
func (k Kind) check(s Settings) error {
	switch {
	case k.Default == 0 && s.Threshold != 0:
		return &SettingError{"threshold", "this rule has none: leave it out"}
	case s.Threshold != 0 && (s.Threshold < k.Min || s.Threshold > k.Max):
		return &SettingError{"threshold", fmt.Sprintf("must be %s to %s %s", grouped(int64(k.Min)), grouped(int64(k.Max)), k.Unit)}
	}
	if k.Rule != KeyHours {
		if s.From != "" || s.To != "" || s.Zone != "" || len(s.Days) > 0 {
			return &SettingError{"from", "only the rule key_hours has hours: leave from, to, days and zone out"}
		}
		return nil
	}
	if !k.on(s) && s.From == "" && s.To == "" {
		return nil
	}
	_, err := s.hours()
	return err
}

// hours are when keys may be used.
type hours struct {
	from, to int // minutes of the day
	days     []int
	zone     *time.Location
}

func (s Settings) hours() (h hours, err error) {
	minute := func(field, text string) (int, error) {
		t, err := time.Parse("15:04", text)
		if err != nil {
			return 0, &SettingError{field, "must be a time of the day such as 08:00"}
		}
		return t.Hour()*60 + t.Minute(), nil
	}
	if h.from, err = minute("from", s.From); err != nil {
		return h, err
	}
	if h.to, err = minute("to", s.To); err != nil {
		return h, err
	}
	if h.from == h.to {
		return h, &SettingError{"to", "must be another time than from"}
	}
	for _, d := range s.Days {
		if d < 1 || d > 7 {
			return h, &SettingError{"days", "are 1 (Monday) to 7 (Sunday)"}
		}
	}
	h.days = s.Days
	if h.zone, err = time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
		return h, &SettingError{"zone", "must be a time zone such as Europe/Berlin, or empty for UTC"}
	}
	return h, nil
}

// has reports whether a time is within the hours. Hours that go over midnight belong to the day
// on which they begin.
func (h hours) has(t time.Time) bool {
	t = t.In(h.zone)
	minute, day := t.Hour()*60+t.Minute(), t.Weekday()
	within := minute >= h.from && minute < h.to
	if h.from > h.to {
		within = minute >= h.from || minute < h.to
		if minute < h.to {
			day = (day + 6) % 7
		}
	}
	if day == time.Sunday {
		day = 7
	}
	return within && (len(h.days) == 0 || slices.Contains(h.days, int(day)))
}

// grouped writes a number with separators of thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// ErrNoRule says that there is no rule with a name.
var ErrNoRule = errors.New("there is no such rule")
