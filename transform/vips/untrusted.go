package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
import "C"

import "sync"

// allowUntrusted unblocks some of the loaders and savers that libvips calls untrusted:
// those for JPEG XL and, where a workspace allows it, SVG, since package header has checked
// these originals. A class name includes all derived classes. Other loaders stay blocked.
var allowUntrusted = sync.OnceFunc(func() {
	for _, class := range []string{"VipsForeignLoadSvg", "VipsForeignLoadJxl", "VipsForeignSaveJxl"} {
		name := C.CString(class)
		C.vips_operation_block_set(name, 0)
		C.g_free(C.gpointer(name))
	}
})
