package workspace

// ParseJSON reads a document without making anything of it.
func ParseJSON(data []byte) error {
	_, err := parseJSON(data)
	return err
}
