//! The text formats: signed notes, checkpoints, keys, proofs, policies, transcripts.

use firmlog_tlog::checkpoint::Checkpoint;
use firmlog_tlog::cosignature::Cosignature;
use firmlog_tlog::note::{Note, PrivateKey, Signature, VerifierKey};
use firmlog_tlog::policy::{Policy, Quorum};
use firmlog_tlog::proof::{HEADER, TlogProof};
use serde_json::{Value, json};

use super::Found;
use crate::answer::{counted, hex, table};

/// Tells the text formats apart by their first line.
pub(crate) fn explain(text: &str) -> Option<Found> {
    let line = text.lines().next()?.trim_end();
    if line == HEADER {
        return Some(proof(text));
    }
    if line.starts_with("PRIVATE+KEY+") {
        return Some(private_key(line));
    }
    if line.starts_with("-----BEGIN ") {
        return Some(pem(text));
    }
    if text.contains("\n\n\u{2014} ") {
        return Some(note(text));
    }
    if text.trim_start().starts_with('{') {
        return document(text);
    }
    if is_policy(text) {
        return Some(policy(text));
    }
    let found = vkey(line).or_else(|| super::file::public_line(line));
    found.filter(|_| text.trim_end().lines().count() == 1)
}

fn note(text: &str) -> Found {
    let note = match Note::parse(text.as_bytes()) {
        Ok(note) => note,
        Err(e) => return Found::new("signed note", "a text with signature lines").broken(e),
    };
    let signatures: Vec<Value> = note.signatures().map(|s| signature_json(&s)).collect();
    let lines: String = note.signatures().map(|s| signature_line(&s)).collect();
    match Checkpoint::parse(note.text()) {
        Ok(checkpoint) => {
            let size = counted(checkpoint.size.0, "entry", "entries");
            let summary = format!("{} says its tree has {size}", checkpoint.origin);
            let rows = [
                ("origin", checkpoint.origin.to_owned()),
                ("size", checkpoint.size.to_string()),
                ("root", checkpoint.root.to_string()),
            ];
            let json = json!({"origin": checkpoint.origin, "size": checkpoint.size.0.to_string(),
                "root": checkpoint.root.to_string(), "signatures": signatures});
            Found::new("checkpoint", summary).text(table(rows) + &lines).json(json)
        }
        Err(_) => Found::new("signed note", format!("{} signatures", signatures.len()))
            .text(note.text().to_owned() + &lines)
            .json(json!({"text": note.text(), "signatures": signatures})),
    }
}

fn signature_line(signature: &Signature<'_>) -> String {
    let bytes = signature.to_vec();
    let kind = match (bytes.len(), Cosignature::from_signature(signature)) {
        (64, _) => "signature, 64 bytes".to_owned(),
        (_, Ok(cosignature)) => format!("cosignature of {}", utc(cosignature.time_s)),
        (n, _) => format!("signature of a kind not known here, {n} bytes"),
    };
    format!("by    {} (key {})  {kind}  {}…\n", signature.name(), signature.key_id(), start(&bytes))
}

fn signature_json(signature: &Signature<'_>) -> Value {
    let bytes = signature.to_vec();
    let mut json = json!({"name": signature.name(), "key_id": signature.key_id().to_string(),
        "signature": hex(&bytes)});
    if let (72, Ok(cosignature)) = (bytes.len(), Cosignature::from_signature(signature)) {
        json["time_s"] = cosignature.time_s.into();
        json["time"] = utc(cosignature.time_s).into();
    }
    json
}

fn start(bytes: &[u8]) -> String {
    hex(bytes.get(..8).unwrap_or(bytes))
}

fn proof(text: &str) -> Found {
    let proof = match TlogProof::parse(text.as_bytes()) {
        Ok(proof) => proof,
        Err(e) => return Found::new("tlog-proof", "an inclusion proof").broken(e),
    };
    let inner = note(&proof.checkpoint);
    let mut out = format!("index  {}\n", proof.index);
    for (level, hash) in proof.path.iter().enumerate() {
        out.push_str(&format!("path {level:>2}  {hash}\n"));
    }
    out.push_str(&inner.text);
    let path: Vec<String> = proof.path.iter().map(ToString::to_string).collect();
    let json = json!({"index": proof.index.0.to_string(), "path": path, "checkpoint": inner.json,
        "extra": proof.extra.as_deref().map(hex)});
    let summary = format!("entry {} is in the tree where {}", proof.index, inner.summary);
    let found = Found::new("tlog-proof", summary).text(out).json(json);
    match inner.broken {
        Some(why) => found.broken(why),
        None => found,
    }
}

fn vkey(line: &str) -> Option<Found> {
    let key = VerifierKey::parse(line).ok()?;
    let rows = [
        ("name", key.name.to_string()),
        ("id", key.id.to_string()),
        ("signs", format!("{:?}", key.algorithm)),
        ("public key", hex(&key.public_key)),
    ];
    let json = json!({"name": key.name.as_str(), "id": key.id.to_string(),
        "algorithm": format!("{:?}", key.algorithm), "public_key": hex(&key.public_key)});
    Some(
        Found::new("verifier key", format!("public key of {}", key.name))
            .text(table(rows))
            .json(json),
    )
}

/// Only the name and id; the seed stays where it is.
fn private_key(line: &str) -> Found {
    match PrivateKey::parse(line) {
        Ok(key) => Found::new("signing key", format!("SECRET signing key of {}", key.name))
            .text(format!("id  {}\nThe secret is not shown. Keep the file at mode 0600.\n", key.id))
            .json(json!({"name": key.name.as_str(), "id": key.id.to_string()})),
        Err(e) => Found::new("signing key", "a SECRET signing key").broken(e),
    }
}

/// Only the labels of the blocks; their content may be secret.
fn pem(text: &str) -> Found {
    let labels: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .collect();
    let secret = labels.iter().any(|label| label.contains("PRIVATE"));
    let (kind, note) = match secret {
        true => {
            ("key file", "The secret is not shown. See the public half: firmlog key show FILE\n")
        }
        false => ("PEM file", ""),
    };
    let locked = labels.iter().any(|label| label.contains("ENCRYPTED"));
    let summary = match (secret, locked) {
        (true, true) => "a SECRET key under a passphrase".to_owned(),
        (true, false) => "a SECRET key".to_owned(),
        _ => labels.join(", "),
    };
    Found::new(kind, summary)
        .text(format!(
            "{}{note}",
            labels.iter().map(|l| format!("block  {l}\n")).collect::<String>()
        ))
        .json(json!({"blocks": labels, "secret": secret, "encrypted": locked}))
}

fn is_policy(text: &str) -> bool {
    let words = ["log", "witness", "group", "quorum"];
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.any(|l| l.split([' ', '\t']).next().is_some_and(|word| words.contains(&word)))
}

fn policy(text: &str) -> Found {
    // A trust root is a policy with further lines; the policy's own are explained here.
    let (own, further): (Vec<&str>, Vec<&str>) = text.lines().partition(|l| !is_trust_line(l));
    let kind = if further.is_empty() { "policy" } else { "trust root" };
    let policy = match Policy::parse((own.join("\n") + "\n").as_bytes()) {
        Ok(policy) => policy,
        Err(e) => return Found::new(kind, "whom to believe").broken(e),
    };
    let mut out = String::new();
    for log in policy.logs() {
        out.push_str(&format!("believes  log      {} (key {})\n", log.key.name, log.key.id));
    }
    for witness in policy.witnesses() {
        let key = &witness.key;
        out.push_str(&format!(
            "knows     witness  {} = {} (key {})\n",
            witness.name, key.name, key.id
        ));
    }
    for group in policy.groups() {
        let members = group.members.len();
        out.push_str(&format!("group     {}: {} of {members}\n", group.name, group.threshold));
    }
    let asks = match policy.quorum() {
        Quorum::None => "no witness".to_owned(),
        Quorum::Member(member) => member_name(&policy, member),
    };
    out.push_str(&format!("asks for  {asks}\n"));
    for line in &further {
        out.push_str(&format!("also      {line}\n"));
    }
    let logs: Vec<String> = policy.logs().iter().map(|l| l.key.name.to_string()).collect();
    let witnesses: Vec<&str> = policy.witnesses().iter().map(|w| w.name.as_str()).collect();
    let summary =
        format!("{} logs, {} witnesses, asks for {asks}", logs.len(), policy.witnesses().len());
    let json = json!({"logs": logs, "witnesses": witnesses, "quorum": asks, "further": further});
    Found::new(kind, summary).text(out).json(json)
}

fn is_trust_line(line: &str) -> bool {
    let pins = line.starts_with("genesis ") || line.starts_with("evm-");
    pins || line == firmlog_verify::root::HEADER
}

fn member_name(policy: &Policy, member: firmlog_tlog::policy::Member) -> String {
    use firmlog_tlog::policy::Member;
    match member {
        Member::Witness(i) => {
            policy.witnesses().get(i).map_or_else(String::new, |w| format!("witness {}", w.name))
        }
        Member::Group(i) => policy.groups().get(i).map_or_else(String::new, |g| {
            format!("group {} ({} of {})", g.name, g.threshold, g.members.len())
        }),
    }
}

/// Documents that firmlog itself writes carry their schema.
fn document(text: &str) -> Option<Found> {
    let doc: Value = serde_json::from_str(text).ok()?;
    let schema = doc.get("schema")?.as_str()?.to_owned();
    let name = schema.strip_prefix("firmlog/")?;
    let pretty = serde_json::to_string_pretty(&doc).unwrap_or_default();
    let shown: String = pretty.lines().take(60).map(|line| format!("{line}\n")).collect();
    let kind =
        if name.starts_with("challenge-transcript") { "challenge transcript" } else { "document" };
    let summary = match kind {
        "document" => format!("firmlog's {name}"),
        _ => "a spot check; re-check it: firmlog challenge verify FILE".to_owned(),
    };
    Some(Found::new(kind, summary).text(shown).json(json!({"document_schema": schema})))
}

/// Seconds since 1970 as RFC 3339 in UTC.
pub(crate) fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date, H. Hinnant, "chrono-compatible low-level date algorithms".
    let z = days as i64 + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn dates_are_right_at_the_edges() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_791_025_327), "2026-10-03T11:02:07Z");
    }

    #[test]
    fn keys_are_told_apart_and_secrets_stay_secret() {
        assert_eq!(explain(VKEY).map(|f| f.kind), Some("verifier key"));
        let seed = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let found = explain(&format!("PRIVATE+KEY+example.com/foo+530d903a+{seed}\n"))
            .expect("is a signing key");
        assert_eq!(found.kind, "signing key");
        assert!(!found.text.contains(seed) && !found.json.to_string().contains(seed));
    }

    #[test]
    fn policy_is_explained() {
        let text = format!("log {VKEY}\nquorum none\n");
        let found = explain(&text).expect("is a policy");
        assert_eq!((found.kind, found.broken), ("policy", None));
        assert!(explain("quorum missing\n").expect("is a policy").broken.is_some());
    }

    #[test]
    fn pem_shows_only_labels() {
        let text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let found = explain(text).expect("is a key file");
        assert_eq!(found.kind, "key file");
        assert!(!found.text.contains("c2VjcmV0"));
    }
}
