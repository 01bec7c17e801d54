package client

import (
	"fmt"
	"time"
)

// A Code says what went wrong, for programs. It is an error so that errors.Is finds it.
type Code string

func (c Code) Error() string { return string(c) }

// An Error is an answer that is an error.
type Error struct {
	Status     int    // of HTTP
	Code       Code   // empty where something else than Tintype answered
	Message    string // what went wrong and what to do
	RequestID  string // under which the server logs the request
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return fmt.Sprintf("%s (%d %s)", e.Message, e.Status, e.Code)
}

// Unwrap returns the code.
func (e *Error) Unwrap() error {
	if e.Code == "" {
		return nil
	}
	return e.Code
}
