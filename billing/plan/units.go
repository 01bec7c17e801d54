package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tintype/tintype/workspace"
)

// defaultUnits are the prices of operations where the file of plans says nothing.
var defaultUnits = map[string]workspace.Units{
	"transform":   workspace.Unit,
	"info":        workspace.Unit / 2,
	"placeholder": workspace.Unit / 2,
	"grid":        2 * workspace.Unit,
}

// mostUnits is the highest price of an operation.
const mostUnits = 1000

func checkUnits(units map[string]float64) (wrong []workspace.Problem) {
	for _, operation := range slices.Sorted(maps.Keys(units)) {
		problem := ""
		if _, known := defaultUnits[operation]; !known {
			problem = "is no operation: use " + strings.Join(slices.Sorted(maps.Keys(defaultUnits)), ", ")
		} else if n := units[operation]; !(n >= 0 && n <= mostUnits) || workspace.UnitsOf(n).Float() != n {
			problem = fmt.Sprintf("%v is not allowed: give a number from 0 to %d, with up to three decimals", n, mostUnits)
		}
		if problem != "" {
			wrong = append(wrong, workspace.Problem{Path: fmt.Sprintf("units.%.100s", operation), Message: problem})
		}
	}
	return wrong
}

// Units returns the price of an operation in units. It reads from memory. A nil Book has the
// default prices.
func (b *Book) Units(operation string) workspace.Units {
	if b != nil {
		if n, ok := b.now.Load().units[operation]; ok {
			return workspace.UnitsOf(n)
		}
	}
	return defaultUnits[operation]
}

// Prices are what one of each operation costs, in units.
type Prices map[string]workspace.Units

// Prices returns the prices of all operations.
func (b *Book) Prices() Prices {
	p := Prices{}
	for operation := range defaultUnits {
		p[operation] = b.Units(operation)
	}
	return p
}
