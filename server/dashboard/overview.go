package dashboard

// overview is the first page of a workspace.
func (v *visit) overview() error { return v.show(200, "overview", nil) }
