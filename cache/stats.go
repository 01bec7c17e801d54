package cache

// Stats are the counts of one cache since it was opened, and its present size.
type Stats struct {
	Hits      uint64
	Misses    uint64 // with expired and corrupt entries
	Puts      uint64 // entries that were stored
	Dropped   uint64 // entries that weren't stored: too large, queue full, failing disk
	Evictions uint64 // entries that were removed to make room
	Corrupt   uint64 // entries with a wrong checksum, which were deleted
	Failures  uint64 // errors of the disk or the bucket

	Bytes   int64 // present size, counted like the cache's bound
	Entries int64 // present number
}
