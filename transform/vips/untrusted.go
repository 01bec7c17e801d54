package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
import "C"

import "sync"

// allowUntrusted takes from libvips's block on loaders and savers that it calls
// untrusted those whose originals a header reader of ours has been through: JPEG
// XL and, where a workspace asks for it, SVG. Naming a class means all that derive
// from it. All else that is blocked stays so.
var allowUntrusted = sync.OnceFunc(func() {
	for _, class := range []string{"VipsForeignLoadSvg", "VipsForeignLoadJxl", "VipsForeignSaveJxl"} {
		name := C.CString(class)
		C.vips_operation_block_set(name, 0)
		C.g_free(C.gpointer(name))
	}
})
