package workspace

// ParseJSON parses a document into a tree.
func ParseJSON(data []byte) error {
	_, err := parseJSON(data)
	return err
}
