package dashboard

import (
	"net/http"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
)

// A memberPage is the data of members.html.
type memberPage struct {
	manage.Members
	Form  form
	Roles []account.Role
	May   bool // change members
}

// members shows the people of a workspace, and invites, changes and removes them.
func (v *visit) members() error {
	if v.r.Method != http.MethodPost {
		return v.showMembers(form{}, http.StatusOK)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	ctx, who, m := v.r.Context(), v.caller(), v.d.Manage
	what := "saved"
	switch f.get("do") {
	case "invite":
		what = "invited"
		_, err = m.Invite(ctx, who, v.ns, f.get("email"), account.Role(f.get("role")))
	case "uninvite":
		what = "ended"
		err = m.Uninvite(ctx, who, v.ns, f.get("id"))
	case "role":
		_, err = m.SetRole(ctx, who, v.ns, f.get("id"), account.Role(f.get("role")))
	case "remove":
		what = "removed"
		_, err = m.RemoveMember(ctx, who, v.ns, f.get("id"), f.on("keys"))
	default:
		err = fault.New(fault.Validation, "The form says nothing to do.")
	}
	if err == nil {
		if f.get("do") == "remove" && f.get("id") == v.who.ID {
			return v.redirect("/app", what)
		}
		return v.redirect("/app/"+v.ns+"/members", what)
	}
	var fields map[string]string
	if f.get("do") == "invite" {
		fields = map[string]string{"": "email"}
	}
	if status, ok := v.refused(err, &f, fields); ok {
		return v.showMembers(f, status)
	}
	return err
}

func (v *visit) showMembers(f form, status int) error {
	all, err := v.d.Manage.Members(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return err
	}
	return v.show(status, "members", memberPage{all, f, account.Roles(), v.may(account.WriteMembers)})
}
