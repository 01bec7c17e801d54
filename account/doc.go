// Package account knows people: who is signed in, what they are members of, their roles, and
// which action needs which role.
//
// For most uses, call [NewPeople] and its methods: [People.AskCode] and [People.SignIn] sign
// somebody in by a code that a mail brings, [People.AskPasskey] and [People.SignInByPasskey]
// by a passkey, [People.Visitor] says who has a session,
// [People.Invite] and [People.Accept] make members. [Action.Right] returns the row of the
// table of rights for an action: the least role of a person, and the scope of an API key.
// Package manage asks it before each use case.
//
// A store keeps records whose contents it doesn't know ([Records]). Tokens of sessions,
// browsers and devices are stored as hashes. A code is stored as a hash that is keyed with
// the token of the browser that asked for it, so that nobody who reads the store can try all
// codes.
package account
