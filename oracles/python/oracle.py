"""Answers questions about COSE statements and receipts with other people's code.

One JSON object a line on standard input, one JSON object a line on standard output. Each request
names an operation in "op"; bytes travel as lowercase hex, keys as PEM text. An operation that
cannot be carried out answers {"error": "..."}; a check that fails answers {"ok": false, ...}.

Everything here is decided by the scitt-cose, cbor2 and cryptography packages and the standard
library; nothing is shared with the Rust code under test.
"""

import hashlib
import json
import sys

import cbor2
import scitt_cose
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def verify_statement(q):
    """Is this a SCITT signed statement that verifies under the key?"""
    try:
        sign1 = scitt_cose.verify_sign1(bytes.fromhex(q["statement"]), public_key_pem=q["key"])
    except scitt_cose.CoseError as error:
        return {"ok": False, "why": str(error)}
    parsed = scitt_cose.parse_signed_statement(
        bytes.fromhex(q["statement"]), public_key_pem=q["key"]
    )
    return {
        "ok": parsed.get("signature_verified") is True,
        "issuer": parsed.get("issuer"),
        "subject": parsed.get("subject"),
        "alg": parsed.get("alg"),
        "content_type": parsed.get("content_type"),
        "payload": sign1.payload.hex(),
    }


def verify_receipt(q):
    """Does the receipt prove that the entry is in the log's tree?"""
    result = scitt_cose.verify_receipt(
        bytes.fromhex(q["receipt"]), leaf_entry_hex=q["entry"], log_public_key_pem=q["key"]
    )
    return {
        "ok": result.ok,
        "why": "; ".join(result.errors),
        "root": result.root,
        "tree_size": result.tree_size,
        "leaf_index": result.leaf_index,
    }


def make_statement(q):
    """Signs a payload as a SCITT signed statement, header labels in ascending order.

    "low_s" normalises an ES256 signature; "spoil" leaves one part of the statement wrong.
    """
    protected = {1: 0, 3: q["content_type"], 4: bytes.fromhex(q["kid"])}
    protected[15] = {1: q["issuer"], 2: q["subject"]}
    made = scitt_cose.sign_sign1(
        bytes.fromhex(q["payload"]), alg=q["alg"], private_key_pem=q["key"], protected=protected
    )
    header, unprotected, payload, signature = cbor2.loads(made).value
    if q["alg"] == "ES256" and q.get("low_s", True):
        signature = low_s(signature)
    spoil = q.get("spoil")
    if spoil == "signature":
        signature = flip(signature)
    elif spoil == "payload":
        payload = flip(payload)
    elif spoil == "protected":
        header = flip(header)
    elif spoil == "unprotected":
        unprotected = {4: b"not empty"}
    elif spoil == "detached":
        payload = None
    elif spoil is not None:
        return {"error": f"nothing named {spoil!r} to spoil"}
    tagged = cbor2.CBORTag(18, [header, unprotected, payload, signature])
    return {"ok": True, "statement": cbor2.dumps(tagged).hex()}


def low_s(signature):
    """The same ECDSA signature with the smaller of its two s values."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, P256_ORDER - s).to_bytes(32, "big")


def flip(data):
    """One bit of the last byte turned over."""
    return data[:-1] + bytes([data[-1] ^ 1])


def make_receipt(q):
    """Builds a tree over the entries and signs a receipt for one of them."""
    entries = q["entries"]
    made = scitt_cose.build_receipt(
        leaf_entry_hex=entries[q["index"]],
        leaf_index=q["index"],
        tree_entries_hex=entries,
        alg=q["alg"],
        log_private_key_pem=q["key"],
        iss=q.get("issuer"),
        sub=q.get("subject"),
        kid=bytes.fromhex(q["kid"]) if q.get("kid") else None,
    )
    return {"ok": True, "receipt": made.hex(), "root": scitt_cose.merkle_root(entries)}


def verify_consistency_receipt(q):
    """Does a COSE receipt (RFC 9942) prove that the second tree head extends the first?"""
    header, unprotected, payload, signature = cbor2.loads(bytes.fromhex(q["receipt"])).value
    protected = cbor2.loads(header)
    if protected.get(395) != 1 or payload is not None:
        return {"ok": False, "why": "not a detached receipt of an RFC 9162 tree"}
    (proof,) = unprotected[396][-2]
    size1, size2, path = cbor2.loads(proof)
    grown = scitt_cose.verify_consistency(
        q["root1"], q["root2"], size1, size2, [node.hex() for node in path]
    )
    signed = cbor2.dumps(["Signature1", header, b"", bytes.fromhex(q["root2"])])
    return {"ok": bool(grown) and signed_by(q["key"], signature, signed), "sizes": [size1, size2]}


def signed_by(pem, signature, message):
    """Whether a COSE signature (r and s, or Ed25519's 64 bytes) is the key's over the message."""
    key = serialization.load_pem_public_key(pem.encode())
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False


def thumbprint(q):
    """The RFC 9679 COSE key thumbprint, SHA-256, of a public key in PEM."""
    key = serialization.load_pem_public_key(q["key"].encode())
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        x, y = (n.to_bytes(32, "big") for n in (numbers.x, numbers.y))
        cose = {1: 2, -1: 1, -2: x, -3: y}
    elif isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        cose = {1: 1, -1: 6, -2: raw}
    else:
        return {"error": f"expected a P-256 or Ed25519 key, got {type(key).__name__}"}
    return {"ok": True, "thumbprint": hashlib.sha256(cbor2.dumps(cose, canonical=True)).hexdigest()}


OPERATIONS = {
    f.__name__: f
    for f in (
        verify_statement,
        verify_receipt,
        make_statement,
        make_receipt,
        verify_consistency_receipt,
        thumbprint,
    )
}


def main():
    for line in sys.stdin:
        question = json.loads(line)
        operation = OPERATIONS.get(question.get("op"))
        if operation is None:
            answer = {"error": f"no operation {question.get('op')!r}; expected {sorted(OPERATIONS)}"}
        else:
            try:
                answer = operation(question)
            except Exception as error:  # the caller judges; nothing may end the loop
                answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
