package cache

// Stats are what one cache has counted since it was opened, and what it holds.
type Stats struct {
	Hits      uint64
	Misses    uint64 // expired and corrupt entries included
	Puts      uint64 // entries that were kept; on disk, written
	Dropped   uint64 // entries that were not: too large, queue full, failing disk
	Evictions uint64 // entries that made room for others
	Corrupt   uint64 // entries that failed their checksum, and were deleted
	Failures  uint64 // errors of the device beneath

	Bytes   int64 // held now, as the bound counts them
	Entries int64 // held now
}
