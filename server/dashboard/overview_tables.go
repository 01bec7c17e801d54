package dashboard

import (
	"cmp"
	"slices"

	"github.com/tintype/tintype/server/dashboard/plot"
)

// most returns those with a value, the largest first.
func (s *summary) most(list []*sourceSum, m measure) []*sourceSum {
	list = slices.DeleteFunc(slices.Clone(list), func(x *sourceSum) bool { return x.total[m] == 0 })
	slices.SortFunc(list, func(a, b *sourceSum) int {
		return cmp.Or(cmp.Compare(b.total[m], a.total[m]), cmp.Compare(a.name, b.name))
	})
	return list
}

// sourceRows returns the sources with the most requests, and how many others there are.
func (s *summary) sourceRows() (rows []sourceRow, more int) {
	list := s.most(s.sources, requests)
	more = max(0, len(list)-mostSources)
	for _, source := range list[:len(list)-more] {
		rows = append(rows, source.row())
	}
	return rows, more
}

func (s *summary) operationRows() (rows []sourceRow) {
	for _, o := range s.most(s.operations, requests) {
		rows = append(rows, o.row())
	}
	return rows
}

func (s *sourceSum) row() sourceRow {
	return sourceRow{
		Name: s.name, Requests: plot.Count.Exact(s.total[requests]), Hits: plot.Percent.Exact(share(s.total)), Transforms: plot.Count.Exact(s.total[transforms]),
		Units:  plot.Amount(s.total[units]),
		Errors: plot.Count.Exact(s.total[errorsMade]), Bytes: plot.Bytes.Exact(s.total[bytesOut]),
	}
}
