package dialect

import (
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestCSSColor(t *testing.T) {
	for v, want := range map[string]string{
		"red":                          "ff0000",
		"RebeccaPurple":                "663399",
		"#f00":                         "ff0000",
		"#ff000080":                    "ff000080",
		"f00":                          "ff0000",
		"rgb(240,40,145)":              "f02891",
		"rgb( 240 , 40 , 145 )":        "f02891",
		"rgb(255 255 0)":               "ffff00",
		"rgba(240,40,145,0.5)":         "f0289180",
		"rgb(240 40 145 / 50%)":        "f0289180",
		"rgba(255 255 0 100)":          "ffff00",
		"rgb(100%, 0%, 50%)":           "ff0080",
		"rgb(300,-5,none)":             "ff0000",
		"hsl(0 100% 50%)":              "ff0000",
		"hsl(60, 100%, 50%)":           "ffff00",
		"hsl(120deg 100% 50%)":         "00ff00",
		"hsl(210 50% 40%)":             "336699",
		"hsl(-120 100% 25%)":           "000080",
		"hsla(0.5turn 100% 50% / 0.2)": "00ffff33",
		"hsl(200grad,100%,50%)":        "00ffff",
		"hsl(3.14159265rad,100%,50%)":  "00ffff",
		"HSL(300 100 50)":              "ff00ff",
		"hwb(0 0% 0%)":                 "ff0000",
		"hwb(210 20% 40%)":             "336699",
		"hwb(90 80% 80%)":              "808080",
		"transparent":                  "",
		"rgba(1,2,3,0)":                "",
	} {
		native, ok := cssColor(v)
		if !ok {
			t.Errorf("%s is refused", v)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), transform.Query{{Name: "bg", Value: native}})
		if got := o.String(); err != nil || got != "bg="+want && (want != "" || got != "") {
			t.Errorf("%s is %q, %v; want %s", v, got, err, want)
		}
	}
	for _, v := range []string{"", "#", "#ff", "#fffff", "#zzz", "rgb(1,2)", "rgb(1,2,3", "rgb(1,2,3,4,5)", "rgb(a,b,c)", "rgb(1,2,3,x)", "hsl(x,1%,1%)", "hsl(1,x,1%)",
		"hwb(1foo 1% 1%)", "lab(50% 1 2)", "(1,2,3)", "red;", "12px", "rgb(1e9,1,1)"} {
		if native, ok := cssColor(v); ok {
			t.Errorf("%q is read as %s", v, native)
		}
	}
}
