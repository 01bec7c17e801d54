package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// secrets are variables without a flag, since every user of a machine can read flags. The
// name with _FILE at its end is a variable with the path of a file. Variables without help
// belong to other commands than serve.
var secrets = []struct{ name, help string }{
	{"TINTYPE_ROOT_KEY", "The root key, of 32 characters or more, or several keys with commas between them ([keys.md](keys.md)). Without it, only API keys open the management API."},
	{"TINTYPE_PURGE_WEBHOOK_TOKEN", "Sent to the hook of --purge-webhook as Authorization: Bearer."},
	{"TINTYPE_MODERATION_WEBHOOK_TOKEN", "Sent to --moderation-webhook as Authorization: Bearer."},
	{"TINTYPE_SECRET_KEY", "64 hex digits under which the store encrypts the secrets of workspaces. Without it, a key in `secret.key` in the data folder, made on the first run: back it up apart from the database. To rotate, put the new key in front of the old one, with a comma between, and restart; then the old one may go. A store in DynamoDB needs it, the same on every server, and `tintype store rekey` before the old one goes."},
	{"TINTYPE_PEER_SECRET", "A secret of 32 characters or more, the same on every server of a fleet, by which they know each other on --peer-listen: [scale.md](scale.md#each-variant-once)."},
	{"TINTYPE_MAIL_PASSWORD", "Password of the user of --mail."},
	{stripeKey, "Secret key of Stripe's API, with which plans are sold and usage is billed: [billing.md](billing.md#stripe)."},
	{stripeWebhookSecret, "Secret of the endpoint at Stripe that sends events to `/v1/billing/stripe`."},
	{openMeterKey, "Sent to --billing-openmeter as Authorization: Bearer."},
	{billingWebhookSecret, "Signs what --billing-webhook gets: `whsec_` and the base64 of 24 to 64 bytes."},
	{"TINTYPE_API_KEY", ""},
	{"TINTYPE_SIGNING_SECRET", ""},
	{"TINTYPE_SOURCE_SECRET", ""},
}

const ours = "TINTYPE_"

// knownVariables returns the variables of all commands.
func knownVariables(app *kong.Application) (names []string) {
	names = append(names, "TINTYPE_URL") // the clients', which may share an environment with the server
	for _, s := range secrets {
		names = append(names, s.name, s.name+"_FILE")
	}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok {
			names = append(names, f.Envs...)
		}
		return next(nil)
	})
	return names
}

// ofKubernetes matches the variables that Kubernetes sets in every container for a Service
// whose name begins with tintype-. It leaves out a name that could be a misspelt flag.
var ofKubernetes = regexp.MustCompile(`^TINTYPE_(SERVICE_.*|PORT|PORT_.*|.+_SERVICE_(HOST|PORT|PORT_.*)|.+_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)$`)

// checkVariables refuses unknown variables that begin with TINTYPE_. Otherwise a misspelt
// variable would leave its flag at the default, and nobody would notice.
func checkVariables(environ, known []string) error {
	var wrong []string
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		isPort := strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://") // the address of a Service
		if !strings.HasPrefix(name, ours) || slices.Contains(known, name) || ofKubernetes.MatchString(name) || isPort {
			continue
		}
		if likely := likeliest(name, known); likely != "" {
			name += ": there is no such variable; did you mean " + likely + "?"
		} else {
			name += ": there is no such variable; tintype serve --help lists them"
		}
		wrong = append(wrong, name)
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%s", strings.Join(wrong, "\n"))
}

// likeliest returns the known name with the fewest slips to name. It is empty where there
// would be too many slips.
func likeliest(name string, known []string) (likely string) {
	name = strings.TrimPrefix(name, ours)
	least := 2 + len(name)/4
	for _, k := range known {
		if n := slips(name, strings.TrimPrefix(k, ours)); n < least {
			likely, least = k, n
		}
	}
	return likely
}

// slips counts the letters that were left out, added, replaced or swapped with the next one.
func slips(a, b string) int {
	var before, last []int // the last two rows of the table over all prefixes of a and b
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			mistaken := last[j]
			if a[i] != b[j] {
				mistaken++
			}
			row[j+1] = min(mistaken, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
