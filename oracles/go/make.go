package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// makeRequest asks for a log with that many entries, named and keyed after the seed.
type makeRequest struct {
	Seed uint64 `json:"seed"`
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// made is a whole little log: a signed checkpoint for every size, and against the last one
// the inclusion proof of every leaf and the consistency proof from every size.
type made struct {
	Vkey        string             `json:"vkey"`
	PrivateKey  string             `json:"private_key"`
	Entries     [][]byte           `json:"entries"`
	Leaves      []tlog.Hash        `json:"leaves"`
	Checkpoints []string           `json:"checkpoints"`
	Inclusion   []tlog.RecordProof `json:"inclusion"`
	Consistency []tlog.TreeProof   `json:"consistency"`
}

func makeAll(q makeRequest) (made, error) {
	stream := &stream{seed: q.Seed}
	skey, vkey, err := note.GenerateKey(stream, q.Name)
	if err != nil {
		return made{}, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return made{}, err
	}
	log := made{Vkey: vkey, PrivateKey: skey}
	stored := hashList{}
	if err := log.checkpoint(0, stored, signer); err != nil {
		return log, err
	}
	for i := range q.Size {
		entry := make([]byte, 1+i%97)
		stream.Read(entry)
		hashes, err := tlog.StoredHashes(i, entry, stored)
		if err != nil {
			return log, err
		}
		stored = append(stored, hashes...)
		log.Entries = append(log.Entries, entry)
		log.Leaves = append(log.Leaves, tlog.RecordHash(entry))
		if err := log.checkpoint(i+1, stored, signer); err != nil {
			return log, err
		}
	}
	return log, log.proofs(q.Size, stored)
}

func (log *made) checkpoint(size int64, stored hashList, signer note.Signer) error {
	root, err := tlog.TreeHash(size, stored)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, root)
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	log.Checkpoints = append(log.Checkpoints, string(signed))
	return err
}

func (log *made) proofs(size int64, stored hashList) error {
	for i := range size {
		inclusion, err := tlog.ProveRecord(size, i, stored)
		if err != nil {
			return err
		}
		consistency, err := tlog.ProveTree(size, i+1, stored)
		if err != nil {
			return err
		}
		log.Inclusion = append(log.Inclusion, inclusion)
		log.Consistency = append(log.Consistency, consistency)
	}
	return nil
}

// hashList holds stored hashes in tlog's own order.
type hashList []tlog.Hash

func (h hashList) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index < 0 || index >= int64(len(h)) {
			return nil, fmt.Errorf("hash %d is not stored", index)
		}
		read = append(read, h[index])
	}
	return read, nil
}

// stream is a deterministic byte stream: SHA-256 of seed and counter.
type stream struct {
	seed, block uint64
	left        []byte
}

func (s *stream) Read(p []byte) (int, error) {
	for filled := 0; filled < len(p); {
		if len(s.left) == 0 {
			input := binary.BigEndian.AppendUint64(nil, s.seed)
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(input, s.block))
			s.left, s.block = sum[:], s.block+1
		}
		n := copy(p[filled:], s.left)
		s.left, filled = s.left[n:], filled+n
	}
	return len(p), nil
}
