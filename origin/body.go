package origin

import "io"

// minBody is the first buffer for a body of unknown length, in bytes.
const minBody = 64 << 10

// ReadBody reads a whole body of at most limit bytes, for sources of other packages
// too. length is what the headers promised, or negative. The error wraps ErrTooLarge,
// without a byte read where length says so already, or is what r answered.
//
// A body of known length goes into one buffer of exactly that size; another one into
// buffers that double, of which the last is given up for an exact copy where much of
// it stayed empty.
func ReadBody(r io.Reader, length, limit int64) ([]byte, error) {
	if length > limit {
		return nil, tooLarge(limit)
	}
	if length >= 0 {
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		return body, nil
	}
	// One byte more than allowed tells a body at the limit from one above it.
	body := make([]byte, 0, min(minBody, limit+1))
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, tooLarge(limit)
		}
		if err == io.EOF {
			return trim(body), nil
		}
		if err != nil {
			return nil, err
		}
		if len(body) == cap(body) {
			larger := make([]byte, len(body), min(2*int64(cap(body)), limit+1))
			copy(larger, body)
			body = larger
		}
	}
}

// trim gives back the memory of a buffer that is a fifth or more empty.
func trim(body []byte) []byte {
	if cap(body)-len(body) < cap(body)/5 {
		return body
	}
	exact := make([]byte, len(body))
	copy(exact, body)
	return exact
}
