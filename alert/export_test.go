package alert

// Size returns how many workspaces and events are in memory.
func (w *Watch) Size() (spaces, events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.spaces), len(w.events) + len(w.fails)
}
