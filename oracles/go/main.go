// Oracle lets the Go checksum database's note and tlog packages judge what firmlog writes,
// and writes notes, trees and proofs of its own for firmlog to judge.
//
//	oracle verify < requests.json    is each note, inclusion proof and consistency proof right?
//	oracle prove  < request.json     make proofs from a log's tiles in a directory or behind a URL
//	oracle make   < request.json     make a key, a tree, checkpoints and proofs from a seed
//
// Each reads one JSON value and writes one. The exit status is 0 if the question was answered,
// whatever the answer; 2 if it could not be understood.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: oracle verify|prove|make < request.json"))
	}
	var answer any
	var err error
	switch os.Args[1] {
	case "verify":
		answer, err = answerTo(verify)
	case "prove":
		answer, err = answerTo(prove)
	case "make":
		answer, err = answerTo(makeAll)
	default:
		err = fmt.Errorf("unknown subcommand %q", os.Args[1])
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fail(err)
	}
}

func answerTo[Q, A any](do func(Q) (A, error)) (any, error) {
	var question Q
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&question); err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	return do(question)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(2)
}

// head is a tree size and its root; hashes are base64 in JSON, as tlog marshals them.
type head struct {
	Size int64     `json:"size"`
	Root tlog.Hash `json:"root"`
}
