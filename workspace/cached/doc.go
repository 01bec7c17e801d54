// Package cached answers requests from memory, so that no request waits for the store
// of workspaces.
//
// For most uses, call [New] over a [workspace.Store], have [Store.Run] follow what other
// servers change, and read with [Store.Get] and [Store.Domain]. Writes go through the
// same Store, so that a Get sees what was written before it.
//
// Memory is bounded in bytes. What has left it is read from copies on this machine ([Copies]) for as
// long as the feed is followed. While the store is down, a Store goes on with what it has in memory,
// and with these copies. [Strangers] bounds what made-up names cost.
package cached
