package manage_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A previewStub notes what it is asked to show.
type previewStub struct {
	stub
	w *workspace.Workspace
	p delivery.Preview
}

func (s *previewStub) Preview(_ context.Context, w *workspace.Workspace, p delivery.Preview) (delivery.Picture, error) {
	s.w, s.p = w, p
	return delivery.Picture{Width: p.Width}, nil
}

// TestPreviewMark: the preview is of the workspace with the mark as it is typed, with its
// secrets, and nothing is stored.
func TestPreviewMark(t *testing.T) {
	var shown previewStub
	m, db := start(t, func(c *manage.Config) { c.Delivery = &shown })
	stored, _ := db.Get(t.Context(), "acme")
	on := manage.MarkPreview{Picture: "photos/cat.jpg", Width: 800, Accept: "image/webp"}
	for _, tt := range []struct {
		name  string
		mark  workspace.Mark
		on    manage.MarkPreview
		image string // that delivery is asked for
		asked string // name of the mark that it is asked for
		marks string // of the workspace
		wrong string // path of the problem, or the start of a message
	}{
		{"changed", workspace.Mark{Name: "brand", Image: "photos/new.png"}, on, "photos/cat.jpg", "brand", "brand=photos/new.png", ""},
		{"new", workspace.Mark{Name: "more", Image: "photos/new.png"}, on, "photos/cat.jpg", "more", "brand=photos/logo.png more=photos/new.png", ""},
		{"without a name", workspace.Mark{Image: "photos/new.png"}, on, "photos/cat.jpg", "preview1", "brand=photos/logo.png preview1=photos/new.png", ""},
		{"its own image", workspace.Mark{Image: "photos/new.png"}, manage.MarkPreview{Width: 9}, "photos/new.png", "", "brand=photos/logo.png preview1=photos/new.png", ""},
		{"a wrong field", workspace.Mark{Name: "brand", Image: "photos/new.png", Width: "wide"}, on, "", "", "", "marks[0].width"},
		{"of another source", workspace.Mark{Name: "brand", Image: "photos/new.png", AutoApplySources: []string{"others"}}, on, "", "", "", "marks[0].auto_apply_sources[0]"},
		{"too wide", workspace.Mark{Name: "brand", Image: "photos/new.png"}, manage.MarkPreview{Picture: "photos/cat.jpg", Width: 2001}, "", "", "", "width: must be 1 to 2000"},
	} {
		shown.w = nil
		_, err := m.PreviewMark(t.Context(), manage.Operator, "acme", tt.mark, tt.on)
		if tt.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wrong) || fault.OfManaging(err).Status() >= 500 || shown.w != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var marks []string
		for _, m := range shown.w.Marks {
			marks = append(marks, m.Name+"="+m.Image)
		}
		if got := strings.Join(marks, " "); got != tt.marks || shown.w.Sources[0].Headers["X-Token"] != "hunter2" {
			t.Errorf("%s: %s, %+v", tt.name, got, shown.w.Sources)
		}
		if want := (delivery.Preview{Image: tt.image, Mark: tt.asked, Width: tt.on.Width, Accept: tt.on.Accept}); shown.p != want {
			t.Errorf("%s: %+v, want %+v", tt.name, shown.p, want)
		}
	}
	if now, _ := db.Get(t.Context(), "acme"); !reflect.DeepEqual(now, stored) {
		t.Errorf("%+v", now)
	}
	none, _ := start(t, func(c *manage.Config) { c.Delivery = nil })
	if _, err := none.PreviewMark(t.Context(), manage.Operator, "acme", workspace.Mark{Image: "photos/a.png"}, on); err == nil || fault.OfManaging(err).Code != fault.NotFound {
		t.Errorf("without delivery: %v", err)
	}
}
