// Package worker runs the engine in sandboxed processes. An image that crashes a decoder,
// never ends or needs too much memory fails only its own request.
//
// For most uses, call [Start], which returns a [Pool]. A Pool is a [transform.Engine]. It
// starts this same program again as worker processes, with arguments that make it call
// [Serve]. Serve makes the engine, enters the sandbox (see [Sandbox]) and runs one job at a
// time. The pool's own process decodes no image and loads no image library.
//
// A job passes these steps:
//
//   - memory.go refuses a job that needs more memory than a worker has.
//   - blocklist.go refuses a job that crashed a worker a moment ago.
//   - queue.go admits as many jobs as processes and the memory budget allow. turns.go says
//     which is next: that of the workspace, or client, that has used the least running time.
//     room.go says which jobs may wait.
//   - pool.go and process.go run the job in a free process. zygote.go has processes forked
//     where it can, so that they share memory and start soon.
//
// The pool keeps one spare process, which replaces a lost one at once. Where processes are
// forked, it keeps none before the first loss, or the first job that needs it.
//
// # What is copied
//
// Messages are small: frames over a Unix socket pair (message.go, task.go). Images travel
// beside them in memory files without a name:
//
//   - The originals of a job are copied once, from their mapping in this process into the
//     input file of the worker. The worker has mapped this file, can't write to it, and
//     decodes from it. The next job uses the same file, since to make and seal a new file
//     costs more than the copy. The file ends with the originals. Zeros lie between two
//     originals, so that a decoder that reads too far sees nothing of another original.
//   - The image of a mark is copied once for all jobs and workers, into a sealed file. No
//     process can change it.
//   - The variant is copied twice: the worker copies it into the output file, which it shares
//     with this process, and this process copies it from there.
//
// The pool passes files to workers, and takes none from them. It doesn't trust a worker: it
// bounds and checks each message, and a variant must begin like an image of its format.
//
// # Platforms
//
// Memory files, seccomp, Landlock and limits of another process need Linux. On other
// systems the pool uses temporary files without a name. At start it logs the active layers
// of the sandbox, and with [Require] it doesn't start.
package worker
