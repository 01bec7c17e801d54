// Package worker keeps engines in processes of their own, so that an image which
// crashes a decoder, never ends or wants all memory costs its own request and
// nothing else.
//
// [Start] starts a [Pool], which is a [transform.Engine]. Its processes are this
// very program, started again with an argument that makes it call [Serve] instead
// of what it does otherwise; Serve makes the engine, locks the process in (see
// [Sandbox]) and carries out one job at a time. The process around the pool
// decodes nothing and loads no image library.
//
// A job goes through four gates: what would take more memory than a process has is
// refused (memory.go), and so is what brought a process down a moment ago
// (blocklist.go); the queue lets in as many as there are processes and as fit into a
// budget of estimated memory, by turns of workspaces (queue.go), and a process that is
// free takes it (pool.go, process.go).
// One process more than jobs at a time is kept ready to take the place of one that
// is lost.
//
// # What is copied
//
// Messages are small: frames over a Unix socket pair (message.go, task.go). Images
// travel beside them, in memory files that have no name anywhere:
//
//   - The originals of a job are copied once, from where they are mapped in this process
//     (a large one may be a file on disk) into a file that the worker can only read and
//     has mapped for good: it decodes from there. The file is used again for the next
//     job, since to make and seal one costs more than the copy. It is never longer than
//     the job's originals, and there are zeros between two of them, so that a decoder
//     that reads past the end finds nothing of another original.
//   - The image of a mark is copied once for all jobs and workers, as long as it is in
//     use, into a file that is sealed against every change.
//   - The variant is copied twice: by the worker into the file that it and this
//     process share, and from there into memory of this process.
//
// Workers only ever receive files. Nothing that a worker sends is trusted: messages
// are bounded and checked, and a variant must begin like an image of its format.
//
// # Platforms
//
// Memory files, seccomp, Landlock and bounds on another process are Linux's. Where
// they are missing the pool works with unlinked temporary files instead, says at
// start which layers are active, and [Require] refuses to start.
package worker
