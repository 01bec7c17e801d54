package meter

import (
	"fmt"
	"time"

	"github.com/tintype/tintype/workspace"
)

// Type is the type of all events.
const Type = "tintype.usage.v1"

// An Event says what a workspace used since the event before. It is a CloudEvent (version 1.0)
// whose JSON is sent. An event that is sent again keeps its ID, by which receivers drop repeats.
type Event struct {
	SpecVersion     string    `json:"specversion"` // "1.0"
	Type            string    `json:"type"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`  // the server
	Subject         string    `json:"subject"` // ID of the workspace
	Time            time.Time `json:"time"`    // by which the use ended, in the day that it is of
	DataContentType string    `json:"datacontenttype"`
	Data            Data      `json:"data"`
}

// Data is what an event says.
type Data struct {
	Workspace   string          `json:"workspace"` // namespace
	WorkspaceID string          `json:"workspace_id"`
	Operation   string          `json:"operation"` // such as transform
	Day         string          `json:"day"`       // in UTC, as 2006-01-02
	Units       workspace.Units `json:"units"`
}

// newEvent returns the event that takes the units of a day from one sum to another. Its ID is
// made of nothing else, so that it is the same whoever makes the event.
func newEvent(source, namespace, id, day, operation string, from, to workspace.Units, at time.Time) Event {
	return Event{
		SpecVersion: "1.0", Type: Type, ID: fmt.Sprintf("%s/%s/%s/%d-%d", id, day, operation, from, to),
		Source: source, Subject: id, Time: at, DataContentType: "application/json",
		Data: Data{Workspace: namespace, WorkspaceID: id, Operation: operation, Day: day, Units: to - from},
	}
}
