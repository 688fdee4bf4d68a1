//! Every key there is, with its default and its reason.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use firmlog_keys::KeyUri;

use super::value::{Optional, Raw, Setting};
use super::{Key, Source};

macro_rules! settings {
    ($($(#[$section_doc:meta])* $section:ident : $Section:ident {
        $($name:ident : $form:ty = $default:literal, $help:literal;)*
    })*) => {
        /// All settings.
        #[derive(Clone, Debug, Default)]
        pub struct Config {
            $($(#[$section_doc])* pub $section: $Section,)*
        }

        $($(#[$section_doc])*
        #[derive(Clone, Debug)]
        pub struct $Section {
            $(#[doc = $help] pub $name: $form,)*
        }

        impl Default for $Section {
            fn default() -> Self {
                Self { $($name: <$form>::from_text($default).expect("the default parses"),)* }
            }
        })*

        impl Config {
            /// Every key, in the order of the manual.
            pub const KEYS: &'static [Key] = &[$($(Key {
                name: concat!(stringify!($section), ".", stringify!($name)),
                help: $help,
                default: $default,
            },)*)*];

            /// Values as they would be written, in the order of [`Config::KEYS`].
            pub(super) fn values(&self) -> Vec<String> {
                vec![$($(self.$section.$name.written(),)*)*]
            }

            /// Sets one key. `Err(None)`: no such key; otherwise the key and what it expects.
            pub(super) fn assign(
                &mut self,
                key: &str,
                raw: &Raw,
            ) -> Result<&'static str, Option<(&'static str, &'static str)>> {
                $($({
                    const NAME: &str = concat!(stringify!($section), ".", stringify!($name));
                    if key == NAME {
                        let value = <$form>::from_raw(raw);
                        self.$section.$name = value.ok_or(Some((NAME, <$form>::EXPECTED)))?;
                        return Ok(NAME);
                    }
                })*)*
                Err(None)
            }

            /// Makes relative paths from the file relative to the file.
            pub(super) fn resolve_paths(
                &mut self,
                base: &Path,
                sources: &BTreeMap<&'static str, Source>,
            ) {
                $($(if sources.contains_key(concat!(stringify!($section), ".", stringify!($name))) {
                    self.$section.$name.resolve(base);
                })*)*
            }
        }
    };
}

settings! {
    /// The log and its key.
    log: Log {
        dir: PathBuf = "firmlog-data",
            "Data directory made by `firmlog log init`.";
        origin: Optional<String> = "",
            "The log's name, as given at init; empty to take it from the data directory.";
        key: KeyUri = "log-key.pem",
            "Ed25519 key that signs checkpoints, receipts and audit statements: a file (PKCS#8 PEM, mode 0600) or pkcs11:.";
        key_passphrase_file: Optional<PathBuf> = "",
            "File with the passphrase of the key, or the token's PIN; empty when it has none.";
        any: bool = "false",
            "Whether any bytes are taken (POST /add); otherwise statements signed by enrolled keys only. Must be as at init.";
        record: Optional<PathBuf> = "",
            "Never-fork record; empty for <dir>.record beside the data directory. Keep it out of backups.";
        queue_max: u64 = "65536",
            "Entries waiting for the sequencer before submissions are answered 503.";
    }
    /// Listeners.
    http: Http {
        listen: SocketAddr = "127.0.0.1:8080",
            "Address of the API, the tiles and the pages.";
        metrics_listen: Optional<SocketAddr> = "127.0.0.1:9090",
            "Address of Prometheus /metrics, apart because counts can be confidential; empty turns it off.";
        public_url: Optional<String> = "",
            "URL under which readers reach this server, for the commands shown on pages; empty for the Host they used.";
        admin_token_file: Optional<PathBuf> = "",
            "File with the administrators' token (its first line, at least 24 characters; readable by its owner alone), sent as `Authorization: Bearer`. It finds disclosed values by search, which anybody could guess at otherwise, and erases them; empty for none.";
        tls_certificate: Optional<PathBuf> = "",
            "Certificate chain (PEM); with tls_key it turns TLS on.";
        tls_key: Optional<PathBuf> = "",
            "Private key of the certificate (PEM).";
        tls_reload_s: u64 = "60",
            "Seconds between looks at the certificate files; a changed pair is used for new connections.";
        shutdown_ms: u64 = "10000",
            "Milliseconds a shutdown waits for requests under way.";
    }
    /// What one client, and all of them together, may use.
    limits: Limits {
        connections_max: u64 = "10000",
            "Open connections; further ones wait in the kernel's backlog.";
        header_timeout_ms: u64 = "30000",
            "Milliseconds for a request's headers to arrive, idle time between requests included.";
        body_timeout_ms: u64 = "30000",
            "Milliseconds for a request's body to arrive before 408.";
        concurrency_max: u64 = "512",
            "Requests under way apart from POST /add; past it 503 with Retry-After.";
        batch_bytes_max: u64 = "16777216",
            "Bytes of one POST /batch body.";
        batch_items_max: u64 = "10000",
            "Statements in one POST /batch body.";
        bodies_bytes_max: u64 = "33554432",
            "Bytes of all request bodies under way together, each body's first 16 KiB apart; past it 503 with Retry-After. Below batch_bytes_max, the largest batches are never taken.";
        bundle_bytes_max: u64 = "33554432",
            "Bytes of the entries of one evidence bundle, and of the hashes of their paths (32 each); past it 413. Bundles are gathered one after another, so this bounds the memory all of them take.";
        rate_per_s: u64 = "100",
            "Requests a second each peer address may make on average, /healthz and /readyz apart; past it 429 with Retry-After. 0 is without limit. Many devices behind one address need more, or batches.";
        rate_burst: u64 = "1000",
            "Requests a peer address may make at once when it was quiet before; an audit asks for many tiles at once.";
        rate_loopback: bool = "false",
            "Whether the rate limit holds for 127.0.0.0/8 and ::1 too. Behind a proxy on the same machine every client has such an address: set it there, or limit in the proxy.";
    }
    /// Signature checks.
    checks: Checks {
        threads: u64 = "0",
            "Threads that check signatures of batches; 0 is one a core.";
    }
    /// The queryable view.
    index: Index {
        path: Optional<PathBuf> = "",
            "SQLite file; empty for index.db in the data directory.";
        enabled: bool = "true",
            "Whether the view is kept; without it lookups by name and device answer 503.";
        disclose: bool = "false",
            "Whether disclosed values (serial numbers, names) are found by search, shown to every reader and put into bundles.";
    }
    /// Witnesses asked to cosign.
    witnesses: Witnesses {
        policy: Optional<PathBuf> = "",
            "tlog-policy file naming the witnesses and the quorum; empty for none.";
        timeout_ms: u64 = "5000",
            "Milliseconds one witness has to answer.";
        interval_ms: u64 = "1000",
            "Milliseconds between rounds while the log grows.";
    }
    /// Anchors on a chain.
    anchor: Anchor {
        config: Optional<PathBuf> = "",
            "File that names chain, contract and keys (docs/spec/anchor.md); empty anchors nowhere.";
        interval_s: u64 = "3600",
            "Seconds between anchors while the log grows.";
        entries: u64 = "100000",
            "Entries after which it anchors before the interval is over.";
    }
    /// Refused submissions, which are counted and told in the log itself.
    refusals: Refusals {
        window_s: u64 = "60",
            "Seconds of refusals one audit statement sums up; 0 appends none.";
        samples_max: u64 = "8",
            "Leaf hashes of refused statements kept in it as samples.";
    }
    /// When /readyz says no.
    readiness: Readiness {
        checkpoint_age_max_s: u64 = "30",
            "Seconds the newest checkpoint may lag behind accepted entries.";
        index_lag_max: u64 = "100000",
            "Entries the view may lag behind the log.";
        witnessed_age_max_s: u64 = "300",
            "Seconds since the last witnessed checkpoint, when a policy is set and the log has grown.";
        anchored_age_max_s: u64 = "14400",
            "Seconds that entries may wait for a final anchor, where anchors are configured.";
    }
}
