package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/peer"
	"github.com/tintype/tintype/server"
)

// checkPeers returns what is wrong with the flags of a fleet.
func (c *serveCmd) checkPeers() error {
	if c.PeerListen == "" {
		if c.PeerAddress != "" {
			return errors.New("--peer-address: says where others reach --peer-listen, which is missing")
		}
		return nil
	}
	if err := checkAddress("--peer-listen", c.PeerListen); err != nil {
		return err
	}
	if !c.Store.elsewhere() {
		return errors.New("--peer-listen: servers find each other in a store that they share: set --store dynamodb://…")
	}
	if c.PeerAddress != "" {
		return checkPeerAddress("--peer-address", c.PeerAddress)
	}
	host, _, _ := net.SplitHostPort(c.PeerListen)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return fmt.Errorf("--peer-listen: %q doesn't say where other servers reach it: name an address of this machine, such as 10.0.0.7:7070, or set --peer-address", c.PeerListen)
	}
	return nil
}

func checkPeerAddress(flag, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "" || port == "" || port == "0") {
		err = errors.New("host or port is missing")
	}
	if err != nil {
		return fmt.Errorf("%s: %q is no address of this server; write it as 10.0.0.7:7070", flag, address)
	}
	return nil
}

// openPeers makes the fleet, where there is one.
func (s *startup) openPeers(ctx context.Context) error {
	if s.PeerListen == "" {
		peer.Idle(s.metrics)
		return nil
	}
	secret, err := s.secrets.read("TINTYPE_PEER_SECRET", func(string) error { return errors.New("another secret of the fleet counts from the next start") })
	if err != nil {
		return err
	}
	if secret() == "" {
		return errors.New("--peer-listen: set TINTYPE_PEER_SECRET to the same secret on every server of the fleet: openssl rand -hex 32 makes one")
	}
	self := lease.Member{Name: rand.Text(), Address: s.PeerAddress}
	if self.Address == "" {
		self.Address = s.listening.peers.Addr().String()
	}
	s.members = lease.NewMembers(s.store, "peers", self, s.now, s.log)
	fleet, err := peer.New(peer.Config{
		Secret: secret(), Self: self.Name, Members: s.members.List, Metrics: s.metrics, Log: s.log,
		Longest: 2*(s.FetchTimeout+s.TransformTimeout) + time.Second, // each may wait as long before it begins
		Reserve: func(ctx context.Context, bytes int64) (release func(), ok bool) {
			return s.answers.Reserve(server.Client(ctx), bytes)
		},
	})
	if err != nil {
		return fmt.Errorf("TINTYPE_PEER_SECRET: %w", err)
	}
	s.fleet = fleet
	s.parts.close(func() error { fleet.Close(); return nil })
	s.parts.flush(s.members.Leave)
	context.AfterFunc(ctx, func() { _ = s.members.Leave(ctx) }) // as soon as the server drains
	return nil
}

// peers returns whom delivery asks for what they own; nil is nobody.
func (s *startup) peers() delivery.Peers {
	if s.fleet == nil {
		return nil
	}
	return s.fleet
}

// fill answers a question of another server.
func (s *startup) fill(ctx context.Context, key cache.Key, question []byte) (peer.Filled, error) {
	e, made, release, err := s.images.Fill(ctx, key, question)
	if err != nil && (errors.Is(err, cache.ErrNoRoom) || fault.Of(err).Code == fault.Overloaded) {
		err = peer.ErrBusy
	}
	return peer.Filled{Entry: e, Made: made, Release: release}, err
}

// peerFront is the listener for the other servers.
func (s *startup) peerFront() front {
	return front{
		flag: "--peer-listen", listener: s.listening.peers, handler: s.fleet.Handler(s.fill), tls: s.fleet.TLS(),
		connections: &server.Connections{Most: mostPeerConnections},
	}
}

// mostPeerConnections bounds connections of other servers.
const mostPeerConnections = 4096
