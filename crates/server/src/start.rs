//! Starting and stopping: from settings to listeners, and back to a closed log.
//!
//! Stopping: no new connections, requests under way finish, the last refusals are told, the view
//! catches its breath, and the log makes everything durable.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use firmlog_index::Index;
use firmlog_keys::{AwsLc, Key, KeyError, KeyUri};
use firmlog_log::witness::{Cosigned, Witnessing};
use firmlog_log::{AppendError, Log, LogError, RecoveryReport, Registration};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::note::{Algorithm, NoteSigner, VerifierKey};
use firmlog_tlog::policy::{Policy, PolicyError};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::accept::{Listening, serve};
use crate::add::Gate;
use crate::admin::AdminToken;
use crate::app::{App, now_ms};
use crate::body::Bodies;
use crate::bundle::Bundles;
use crate::config::{Config, Limits};
use crate::deeds::Deeds;
use crate::engine::Engine;
use crate::front::Front;
use crate::health::MetricsFront;
use crate::metrics::Metrics;
use crate::refusals::{self, Refused};
use crate::tls::{Certificates, TlsError};
use crate::witnessed::{Witnessed, recall};
use crate::{anchoring, audit, follower, routes};

/// Why the server did not start or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The log could not be opened.
    #[error("open the log: {0}")]
    Log(#[from] LogError),
    /// The log did not close cleanly.
    #[error("close the log: {0}")]
    Close(#[from] AppendError),
    /// The log's key could not be used.
    #[error("use the log's key {name}: {source}")]
    Key {
        /// Its name.
        name: KeyUri,
        /// Why.
        source: KeyError,
    },
    /// Configuration: the origin is neither set nor in the data directory.
    #[error("find the log's origin: set log.origin; {} has no readable checkpoint", .0.display())]
    NoOrigin(PathBuf),
    /// Configuration: the witness policy.
    #[error("use the witness policy {}: {source}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PolicyError,
    },
    /// A passphrase or the administrators' token.
    #[error("use the secret in {}: {why}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file could not be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was done to the log could not be read or noted.
    #[error("note what is done to the log, in state/ of its data folder: {0}")]
    Deeds(std::io::Error),
    /// An address could not be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The index could not be opened.
    #[error("open the index: {0}")]
    Index(#[from] firmlog_index::Error),
    /// Anchoring could not be set up.
    #[error("anchor the log: {0}")]
    Anchor(#[from] firmlog_anchor::AnchorError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Threads could not be started.
    #[error("start threads: {0}")]
    Threads(String),
}

/// A running server.
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    report: RecoveryReport,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
    follower: Option<(Arc<AtomicBool>, std::thread::JoinHandle<()>)>,
}

/// Serves until `stop` resolves, then shuts down in order.
///
/// # Errors
/// What keeps it from starting, or from closing the log cleanly.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
    let server = Server::start(config).await?;
    tracing::info!(address = %server.address(), "serving");
    stop.await;
    server.stop().await
}

impl Server {
    /// Opens the log and its view, and starts listening.
    ///
    /// # Errors
    /// What keeps it from starting; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        let certificates = Certificates::open(
            config.http.tls_certificate.0.as_deref(),
            config.http.tls_key.0.as_deref(),
        )?;
        let policy = config.witnesses.policy.0.as_deref().map(read_policy).transpose()?;
        let listener = listen(config.http.listen).await?;
        let metrics_listener = match config.http.metrics_listen.0 {
            None => None,
            Some(address) => Some(listen(address).await?),
        };
        let (engine, vkey, report) = open_log(&config)?;
        let engine = Arc::new(engine);
        let deeds = Deeds::of(&config);
        if let Some(deeds) = &deeds {
            deeds.start_with(&config).map_err(ServerError::Deeds)?;
        }
        let (covered_sender, covered) = watch::channel(0);
        let index = open_index(&config, &engine)?;
        let admin = config.http.admin_token_file.0.as_deref().map(AdminToken::read).transpose()?;
        let timeout = Duration::from_millis(config.witnesses.timeout_ms);
        let witnessing = |policy: &Policy| {
            let reader = engine.reader().clone();
            Witnessing::new(reader, policy.clone(), Arc::new(AwsLc), timeout)
        };
        let witnessing = policy.as_ref().map(witnessing).transpose()?;
        let anchors = config.anchor.config.0.as_deref();
        let anchors = anchors.map(|path| anchoring::open(path, &engine.origin)).transpose()?;
        let kept = policy.as_ref().zip(VerifierKey::parse(&vkey).ok());
        let kept = kept.and_then(|(policy, key)| recall(&config.log.dir, &key, policy));
        let kept = kept.filter(|it| it.head.size <= engine.published().head.size);
        let app = Arc::new(App {
            gate: Arc::new(Gate::new(config.log.queue_max)),
            admin,
            bundles: Bundles::new(config.limits.bundle_bytes_max),
            bodies: Bodies::new(
                config.limits.bodies_bytes_max,
                Duration::from_millis(config.limits.body_timeout_ms),
            ),
            refused: Refused::new(config.refusals.samples_max),
            untold: Notify::new(),
            engine,
            index,
            covered,
            policy,
            witnessed: ArcSwapOption::from_pointee(kept),
            anchoring: ArcSwap::default(),
            metrics: Metrics::default(),
            vkey,
            config,
        });
        tell_rate(&app.config.limits);
        let (stop, stopped) = watch::channel(false);
        let mut server = Self {
            address: local(&listener)?,
            metrics_address: metrics_listener.as_ref().map(local).transpose()?,
            report,
            stop,
            listeners: Vec::new(),
            helpers: Vec::new(),
            follower: None,
            app,
        };
        server.follow(covered_sender)?;
        server.help(certificates.clone(), witnessing);
        if let Some(deeds) = deeds {
            server.helpers.push(tokio::spawn(audit::run(server.app.clone(), deeds)));
        }
        if let Some((client, settings)) = anchors {
            let anchoring = anchoring::run(server.app.clone(), client, settings);
            server.helpers.push(tokio::spawn(anchoring));
        }
        server.listen(listener, metrics_listener, certificates, stopped);
        Ok(server)
    }

    /// Where the API is served; the port chosen, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is served, if it is.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// What opening the log found.
    #[must_use]
    pub fn recovery(&self) -> &RecoveryReport {
        &self.report
    }

    /// Stops listening, finishes what is under way, closes the log.
    ///
    /// # Errors
    /// [`ServerError::Close`] if not everything may be durable.
    pub async fn stop(self) -> Result<(), ServerError> {
        self.stop.send_replace(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        refusals::flush(&self.app).await;
        for helper in &self.helpers {
            helper.abort();
        }
        let app = self.app.clone();
        let follower = self.follower;
        let closed = tokio::task::spawn_blocking(move || {
            if let Some((stop, thread)) = follower {
                stop.store(true, Ordering::Release);
                let _ = thread.join();
            }
            app.engine.close()
        });
        closed.await.map_err(|error| ServerError::Threads(error.to_string()))??;
        Ok(())
    }

    fn follow(&mut self, covered: watch::Sender<u64>) -> Result<(), ServerError> {
        let Some(index) = self.app.index.clone() else { return Ok(()) };
        let reader = self.app.engine.reader().clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("index-follower".to_owned())
            .spawn(move || follower::follow(&reader, &index, &covered, &stopped))
            .map_err(|error| ServerError::Threads(error.to_string()))?;
        self.follower = Some((stop, thread));
        Ok(())
    }

    fn help(&mut self, certificates: Option<Arc<Certificates>>, witnessing: Option<Witnessing>) {
        let app = &self.app;
        self.helpers.push(tokio::spawn(app.gate.clone().run()));
        self.helpers.push(tokio::spawn(crate::accept::keep_a_timer_near()));
        self.helpers.push(tokio::spawn(refusals::report(app.clone())));
        if let Some(witnessing) = witnessing {
            self.helpers.push(tokio::spawn(ask_witnesses(app.clone(), witnessing)));
        }
        if let Some(certificates) = certificates {
            let every = Duration::from_secs(app.config.http.tls_reload_s);
            self.helpers.push(tokio::spawn(certificates.follow(every)));
        }
    }

    fn listen(
        &mut self,
        listener: TcpListener,
        metrics_listener: Option<TcpListener>,
        certificates: Option<Arc<Certificates>>,
        stopped: watch::Receiver<bool>,
    ) {
        let app = &self.app;
        let how = |certificates, connections_max| Listening {
            connections_max,
            header_timeout: Duration::from_millis(app.config.limits.header_timeout_ms.max(1)),
            certificates,
            drain: Duration::from_millis(app.config.http.shutdown_ms),
        };
        let connections_max = usize::try_from(app.config.limits.connections_max).unwrap_or(1024);
        let front = Arc::new(Front::new(app.clone(), routes::routes(app.clone())));
        let public = serve(listener, how(certificates, connections_max), front, stopped.clone());
        self.listeners.push(tokio::spawn(public));
        if let Some(listener) = metrics_listener {
            let front = Arc::new(MetricsFront(app.clone()));
            self.listeners.push(tokio::spawn(serve(listener, how(None, 64), front, stopped)));
        }
    }
}

/// What is not limited is said: behind a proxy on this machine that is everybody.
fn tell_rate(limits: &Limits) {
    let Limits { rate_per_s, rate_burst, rate_loopback, .. } = *limits;
    let exempt = if rate_loopback { "/healthz, /readyz" } else { "/healthz, /readyz, loopback" };
    if rate_per_s == 0 {
        tracing::warn!("requests are not limited (limits.rate_per_s)");
    } else {
        tracing::info!(rate_per_s, rate_burst, exempt, "requests of each peer are limited");
    }
}

/// Where the view of this configuration is.
#[must_use]
pub fn index_path(config: &Config) -> PathBuf {
    config.index.path.0.clone().unwrap_or_else(|| config.log.dir.join("index.db"))
}

/// The log's origin: as configured, otherwise from the data directory's checkpoint.
///
/// # Errors
/// [`ServerError::NoOrigin`].
pub fn origin_of(config: &Config) -> Result<String, ServerError> {
    if let Some(origin) = &config.log.origin.0 {
        return Ok(origin.clone());
    }
    let path = config.log.dir.join("checkpoint");
    let bytes = std::fs::read(&path).map_err(|_| ServerError::NoOrigin(path.clone()))?;
    let checkpoint = Unverified::parse(&bytes).map_err(|_| ServerError::NoOrigin(path))?;
    Ok(checkpoint.claimed().origin.to_owned())
}

/// Asks for cosignatures for ever, and serves the newest checkpoint that has its quorum.
async fn ask_witnesses(app: Arc<App>, witnessing: Witnessing) {
    let interval = Duration::from_millis(app.config.witnesses.interval_ms.max(1));
    let done = |cosigned: &Cosigned| {
        let Ok(parsed) = Unverified::parse(cosigned.checkpoint.as_bytes()) else { return };
        if cosigned.satisfied {
            app.witnessed.store(Some(Arc::new(Witnessed {
                checkpoint: cosigned.checkpoint.clone(),
                head: parsed.claimed().head(),
                at_ms: now_ms(),
                names: cosigned.witnesses.clone(),
            })));
        }
    };
    witnessing.run(interval, done).await;
}

fn open_log(config: &Config) -> Result<(Engine, String, RecoveryReport), ServerError> {
    let origin = origin_of(config)?;
    let registration = if config.log.any { Registration::Any } else { Registration::Signed };
    let record = config.log.record.0.clone();
    let record = record.unwrap_or_else(|| config.log.dir.with_extension("record"));
    let key = open_key(config)?;
    let key_error = |source| ServerError::Key { name: config.log.key.clone(), source };
    let signer = key.note_signer(&origin, Algorithm::Ed25519).map_err(key_error)?;
    let vkey = signer.verifier_key().to_string();
    let log_config = firmlog_log::Config {
        queue_len_max: usize::try_from(config.log.queue_max).unwrap_or(usize::MAX),
        ..firmlog_log::Config::new(&config.log.dir, record, &origin, registration)
    };
    let (log, report) = Log::open(log_config, Box::new(signer), Arc::new(AwsLc))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(usize::try_from(config.checks.threads).unwrap_or(0))
        .thread_name(|number| format!("check-{number}"))
        .build()
        .map_err(|error| ServerError::Threads(error.to_string()))?;
    Ok((Engine::new(log, key, origin, registration, pool), vkey, report))
}

fn open_key(config: &Config) -> Result<Key, ServerError> {
    let passphrase = match &config.log.key_passphrase_file.0 {
        None => None,
        Some(path) => Some(firmlog_keys::read_passphrase(path).map_err(|error| {
            ServerError::Secret { path: path.clone(), why: format!("failed to {error}") }
        })?),
    };
    Key::open(&config.log.key, passphrase.as_ref().map(|text| text.as_slice()))
        .map_err(|source| ServerError::Key { name: config.log.key.clone(), source })
}

fn open_index(config: &Config, engine: &Engine) -> Result<Option<Arc<Index>>, ServerError> {
    if !config.index.enabled {
        return Ok(None);
    }
    let index = Arc::new(Index::open(&index_path(config), &engine.origin)?);
    if index.starts_over() {
        tracing::warn!("the machine went down while the index was in use; it is built again");
    }
    Ok(Some(index))
}

fn read_policy(path: &Path) -> Result<Policy, ServerError> {
    let bytes = std::fs::read(path)
        .map_err(|source| ServerError::Read { path: path.to_owned(), source })?;
    Policy::parse(&bytes).map_err(|source| ServerError::Policy { path: path.to_owned(), source })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, ServerError> {
    listener.local_addr().map_err(|source| ServerError::Listen {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        source,
    })
}
