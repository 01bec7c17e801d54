package svg

import (
	"fmt"

	"github.com/tintype/tintype/transform"
)

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", transform.ErrUnsupported, fmt.Sprintf(format, args...))
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", transform.ErrCorrupt, fmt.Sprintf(format, args...))
}

func truncated(format string, args ...any) error {
	return fmt.Errorf("%w: %s", transform.ErrTruncated, fmt.Sprintf(format, args...))
}

func tooLarge(format string, args ...any) error {
	return fmt.Errorf("%w: %s", transform.ErrTooLarge, fmt.Sprintf(format, args...))
}
