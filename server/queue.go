package server

// A queue has connections in the order in which they came to it. A connection has its places in
// itself: it changes queues twice for each request, and elements of container/list would have to
// be made each time. The zero value is empty.
type queue struct {
	first, last *place
	n           int
}

// A place is that of a connection in a queue, or in none.
type place struct {
	of            *connection
	in            *queue // nil is none
	before, after *place
}

// Len returns the number of connections.
func (l *queue) Len() int { return l.n }

// Front returns the connection that came first, or nil.
func (l *queue) Front() *connection {
	if l.first == nil {
		return nil
	}
	return l.first.of
}

// Back returns the connection that came last, or nil.
func (l *queue) Back() *connection {
	if l.last == nil {
		return nil
	}
	return l.last.of
}

// push puts a connection at the end of the queue, at a place that is in none.
func (l *queue) push(k *connection, p *place) {
	p.of, p.in, p.before, p.after = k, l, l.last, nil
	if l.last != nil {
		l.last.after = p
	} else {
		l.first = p
	}
	l.last = p
	l.n++
}

// leave takes the connection out of its queue, if it is in one.
func (p *place) leave() {
	l := p.in
	if l == nil {
		return
	}
	if p.before != nil {
		p.before.after = p.after
	} else {
		l.first = p.after
	}
	if p.after != nil {
		p.after.before = p.before
	} else {
		l.last = p.before
	}
	l.n--
	*p = place{}
}
