package worker

import "runtime/debug"

// GiveBack gives memory back to the system that only the start of a process needed: of its
// heap, and the pages of the program.
func GiveBack() {
	debug.FreeOSMemory()
	forgetProgram()
}
