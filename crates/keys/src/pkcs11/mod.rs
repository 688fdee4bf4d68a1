//! A private key in a token or HSM, reached through the maker's PKCS#11 module.
//!
//! ```text
//! pkcs11:token=hsm-1;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so
//!   module ─▶ the one token that matches ─▶ session, PIN ─▶ the one private key that matches
//! ```
//!
//! In scope: P-256 (`CKM_ECDSA`) and Ed25519 (`CKM_EDDSA`) keys; making, finding, using them.
//! Out of scope: administering tokens; keys that want their PIN before each signature.
//!
//! Invariants:
//! - A key made here is sensitive, never was extractable, and was made inside, or is destroyed
//!   again.
//! - A name that fits two tokens or two keys opens none of them.
//! - What the token signed is checked with the public half before it is given out.
//! - A PIN is not tried when the token says that one more wrong one locks it.

mod attributes;
mod session;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, ObjectHandle};
use firmlog_statement::{PublicKey, SignError, Signer, normalise_low_s};
use firmlog_verify::crypto::check_bytes;
use zeroize::Zeroizing;

use crate::uri::Pkcs11Uri;
use crate::{Algorithm, AwsLc, KeyError, SELF_TEST, os_random};
use session::Session;

/// Why a token gave no key. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// Neither the name nor the environment names a module.
    #[error(
        "find the PKCS#11 module: name it as ?module-path=/usr/lib/… or in FIRMLOG_PKCS11_MODULE"
    )]
    NoModule,
    /// The module cannot be loaded.
    #[error("load the PKCS#11 module {}: {why}", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No token fits the name.
    #[error("find the token: none fits {wanted}; there are: {found}")]
    NoToken {
        /// The name.
        wanted: String,
        /// Labels.
        found: String,
    },
    /// More than one token fits.
    #[error("tell tokens apart: {wanted} fits {found}; add token= or serial=")]
    TwoTokens {
        /// The name.
        wanted: String,
        /// Labels and serial numbers.
        found: String,
    },
    /// The PIN was wrong.
    #[error("log in to the token {token}: the PIN is wrong; {tries}")]
    PinWrong {
        /// The token's label.
        token: String,
        /// What the token tells of further tries.
        tries: Tries,
    },
    /// The token takes no PIN any more.
    #[error(
        "log in to the token {token}: its PIN is locked; its security officer can set a new one"
    )]
    PinLocked {
        /// The token's label.
        token: String,
    },
    /// One more wrong PIN would lock the token.
    #[error(
        "log in to the token {token}: one more wrong PIN locks it, so none is tried; log in once \
         with the token's own tool, which sets the count back"
    )]
    PinFinalTry {
        /// The token's label.
        token: String,
    },
    /// No key fits.
    #[error("find the key: none fits {wanted}; the token has: {found}")]
    NoKey {
        /// The name.
        wanted: String,
        /// Labels.
        found: String,
    },
    /// More than one key fits.
    #[error("tell keys apart: {count} fit {wanted}; name one by its id, of {found}")]
    TwoKeys {
        /// The name.
        wanted: String,
        /// How many.
        count: usize,
        /// Ids.
        found: String,
    },
    /// There is a key of that name.
    #[error("make the key: the token has one that fits {0}; none is replaced")]
    Exists(String),
    /// A new key needs a label.
    #[error("make the key: a new one needs a label, object=…")]
    NoLabel,
    /// The token does not offer the kind of key.
    #[error("make the key: the token offers no {0}")]
    NotOffered(&'static str),
    /// The key wants the PIN for each signature.
    #[error("use the key: it wants its PIN before each signature (CKA_ALWAYS_AUTHENTICATE)")]
    AlwaysAuthenticate,
    /// A key of another kind.
    #[error("use the key: it is neither P-256 nor Ed25519")]
    NotSupported,
    /// Nothing tells the public half.
    #[error("read the public half of the key: the token has no public key of the same id")]
    NoPublic,
    /// The token made a key that could leave it.
    #[error("make the key: the token made it {0}; it was destroyed again")]
    Leaves(&'static str),
    /// Another key than before, or a signature by another.
    #[error("use the key: what the token signs is not of the public key it shows")]
    OtherKey,
    /// The module said no.
    #[error("use the token: {0}")]
    Token(cryptoki::error::Error),
}

impl From<cryptoki::error::Error> for Pkcs11Error {
    fn from(error: cryptoki::error::Error) -> Self {
        Self::Token(error)
    }
}

/// What a token tells of further tries of its PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// Nothing.
    Unknown,
    /// A wrong PIN was given since the last right one.
    Low,
    /// One.
    Last,
    /// None.
    None,
}

impl std::fmt::Display for Tries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the token does not tell how many tries are left",
            Self::Low => "the token counts wrong tries and will lock after too many",
            Self::Last => "ONE try is left before it locks",
            Self::None => "it is locked now",
        })
    }
}

/// A private key in a token, with a session that is renewed when it is lost.
#[derive(Clone)]
pub struct Pkcs11Key {
    public: PublicKey,
    uri: Pkcs11Uri,
    live: Arc<Mutex<Live>>,
}

struct Live {
    pin: Option<Zeroizing<String>>,
    open: Option<Open>,
}

struct Open {
    session: Session,
    key: ObjectHandle,
}

impl std::fmt::Debug for Pkcs11Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pkcs11Key({})", self.uri)
    }
}

impl Pkcs11Key {
    /// Opens the key, and has it sign once.
    ///
    /// # Errors
    /// [`KeyError::PassphraseMissing`] if the token wants a PIN and there is none, else a
    /// [`Pkcs11Error`].
    pub fn open(uri: &Pkcs11Uri, pin: Option<&str>) -> Result<Self, KeyError> {
        let session = Session::open(uri, pin, false)?;
        let key = session.private_key(uri)?;
        let public = session.public_half(key)?;
        Self::of(uri, pin, public, Open { session, key })
    }

    /// The public half of a key, if the token shows it to everybody.
    ///
    /// # Errors
    /// As [`Pkcs11Key::open`].
    pub fn public_key(uri: &Pkcs11Uri) -> Result<PublicKey, KeyError> {
        let session = Session::open_public(uri)?;
        Ok(session.public_object(uri)?)
    }

    /// Makes a key inside the token.
    ///
    /// # Errors
    /// A [`Pkcs11Error`]; nothing stays behind in the token then.
    pub fn create(
        uri: &Pkcs11Uri,
        algorithm: Algorithm,
        pin: Option<&str>,
    ) -> Result<Self, KeyError> {
        let label = uri.object.as_deref().ok_or(Pkcs11Error::NoLabel)?;
        let session = Session::open(uri, pin, true)?;
        if session.has_key(uri)? {
            return Err(Pkcs11Error::Exists(uri.to_string()).into());
        }
        let id = uri.id.clone().unwrap_or_else(|| {
            let mut id = [0; 16];
            os_random(&mut id);
            id.to_vec()
        });
        let (public_object, key) = session.generate(algorithm, label, &id)?;
        let made = session
            .never_leaves(key)
            .and_then(|()| session.public_half(key))
            .map_err(KeyError::from)
            .and_then(|public| Self::of(uri, pin, public, Open { session, key }));
        made.inspect_err(|_| drop(Session::destroy(uri, pin, [public_object, key])))
    }

    fn of(
        uri: &Pkcs11Uri,
        pin: Option<&str>,
        public: PublicKey,
        open: Open,
    ) -> Result<Self, KeyError> {
        let used = pin.filter(|_| open.session.used_pin);
        let pin = used.map(|pin| Zeroizing::new(pin.to_owned()));
        let live = Arc::new(Mutex::new(Live { pin, open: Some(open) }));
        let key = Self { public, uri: uri.clone(), live };
        key.signed(SELF_TEST)?;
        Ok(key)
    }

    /// Whether the token wanted a PIN for it.
    #[must_use]
    pub fn used_pin(&self) -> bool {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).pin.is_some()
    }

    /// Random bytes of the token.
    ///
    /// # Errors
    /// The token's.
    pub fn random(&self, bytes: &mut [u8]) -> Result<(), KeyError> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(live.open(&self.uri, &self.public)?.session.random(bytes)?)
    }

    /// Signs; a session that was lost (the token was taken out, the module restarted) is opened
    /// again, once.
    fn signed(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = match live.open(&self.uri, &self.public)?.sign(&self.public, message) {
            Err(Pkcs11Error::Token(error)) if session::is_lost(&error) => {
                tracing::warn!(key = %self.uri, %error, "the session is lost; logging in again");
                live.open = None;
                live.open(&self.uri, &self.public)?.sign(&self.public, message)
            }
            other => other,
        };
        let mut signature = signed.inspect_err(|_| live.open = None)?;
        if matches!(self.public, PublicKey::P256(_)) {
            normalise_low_s(&mut signature);
        }
        if check_bytes(&AwsLc, &self.public, message, &signature) {
            return Ok(signature);
        }
        live.open = None;
        Err(Pkcs11Error::OtherKey.into())
    }
}

impl Live {
    fn open(&mut self, uri: &Pkcs11Uri, public: &PublicKey) -> Result<&Open, KeyError> {
        if self.open.is_none() {
            let session = Session::open(uri, self.pin.as_deref().map(String::as_str), false);
            // A PIN that became wrong is not tried again with each signature: that would lock it.
            if matches!(&session, Err(KeyError::Pkcs11(Pkcs11Error::PinWrong { .. }))) {
                self.pin = None;
            }
            let session = session?;
            let key = session.private_key(uri)?;
            if session.public_half(key)? != *public {
                return Err(Pkcs11Error::OtherKey.into());
            }
            self.open = Some(Open { session, key });
        }
        self.open.as_ref().ok_or(KeyError::Bug)
    }
}

impl Open {
    fn sign(&self, public: &PublicKey, message: &[u8]) -> Result<[u8; 64], Pkcs11Error> {
        let signed = match public {
            PublicKey::P256(_) => {
                let hash = digest(&SHA256, message);
                self.session.sign(&Mechanism::Ecdsa, self.key, hash.as_ref())
            }
            _ => {
                let parameters = EddsaParams::new(EddsaSignatureScheme::Ed25519);
                self.session.sign(&Mechanism::Eddsa(parameters), self.key, message)
            }
        };
        signed?.try_into().map_err(|_| Pkcs11Error::OtherKey)
    }
}

impl Signer for Pkcs11Key {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, to_be_signed: &[u8]) -> Result<[u8; 64], SignError> {
        self.signed(to_be_signed).map_err(|error| {
            tracing::error!(key = %self.uri, "failed to {error}");
            SignError::Unavailable
        })
    }
}

/// What a key pair is made as.
fn templates(parameters: Vec<u8>, label: &str, id: &[u8]) -> (Vec<Attribute>, Vec<Attribute>) {
    let shared =
        || vec![Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(id.into())];
    let mut public = shared();
    public.extend([
        Attribute::EcParams(parameters),
        Attribute::Verify(true),
        Attribute::Private(false),
    ]);
    let mut private = shared();
    private.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Derive(false),
    ]);
    (public, private)
}
