// Package alert tells owners when something in their workspace needs a look: requests fail, a
// key is used more than ever, a quota is nearly used up. It tells operators the same of the
// server.
//
// For most uses, call [New], give the [Watch] of the [Engine] to what answers requests, call
// [Engine.Run] in a goroutine, and Close at the end. [Engine.Rules], [Engine.SetRule],
// [Engine.AddChannel] and [Engine.History] are what owners see and set.
//
// # How it works
//
// Each server counts in memory: see [Watch]. Once a minute it writes its counts of the
// workspaces in which a rule might be broken, and of no others, so that a workspace costs
// nothing while all is well. One server, which has the lease, adds up the counts of all and
// judges them. What is rare, such as a refused key, is written as an event.
//
// An alert is fired once, by a write of the workspace's state that only one server can make.
// The same write puts the messages into the outbox of the store, so that none is lost. The
// server with the lease sends them, and tries again.
package alert
