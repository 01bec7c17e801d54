package dashboard

// Patterns returns the patterns of all pages.
func Patterns() (all []string) {
	for _, r := range routes {
		all = append(all, r.pattern)
	}
	return all
}
