package main

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// request is one thing to check; exactly one field is set.
type request struct {
	Note        *noteRequest        `json:"note,omitempty"`
	Inclusion   *inclusionRequest   `json:"inclusion,omitempty"`
	Consistency *consistencyRequest `json:"consistency,omitempty"`
}

type noteRequest struct {
	Text string `json:"text"`
	Vkey string `json:"vkey"`
}

type inclusionRequest struct {
	Head  head             `json:"head"`
	Index int64            `json:"index"`
	Leaf  tlog.Hash        `json:"leaf"`
	Proof tlog.RecordProof `json:"proof"`
}

type consistencyRequest struct {
	Old   head           `json:"old"`
	New   head           `json:"new"`
	Proof tlog.TreeProof `json:"proof"`
}

// verdict is the answer to one request. Text is what a note that verifies says.
type verdict struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Text  string `json:"text,omitempty"`
}

func verify(requests []request) ([]verdict, error) {
	verdicts := make([]verdict, 0, len(requests))
	for i, request := range requests {
		text, err := check(request)
		if err == errNothing {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		verdict := verdict{OK: err == nil, Text: text}
		if err != nil {
			verdict.Error = err.Error()
		}
		verdicts = append(verdicts, verdict)
	}
	return verdicts, nil
}

var errNothing = fmt.Errorf("nothing to check")

func check(r request) (string, error) {
	switch {
	case r.Note != nil:
		return checkNote(*r.Note)
	case r.Inclusion != nil:
		q := *r.Inclusion
		return "", tlog.CheckRecord(q.Proof, q.Head.Size, q.Head.Root, q.Index, q.Leaf)
	case r.Consistency != nil:
		q := *r.Consistency
		return "", tlog.CheckTree(q.Proof, q.New.Size, q.New.Root, q.Old.Size, q.Old.Root)
	}
	return "", errNothing
}

func checkNote(q noteRequest) (string, error) {
	verifier, err := note.NewVerifier(q.Vkey)
	if err != nil {
		return "", err
	}
	opened, err := note.Open([]byte(q.Text), note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	return opened.Text, nil
}
