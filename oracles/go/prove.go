package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// proveRequest names a log's tiles (one of dir and url), a head they must hash to, and the
// proofs wanted: inclusion of leaves, consistency from older sizes.
type proveRequest struct {
	Dir         string  `json:"dir,omitempty"`
	URL         string  `json:"url,omitempty"`
	Head        head    `json:"head"`
	Inclusion   []int64 `json:"inclusion"`
	Consistency []int64 `json:"consistency"`
}

// proveAnswer has the proofs in the order asked for, with the leaf and old root each is for.
type proveAnswer struct {
	Inclusion   []provedLeaf `json:"inclusion"`
	Consistency []provedTree `json:"consistency"`
}

type provedLeaf struct {
	Leaf  tlog.Hash        `json:"leaf"`
	Proof tlog.RecordProof `json:"proof"`
}

type provedTree struct {
	Root  tlog.Hash      `json:"root"`
	Proof tlog.TreeProof `json:"proof"`
}

// prove reads every hash through tlog.TileHashReader, which checks all tiles against the head.
func prove(q proveRequest) (proveAnswer, error) {
	answer := proveAnswer{}
	tree := tlog.Tree{N: q.Head.Size, Hash: q.Head.Root}
	hashes := tlog.TileHashReader(tree, tiles{dir: q.Dir, url: q.URL})
	for _, index := range q.Inclusion {
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return answer, fmt.Errorf("leaf %d: %w", index, err)
		}
		proof, err := tlog.ProveRecord(q.Head.Size, index, hashes)
		if err != nil {
			return answer, fmt.Errorf("inclusion of %d: %w", index, err)
		}
		answer.Inclusion = append(answer.Inclusion, provedLeaf{leaf[0], proof})
	}
	for _, old := range q.Consistency {
		root, err := tlog.TreeHash(old, hashes)
		if err != nil {
			return answer, fmt.Errorf("root of %d: %w", old, err)
		}
		proof, err := tlog.ProveTree(q.Head.Size, old, hashes)
		if err != nil {
			return answer, fmt.Errorf("consistency from %d: %w", old, err)
		}
		answer.Consistency = append(answer.Consistency, provedTree{root, proof})
	}
	return answer, nil
}

// tiles reads C2SP tile paths. Go's own have the tile height in front of the level.
type tiles struct{ dir, url string }

func (t tiles) Height() int { return tileHeight }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, 0, len(wanted))
	for _, tile := range wanted {
		data, err := t.read(tile)
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

// read falls back to the full tile when the log has deleted the partial one.
func (t tiles) read(tile tlog.Tile) ([]byte, error) {
	width := tile.W * tlog.HashSize
	data, err := t.fetch(c2spPath(tile))
	if err != nil && tile.W < 1<<tileHeight {
		tile.W = 1 << tileHeight
		data, err = t.fetch(c2spPath(tile))
	}
	if err == nil && len(data) < width {
		err = fmt.Errorf("%s: %d bytes, want %d", c2spPath(tile), len(data), width)
	}
	if err != nil {
		return nil, err
	}
	return data[:width], nil
}

func (t tiles) fetch(path string) ([]byte, error) {
	if t.url == "" {
		return os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(path)))
	}
	response, err := http.Get(strings.TrimSuffix(t.url, "/") + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

func c2spPath(tile tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
}
