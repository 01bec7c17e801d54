package fault

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

const wrongKey = "The API key is not valid. Check the key after `Bearer` in the Authorization header."

// sentinels gives each error of the other packages its code. The first row that matches
// counts. Where message is empty, the client sees the error's own text, which its package
// wrote for clients.
var sentinels = []struct {
	err     error
	code    Code
	message string
}{
	// ErrMark may wrap an error of the mark's image, so it comes first.
	{transform.ErrMark, MarkUnavailable, ""},

	{workspace.ErrNotFound, WorkspaceNotFound, "There is no workspace under this namespace."},
	// The store's own text may name hosts and paths.
	{workspace.ErrUnavailable, Overloaded, "the settings of this workspace can't be read right now: try again in a few seconds"},
	{cached.ErrTooManyUnknown, RateLimited, ""},
	{workspace.ErrExists, Conflict, "The namespace is taken: choose another, or change the workspace that has it with PUT or PATCH."},
	{workspace.ErrDomainTaken, Conflict, "A host in domains has been verified for another workspace: leave it out, or remove it there first."},
	{workspace.ErrConflict, Conflict, "The workspace has changed since it was read: GET it again, make the change on what it is now, and send it with that revision."},
	{workspace.ErrKeyNotFound, NotFound, "The workspace has no API key under this id."},

	{apikey.ErrMalformed, Unauthorized, wrongKey},
	{apikey.ErrChecksum, Unauthorized, wrongKey},
	{apikey.ErrUnknown, Unauthorized, wrongKey},
	{apikey.ErrExpired, Unauthorized, "This API key has expired. Make another with POST …/api-keys."},
	{apikey.ErrRevoked, Unauthorized, "This API key has been revoked. Make another with POST …/api-keys."},

	{signing.ErrRequired, SignatureRequired, ""},
	{signing.ErrInvalid, SignatureInvalid, ""},
	{signing.ErrExpired, SignatureExpired, ""},

	{origin.ErrNotFound, NotFound, ""},
	{origin.ErrTooLarge, OriginalTooLarge, ""},
	{origin.ErrTimeout, OriginTimeout, ""},
	{origin.ErrAddress, AddressNotAllowed, ""},
	{origin.ErrNotAllowed, SourceNotAllowed, ""},
	{origin.ErrInvalidURL, InvalidSource, ""},
	{origin.ErrInvalidPath, InvalidPath, ""},
	{origin.ErrUnavailable, OriginError, ""},
	{origin.ErrBusy, Overloaded, ""},
	{origin.ErrExists, Conflict, ""},

	{cache.ErrNoRoom, Overloaded, ""},

	{account.ErrNoSession, Unauthorized, "Sign in first."},
	{account.ErrEmail, Validation, "This is no e-mail address."},
	{account.ErrCode, Validation, "The code is wrong, or it has ended. A code works for 10 minutes, for five tries, once, and in the browser that asked for it. Ask for another one if in doubt."},
	{account.ErrTooMany, RateLimited, "Too many codes were asked for. Try again in an hour."},
	{account.ErrInvited, RateLimited, "A workspace can invite 20 people a day. Try again tomorrow."},
	{account.ErrLastOwner, Conflict, "A workspace needs an owner. Make somebody else an owner first."},
	{account.ErrIsMember, Conflict, "This address is a member already."},
	{account.ErrWorkspaces, Conflict, "You own as many workspaces as the plan for them allows. Delete one first, or ask the operator of this server."},
	{account.ErrMakings, RateLimited, "You can make 10 workspaces a day. Try again tomorrow."},
	{account.ErrMembers, Conflict, "The workspace has as many members as its plan allows. Ask one of its owners to make room."},
	{account.ErrNoMember, NotFound, "There is no such member."},
	{account.ErrNoPasskeys, NotFound, "This server takes no passkeys, since its --public-url has no name of a host."},
	{account.ErrPasskey, Validation, "The passkey is not known here, or the sign-in took more than 5 minutes. Try again, or sign in by a code."},
	{account.ErrNewPasskey, Validation, "The passkey can't be added. Try again within 5 minutes, in this browser."},
	{account.ErrPasskeys, Conflict, "An account has at most 10 passkeys. Remove one first."},
	{account.ErrNoAccount, NotFound, "There is no such account."},
	{account.ErrRole, Validation, "role: must be viewer, editor or owner."},
	{account.ErrInvitation, NotFound, "There is no such invitation for your address, or it has ended."},

	{transform.ErrOverloaded, Overloaded, ""},
	{transform.ErrTimeout, TransformTimeout, ""},
	{transform.ErrFailed, WorkerFailed, ""},
	{transform.ErrUnsupported, UnsupportedFormat, ""},
	{transform.ErrTooLarge, ImageTooLarge, ""},
	{transform.ErrCorrupt, ImageCorrupt, ""},
	{transform.ErrOutputTooLarge, InvalidOption, ""},

	{context.DeadlineExceeded, TransformTimeout, "making this variant took too long: ask for a smaller one, or use a smaller original"},
	{context.Canceled, Overloaded, "the work on this request was cancelled: try again in a second"},
}

// Of returns the Error for a client about err, which must not be nil. An error without a row
// becomes Internal, and its text stays in the log.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*transform.OptionError](err); ok {
		return &Error{Code: InvalidOption, Message: e.Error(), Cause: err}
	}
	if e, ok := errors.AsType[*transform.QueryError](err); ok {
		return &Error{Code: InvalidOption, Message: e.Error(), Cause: err}
	}
	if e, ok := errors.AsType[*workspace.ValidationError](err); ok {
		return &Error{Code: Validation, Message: sentences(e.Problems), Cause: err}
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			e := &Error{Code: s.code, Message: s.message, Cause: err}
			if e.Message == "" {
				e.Message = err.Error()
			}
			return e
		}
	}
	return &Error{Code: Internal, Message: "something went wrong on our side: look for the request_id in the server's log", Cause: err}
}

// managing has the messages for errors of a store in requests that read or change settings.
// The first row that matches counts. All of them are Overloaded, with a retry after 5
// seconds.
var managing = []struct {
	err     error
	message string
}{
	{workspace.ErrFull, "Nothing was changed, since the disk of the server's database is full. Images are served as before. Try again when the operator has seen to it."},
	{workspace.ErrFrozen, "Nothing was changed, since the server's store is being moved. Images are served as before. Try again in a few minutes."},
	{workspace.ErrReadOnly, "Nothing was changed, since the disk of the server's database can only be read. Images are served as before. Try again when the operator has seen to it."},
	// A timeout is one of the store, which may have made the change.
	{workspace.ErrUnavailable, storeAway},
	{context.DeadlineExceeded, storeAway},
	{context.Canceled, storeAway},
}

const storeAway = "The workspace store can't be reached right now, and it is not certain that a change was made. Try again in a few seconds."

// OfManaging is [Of] for requests that read or change settings. These need the store's
// answer, while images need only a copy of the settings. So the messages about a store that
// fails differ.
func OfManaging(err error) *Error {
	if _, ok := errors.AsType[*workspace.ValidationError](err); ok {
		return Of(err)
	}
	for _, m := range managing {
		if errors.Is(err, m.err) {
			return &Error{Code: Overloaded, Message: m.message, Cause: err, RetryAfter: 5}
		}
	}
	return Of(err)
}

// sentences joins problems, each with its path.
func sentences(problems []workspace.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(strings.TrimRight(p.Message, "."))
		b.WriteByte('.')
	}
	return cmp.Or(b.String(), "The workspace is not valid.")
}
