package workspace

import (
	"math/bits"
	"reflect"
	"time"
)

// Footprint estimates how many bytes of memory a workspace takes, with all that it points to. A
// test compares it with the heap: it is within 30 %.
func (w *Workspace) Footprint() int64 {
	return block(reflect.TypeFor[Workspace]().Size()) + Beyond(w)
}

// Beyond estimates how many bytes a value points to, beside what the pointer v points to. Each
// pointer counts in full, so it is for values that share nothing. Functions, interfaces and
// channels count nothing.
func Beyond(v any) int64 { return beyond(reflect.ValueOf(v).Elem()) }

// pointers says of a type whether its values can point to anything that counts.
func pointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Pointer:
		return true
	case reflect.Struct:
		return t != reflect.TypeFor[time.Time]()
	case reflect.Array:
		return pointers(t.Elem())
	}
	return false
}

func beyond(v reflect.Value) (bytes int64) {
	switch v.Kind() {
	case reflect.String:
		return block(uintptr(v.Len()))
	case reflect.Slice:
		bytes = block(uintptr(v.Cap()) * v.Type().Elem().Size())
		fallthrough
	case reflect.Array:
		if pointers(v.Type().Elem()) {
			for i := range v.Len() {
				bytes += beyond(v.Index(i))
			}
		}
	case reflect.Struct:
		if pointers(v.Type()) {
			for i := range v.NumField() {
				bytes += beyond(v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			bytes = block(v.Type().Elem().Size()) + beyond(v.Elem())
		}
	case reflect.Map:
		if v.IsNil() {
			return 0
		}
		key, value := v.Type().Key(), v.Type().Elem()
		bytes = TableSize(v.Len(), key.Size()+value.Size())
		if pointers(key) || pointers(value) {
			for i := v.MapRange(); i.Next(); {
				bytes += beyond(i.Key()) + beyond(i.Value())
			}
		}
	}
	return bytes
}

// TableSize estimates how many bytes a map takes, with this many entries of this size: groups of
// eight, and from nine entries on twice as many places as there are entries, on average three
// quarters of them in use.
func TableSize(entries int, size uintptr) int64 {
	const header, group = 48, 8
	switch {
	case entries == 0:
		return header
	case entries <= group:
		return header + block(group+group*size)
	}
	places := uintptr(1) << bits.Len(uint(entries*8/7))
	return header + block(places*(size+1))
}

// block is how many bytes the allocator takes for so many, by its classes of sizes.
func block(size uintptr) int64 {
	step := uintptr(16)
	switch {
	case size == 0:
		return 0
	case size <= 8:
		return 8
	case size > 32<<10:
		step = 8 << 10
	case size > 256:
		step = 1 << (bits.Len(uint(size)) - 4)
	}
	return int64((size + step - 1) / step * step)
}
