"""Judges evidence of EVM anchors with other people's code.

One JSON object a line on standard input, one on standard output: {"op": "anchor_evidence",
"evidence": hex, "pins": [lines of a trust root]} is answered with the checks that fail and with what
the evidence says. The format is that of docs/spec/anchor-evidence.md.

CBOR is read by cbor2, RLP by rlp, Merkle-Patricia proofs are judged by trie (py-trie), Keccak-256 is
eth-hash's; nothing is shared with the Rust code under test.
"""

import hashlib
import json
import sys

import cbor2
import rlp
from eth_hash.auto import keccak
from trie import HexaryTrie

ANCHORED = keccak(b"Anchored(bytes32,uint64,bytes32,uint32,uint64,bytes32)")
SLOTS = ("root slot", "size slot", "accumulator slot")


def in_trie(root, key, leaf):
    """Whether the trie with this root has the value under the key, by the nodes of the proof."""
    value, nodes = leaf
    try:
        found = HexaryTrie.get_from_proof(root, key, [rlp.decode(node) for node in nodes])
    except Exception:  # whatever is wrong with a proof, it proves nothing
        return False
    return found == value


def envelope(data):
    """The type and the fields of EIP-2718 bytes."""
    if data[0] >= 0xC0:
        return 0, rlp.decode(data)
    return data[0], rlp.decode(data[1:])


def number(data):
    """An RLP number, or a word of the chain."""
    return int.from_bytes(data, "big")


def chain_of(kind, fields):
    """The chain a transaction is signed for (EIP-2930 and later, else EIP-155)."""
    return number(fields[0]) if kind else (number(fields[6]) - 35) // 2


def last_event(logs, contract, log_id):
    """The last `Anchored` of the contract and log, as a dictionary."""
    found = None
    for address, topics, data in logs:
        if address == contract and topics[:2] == [ANCHORED, log_id] and len(topics) == 3:
            words = [data[at : at + 32] for at in range(0, len(data), 32)]
            found = {
                "size": number(topics[2]),
                "root": words[0],
                "seq": number(words[1]),
                "time": number(words[2]),
                "checkpoint_hash": words[3],
            }
    return found


def fold(before, event):
    """The contract's accumulator after an event."""
    parts = (
        b"\x02",
        before,
        event["root"],
        event["size"].to_bytes(8, "big"),
        event["seq"].to_bytes(4, "big"),
        event["time"].to_bytes(8, "big"),
        event["checkpoint_hash"],
    )
    return hashlib.sha256(b"".join(parts)).digest()


def state_failures(state, evidence, header, event, code):
    """What of account and storage does not fit."""
    before, account, *slots = state
    if not in_trie(header[3], keccak(evidence[2]), account):
        return ["account"]
    _nonce, _balance, storage_root, code_hash = rlp.decode(account[0])
    failed = ["account"] if code not in (None, code_hash) else []
    first = number(keccak(evidence[3] + (3).to_bytes(32, "big")))
    for place, (name, (value, proof)) in enumerate(zip(SLOTS, slots)):
        key = keccak(((first + place) % 2**256).to_bytes(32, "big"))
        if not in_trie(storage_root, key, (rlp.encode(value.lstrip(b"\0")), proof)):
            failed.append(name)
    packed = slots[1][0]
    said = {
        "root slot": slots[0][0] == event["root"],
        "size slot": (number(packed[20:24]), number(packed[24:])) == (event["seq"], event["size"]),
        "accumulator slot": slots[2][0] == fold(before, event),
    }
    return failed + [name for name, fits in said.items() if not fits]


def header_failures(raws, chain, pins):
    """What of the headers does not fit together or contradicts a pinned block; and whether one is
    pinned."""
    failed, pinned, parent = [], False, None
    blocks = {int(pin[2]): pin[3] for pin in pins if pin[:2] == ["evm-block", str(chain)]}
    for place, raw in enumerate(raws):
        name = "block header" if place == 0 else f"later header {place - 1}"
        fields, found = rlp.decode(raw), keccak(raw)
        height = number(fields[8])
        if parent is not None and (fields[0], height) != parent:
            failed.append(name)
        hexed = "0x" + found.hex()
        if height in blocks or hexed in blocks.values():
            same = blocks.get(height) == hexed
            pinned |= same
            failed += [] if same else [name]
        parent = (found, height + 1)
    return failed, pinned


def pinned_code(evidence, pins):
    """The code hash that is pinned for the contract."""
    for kind, chain, address, *code in pins:
        mine = (str(evidence[1]), "0x" + evidence[2].hex())
        if kind == "evm-contract" and (chain, address) == mine and code:
            return bytes.fromhex(code[0][2:])
    return None


def anchor_evidence(q):
    """Which checks does the evidence fail, and what does it say?"""
    data = bytes.fromhex(q["evidence"])
    pins = [line.split(" ") for line in q["pins"]]
    evidence = cbor2.loads(data)
    if cbor2.dumps(evidence, canonical=True) != data:
        return {"ok": False, "failed": ["evidence"]}
    try:
        header = rlp.decode(evidence[4])
        headers, pinned = header_failures([evidence[4], *evidence.get(9, [])], evidence[1], pins)
    except rlp.DecodingError:
        return {"ok": False, "failed": ["block header"]}
    failed, key = list(headers), rlp.encode(evidence[5])
    transaction, receipt = evidence[6], evidence[7]
    if not in_trie(header[4], key, transaction) or (
        chain_of(*envelope(transaction[0])) != evidence[1]
    ):
        failed.append("transaction")
    if not in_trie(header[5], key, receipt):
        return {"ok": False, "failed": failed + ["receipt"]}
    kind, (status, _gas, _bloom, logs) = envelope(receipt[0])
    event = last_event(logs, evidence[2], evidence[3])
    if status != b"\x01" or kind != envelope(transaction[0])[0] or event is None:
        return {"ok": False, "failed": failed + ["receipt"]}
    if event["time"] != number(header[11]):
        failed.append("event")
    if 8 in evidence:
        code = pinned_code(evidence, pins)
        failed += state_failures(evidence[8], evidence, header, event, code)
    told = {name: v.hex() if isinstance(v, bytes) else v for name, v in event.items()}
    return {"ok": not failed and pinned, "failed": failed, "pinned": pinned, "event": told}


def main():
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = anchor_evidence(question)
        except Exception as error:  # the caller judges; nothing may end the loop
            answer = {"ok": False, "failed": ["unreadable"], "why": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
