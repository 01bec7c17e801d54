// Package account knows people: their roles in workspaces, and which action needs which role.
//
// For most uses, call [Action.Right], which returns the row of the table of rights for an
// action: the least role of a person, and the scope of an API key. Package manage asks it
// before each use case.
package account
