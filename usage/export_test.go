package usage

// Rows returns the number of rows in memory.
func (e *Errors) Rows() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, d := range e.days {
		n += len(d.kinds)
	}
	if n != e.rows {
		panic("the number of rows is wrong")
	}
	return n
}
