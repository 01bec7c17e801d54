package playground

import (
	"cmp"
	"slices"

	"github.com/tintype/tintype/fault"
)

// Advice says in words what an answer without a picture means, and what to do about it.
type Advice struct {
	Means string `json:"means"`
	Do    string `json:"do"`
	Whole bool   `json:"whole,omitempty"` // the server's own message says no more

	// Path is of a page that helps, and Title the text of its link. Empty is none.
	Path  string `json:"path,omitempty"`
	Title string `json:"title,omitempty"`

	// Form is the path of the form that mends it. Title is the text of its button. Empty is none.
	Form string `json:"form,omitempty"`

	// Carried says that the page at Path takes the original and the options in its query, as
	// ?src= and &options=.
	Carried bool `json:"carried,omitempty"`
}

// A remedy is a row of the table of advice.
type remedy struct {
	code  fault.Code
	means string
	do    string // for everybody

	// member is what a member of the workspace does instead, on the page below /app/NS that
	// has this path and title. Strangers are sent there too, since they may be members who
	// aren't signed in.
	member, page, title string
}

// remedies has a row for each code that an image can be answered with. The server's own
// message, which says more, stands below it.
var remedies = []remedy{
	{fault.InvalidOption, "An option can't be used like this.", "Correct the option that is named here.", "", "", ""},
	{fault.InvalidPath, "The path isn't written as it must be.", "Write it without empty segments, . and .. between the slashes.", "", "", ""},
	{fault.InvalidSource, "The original isn't named in full.", "Name it as source/path, or by its URL.", "", "", ""},
	{fault.Unauthorized, "This image needs a signed URL.", "Members of the workspace sign in, and get the URL signed.", "Sign in again.", "/playground", "Open it as a member"},
	{fault.SignatureRequired, "This image needs a signed URL.", "Members of the workspace sign in, and get the URL signed.", "A member with the role editor or owner gets it signed.", "/playground", "Open it as a member"},
	{fault.SignatureInvalid, "The signature of this URL isn't good.", "Members of the workspace sign in, and get the URL signed.", "The signing key may have been deleted since. A new key is known to all servers after some seconds: request the image again.", "/signing-keys", "Signing keys"},
	{fault.SignatureExpired, "The signed URL has ended.", "Members of the workspace sign in, and get a new one.", "Request the image again to get a new one.", "/playground", "Open it as a member"},
	{fault.Forbidden, "This may not be asked for.", "A source may not lead back to this server.", "Correct the URL of the source, which may not lead back to this server.", "/sources", "Sources"},
	{fault.OriginNotAllowed, "The workspace doesn't answer this page.", "A member adds the host of the page to the allowed origins.", "Add the host of this page to the allowed origins.", "/access", "Allowed origins, under Access"},
	{fault.SourceNotAllowed, "The workspace takes no originals from there.", "A member adds the host of the original to the allowed sources.", "Add the host of the original to the allowed sources, or make a source of it.", "/access", "Allowed sources, under Access"},
	{fault.AddressNotAllowed, "The host of the original has a private address.", "Use a host with a public address. The operator opens ranges with --allow-cidr.", "", "", ""},
	{fault.PresetRequired, "The workspace serves presets only.", "Choose a preset under Delivery, and remove the other options.", "Choose a preset, and remove the other options.", "/presets", "Presets"},
	{fault.WorkspaceNotFound, "There is no such workspace.", "It may have been deleted since this page was opened.", "", "", ""},
	{fault.SourceNotFound, "The workspace has no source of this name.", "Correct the word before the first slash.", "Correct the word before the first slash, or make the source.", "/sources", "Sources"},
	{fault.NotFound, "There is no image under this path.", "Correct the path. Upper and lower case count.", "Correct the path. Upper and lower case count. Buckets and folders can be browsed.", "/images", "Images"},
	{fault.OriginalTooLarge, "The original has too many bytes.", "Use a smaller original. The operator sets how many it may have.", "", "", ""},
	{fault.URITooLong, "The URL is too long.", "Put options that many images share into a preset.", "", "/presets", "Presets"},
	{fault.UnsupportedFormat, "This is no image that can be read here.", "Use another format. A workspace may allow SVG and TIFF.", "Use another format, or allow SVG and TIFF in the settings.", "/settings", "Settings"},
	{fault.ImageCorrupt, "The original can't be decoded.", "It may be cut off. Replace it.", "", "", ""},
	{fault.ImageTooLarge, "The original has too many pixels or frames.", "Use a smaller original. The operator sets how many it may have.", "", "", ""},
	{fault.RateLimited, "These are too many requests for this minute.", "Wait a moment, then request it again.", "Wait a moment, then request it again. The limits say how many may be sent.", "/limits", "Plan and limits"},
	{fault.QuotaExceeded, "The quota of the workspace is used up.", "Pictures that were made before go on being answered. An owner can raise the limit.", "Pictures that were made before go on being answered. An owner can raise the limit.", "/limits", "Plan and limits"},
	{fault.Blocked, "This image is blocked.", "The owner of the workspace blocked it. Choose another one.", "Somebody of the workspace blocked it. The list says who and why.", "/images/blocked", "Blocked images"},
	{fault.HeadersTooLarge, "The browser sent too many cookies.", "Delete cookies of this host.", "", "", ""},
	{fault.Internal, "Something went wrong in Tintype.", "Request it again. If it stays, give the request's number to the operator.", "", "", ""},
	{fault.OriginError, "The server of the original failed.", "Try it again later, or tell the owner of the workspace.", "Test the source, which says what is wrong.", "/sources", "Sources"},
	{fault.OriginTimeout, "The server of the original is too slow.", "Try it again later, or tell the owner of the workspace.", "Test the source, which says what is wrong.", "/sources", "Sources"},
	{fault.WorkerFailed, "The picture could not be made.", "Request it again, or ask for a smaller one.", "", "", ""},
	{fault.MarkUnavailable, "A mark that belongs on this picture can't be had.", "Without it the picture isn't shown. Tell the owner of the workspace.", "Without it the picture isn't shown. Correct the image of the mark.", "/marks", "Marks"},
	{fault.Overloaded, "The server is busy.", "Wait a moment, then request it again.", "", "", ""},
	{fault.TransformTimeout, "It took too long to make this picture.", "Ask for a smaller one, or for another format.", "", "", ""},
}

// Means says in words what an answer with this code means, or returns "" where images have none.
func Means(code fault.Code) string {
	for _, r := range remedies {
		if r.code == code {
			return r.means
		}
	}
	return ""
}

// whole are the codes whose messages say no more than the advice.
var whole = []fault.Code{fault.Unauthorized, fault.SignatureRequired, fault.SignatureExpired, fault.OriginNotAllowed, fault.NotFound, fault.Internal, fault.OriginTimeout, fault.TransformTimeout}

// advise returns the advice for pages of a workspace. dashboard says that there are pages
// under /app. member says that the page is one of them.
func advise(namespace string, dashboard, member bool) map[fault.Code]Advice {
	all := make(map[fault.Code]Advice, len(remedies))
	for _, r := range remedies {
		a := Advice{Means: r.means, Do: r.do, Whole: slices.Contains(whole, r.code)}
		if member {
			a.Do = cmp.Or(r.member, r.do)
		}
		// A member is on the page /playground already.
		if r.page != "" && dashboard && !(member && r.page == "/playground") {
			a.Path, a.Title, a.Carried = "/app/"+namespace+r.page, r.title, r.page == "/playground"
			if !member && !a.Carried {
				a.Title += ", for members"
			}
		}
		all[r.code] = a
	}
	return all
}
