package workspacetest_test

import (
	"testing"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestMemory(t *testing.T) {
	workspacetest.Run(t, func(*testing.T) workspace.Store { return workspacetest.NewMemory() })
}

func TestMemoryRecords(t *testing.T) {
	workspacetest.RunRecords(t, func(*testing.T) workspacetest.Store { return workspacetest.NewMemory() })
}

func TestMemoryShared(t *testing.T) {
	workspacetest.RunShared(t, func(*testing.T) (a, b workspace.Store) {
		m := workspacetest.NewMemory()
		return m, m
	})
}

func TestCachedMemory(t *testing.T) {
	workspacetest.Run(t, func(*testing.T) workspace.Store {
		return cached.New(workspacetest.NewMemory(), cached.Config{})
	})
}

func TestCachedTwice(t *testing.T) {
	workspacetest.Run(t, func(*testing.T) workspace.Store {
		inner := cached.New(workspacetest.NewMemory(), cached.Config{})
		return cached.New(inner, cached.Config{Memory: 1})
	})
}
