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

// Kill does to a Recorder what a kill does to its process: it writes nothing, and its files are no
// longer locked.
func (r *Recorder) Kill() {
	r.adding.Lock()
	defer r.adding.Unlock()
	pages := []*page{r.diary.page}
	for _, t := range r.unsent {
		pages = append(pages, t.page)
	}
	for _, p := range pages {
		if p != nil {
			_ = p.file.Close()
		}
	}
}
