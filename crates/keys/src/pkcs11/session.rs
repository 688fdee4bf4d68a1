//! Modules, tokens, sessions, and the objects in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use firmlog_statement::PublicKey;

use super::{Pkcs11Error, Tries, attributes, templates};
use crate::uri::Pkcs11Uri;
use crate::{Algorithm, KeyError};

/// Names the module where a key's name does not.
const MODULE: &str = "FIRMLOG_PKCS11_MODULE";

/// Most objects that a message lists.
const LISTED: usize = 8;

/// Modules loaded so far. One process initialises a module once, whoever asks.
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// An open session with the token of a name.
pub(super) struct Session {
    session: cryptoki::session::Session,
    /// Whether the token wanted the PIN.
    pub(super) used_pin: bool,
}

impl Session {
    /// Opens a session and logs in where the token asks for it.
    pub(super) fn open(uri: &Pkcs11Uri, pin: Option<&str>, write: bool) -> Result<Self, KeyError> {
        let module = module(uri)?;
        let (slot, info) = token(&module, uri)?;
        let open = if write { Pkcs11::open_rw_session } else { Pkcs11::open_ro_session };
        let session = open(&module, slot).map_err(Pkcs11Error::from)?;
        let used_pin = login(&module, slot, &info, &session, pin)?;
        Ok(Self { session, used_pin })
    }

    /// Opens a session that sees what everybody may.
    pub(super) fn open_public(uri: &Pkcs11Uri) -> Result<Self, Pkcs11Error> {
        let module = module(uri)?;
        let (slot, _) = token(&module, uri)?;
        Ok(Self { session: module.open_ro_session(slot)?, used_pin: false })
    }

    /// Takes a key that was just made away again.
    pub(super) fn destroy(
        uri: &Pkcs11Uri,
        pin: Option<&str>,
        objects: [ObjectHandle; 2],
    ) -> Result<(), KeyError> {
        let session = Self::open(uri, pin, true)?;
        for object in objects {
            session.session.destroy_object(object).map_err(Pkcs11Error::from)?;
        }
        Ok(())
    }

    /// The one private key that fits.
    pub(super) fn private_key(&self, uri: &Pkcs11Uri) -> Result<ObjectHandle, Pkcs11Error> {
        let key = self.only(uri, ObjectClass::PRIVATE_KEY)?;
        let wants = self.session.get_attributes(key, &[AttributeType::AlwaysAuthenticate])?;
        if wants.contains(&Attribute::AlwaysAuthenticate(true)) {
            return Err(Pkcs11Error::AlwaysAuthenticate);
        }
        Ok(key)
    }

    /// Whether any private key fits.
    pub(super) fn has_key(&self, uri: &Pkcs11Uri) -> Result<bool, Pkcs11Error> {
        Ok(!self.session.find_objects(&template(uri, ObjectClass::PRIVATE_KEY))?.is_empty())
    }

    /// The one public key that fits.
    pub(super) fn public_object(&self, uri: &Pkcs11Uri) -> Result<PublicKey, Pkcs11Error> {
        self.point(self.only(uri, ObjectClass::PUBLIC_KEY)?)
    }

    /// The public half of a private key: its own point, or that of the public key of its id.
    pub(super) fn public_half(&self, key: ObjectHandle) -> Result<PublicKey, Pkcs11Error> {
        if let Ok(public) = self.point(key) {
            return Ok(public);
        }
        let found =
            self.session.get_attributes(key, &[AttributeType::Id, AttributeType::EcParams])?;
        let mut wanted = vec![Attribute::Class(ObjectClass::PUBLIC_KEY)];
        for attribute in found {
            match attribute {
                Attribute::EcParams(curve) if attributes::algorithm(&curve).is_none() => {
                    return Err(Pkcs11Error::NotSupported);
                }
                Attribute::Id(id) if !id.is_empty() => wanted.push(Attribute::Id(id)),
                _ => {}
            }
        }
        if wanted.len() == 1 {
            return Err(Pkcs11Error::NoPublic);
        }
        match self.session.find_objects(&wanted)?.as_slice() {
            [public] => self.point(*public),
            _ => Err(Pkcs11Error::NoPublic),
        }
    }

    /// Makes a pair; a curve's second spelling is for tokens that do not know the first.
    pub(super) fn generate(
        &self,
        algorithm: Algorithm,
        label: &str,
        id: &[u8],
    ) -> Result<(ObjectHandle, ObjectHandle), Pkcs11Error> {
        let (mechanism, name) = match algorithm {
            Algorithm::P256 => (Mechanism::EccKeyPairGen, "P-256"),
            Algorithm::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, "Ed25519"),
        };
        let mut refused = Pkcs11Error::NotOffered(name);
        for curve in attributes::spellings(algorithm) {
            let (public, private) = templates(curve.to_vec(), label, id);
            refused = match self.session.generate_key_pair(&mechanism, &public, &private) {
                Ok(pair) => return Ok(pair),
                Err(Error::Pkcs11(error, _)) if is_not_offered(error) => {
                    Pkcs11Error::NotOffered(name)
                }
                Err(other) => other.into(),
            };
        }
        Err(refused)
    }

    /// Whether a key was made inside and cannot leave.
    pub(super) fn never_leaves(&self, key: ObjectHandle) -> Result<(), Pkcs11Error> {
        let wanted = [
            (Attribute::Sensitive(true), AttributeType::Sensitive, "not sensitive"),
            (Attribute::Extractable(false), AttributeType::Extractable, "extractable"),
            (
                Attribute::NeverExtractable(true),
                AttributeType::NeverExtractable,
                "extractable once",
            ),
            (
                Attribute::AlwaysSensitive(true),
                AttributeType::AlwaysSensitive,
                "not sensitive once",
            ),
            (Attribute::Local(true), AttributeType::Local, "outside"),
        ];
        for (attribute, kind, otherwise) in wanted {
            if !self.session.get_attributes(key, &[kind])?.contains(&attribute) {
                return Err(Pkcs11Error::Leaves(otherwise));
            }
        }
        Ok(())
    }

    pub(super) fn sign(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Vec<u8>, Pkcs11Error> {
        Ok(self.session.sign(mechanism, key, data)?)
    }

    pub(super) fn random(&self, bytes: &mut [u8]) -> Result<(), Pkcs11Error> {
        Ok(self.session.generate_random_slice(bytes)?)
    }

    fn only(&self, uri: &Pkcs11Uri, class: ObjectClass) -> Result<ObjectHandle, Pkcs11Error> {
        let found = self.session.find_objects(&template(uri, class))?;
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let all = self.session.find_objects(&[Attribute::Class(class)])?;
                let found = self.listed(&all, AttributeType::Label)?;
                Err(Pkcs11Error::NoKey { wanted: uri.to_string(), found })
            }
            several => {
                let found = self.listed(several, AttributeType::Id)?;
                let (wanted, count) = (uri.to_string(), several.len());
                Err(Pkcs11Error::TwoKeys { wanted, count, found })
            }
        }
    }

    /// Labels or ids, as a name would have them.
    fn listed(&self, objects: &[ObjectHandle], by: AttributeType) -> Result<String, Pkcs11Error> {
        let mut names = Vec::new();
        for object in objects.iter().take(LISTED) {
            for attribute in self.session.get_attributes(*object, &[by])? {
                let uri = match attribute {
                    Attribute::Label(label) => {
                        let object = Some(String::from_utf8_lossy(&label).into_owned());
                        Pkcs11Uri { object, ..Pkcs11Uri::default() }
                    }
                    Attribute::Id(id) => Pkcs11Uri { id: Some(id), ..Pkcs11Uri::default() },
                    _ => continue,
                };
                names.push(uri.to_string().replace("pkcs11:", ""));
            }
        }
        if objects.len() > LISTED {
            names.push("…".to_owned());
        }
        Ok(if names.is_empty() { "none that it shows".to_owned() } else { names.join(", ") })
    }

    /// The key that an object's curve and point are.
    fn point(&self, object: ObjectHandle) -> Result<PublicKey, Pkcs11Error> {
        let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
        let (mut curve, mut point) = (None, None);
        for attribute in self.session.get_attributes(object, &wanted)? {
            match attribute {
                Attribute::EcParams(found) => curve = Some(found),
                Attribute::EcPoint(found) => point = Some(found),
                _ => {}
            }
        }
        let (Some(curve), Some(point)) = (curve, point) else {
            return Err(Pkcs11Error::NotSupported);
        };
        attributes::public_key(&curve, &point).ok_or(Pkcs11Error::NotSupported)
    }
}

/// Whether the session, and nothing else, is what failed.
pub(super) fn is_lost(error: &Error) -> bool {
    let Error::Pkcs11(error, _) = error else { return false };
    matches!(
        error,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::ObjectHandleInvalid
            | RvError::KeyHandleInvalid
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::CryptokiNotInitialized
    )
}

fn is_not_offered(error: RvError) -> bool {
    matches!(
        error,
        RvError::MechanismInvalid
            | RvError::CurveNotSupported
            | RvError::DomainParamsInvalid
            | RvError::FunctionNotSupported
    )
}

fn module(uri: &Pkcs11Uri) -> Result<Pkcs11, Pkcs11Error> {
    let named = uri.module_path.clone().or_else(|| std::env::var_os(MODULE).map(PathBuf::from));
    let path = named.filter(|it| !it.as_os_str().is_empty()).ok_or(Pkcs11Error::NoModule)?;
    let refused = |why: String| Pkcs11Error::Module { path: path.clone(), why };
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    let module = match modules.get(&path) {
        Some(loaded) => loaded.clone(),
        None => load(&path).map_err(refused)?,
    };
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match module.initialize(arguments) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(refused(error.to_string())),
    }
    modules.insert(path, module.clone());
    Ok(module)
}

fn load(path: &Path) -> Result<Pkcs11, String> {
    match std::fs::metadata(path) {
        Err(error) => return Err(error.to_string()),
        Ok(found) if !found.is_file() => return Err("it is not a file".to_owned()),
        Ok(_) => {}
    }
    Pkcs11::new(path).map_err(|error| format!("it is no PKCS#11 module: {error}"))
}

/// The one token that fits.
fn token(module: &Pkcs11, uri: &Pkcs11Uri) -> Result<(Slot, TokenInfo), Pkcs11Error> {
    let (mut fitting, mut all) = (Vec::new(), Vec::new());
    for slot in module.get_slots_with_token()? {
        let info = module.get_token_info(slot)?;
        if !info.token_initialized() {
            continue;
        }
        let told = format!("{:?} (serial {})", info.label(), info.serial_number());
        if fits(uri, slot, &info) {
            fitting.push((slot, info, told.clone()));
        }
        all.push(told);
    }
    match fitting.len() {
        0 => {
            let found = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            Err(Pkcs11Error::NoToken { wanted: uri.to_string(), found })
        }
        1 => fitting.pop().map(|(slot, info, _)| (slot, info)).ok_or(Pkcs11Error::NoPublic),
        _ => {
            let told: Vec<String> = fitting.into_iter().map(|it| it.2).collect();
            let found = told.join(" and ");
            Err(Pkcs11Error::TwoTokens { wanted: uri.to_string(), found })
        }
    }
}

fn fits(uri: &Pkcs11Uri, slot: Slot, info: &TokenInfo) -> bool {
    let same = |wanted: &Option<String>, got: &str| wanted.as_ref().is_none_or(|it| it == got);
    same(&uri.token, info.label())
        && same(&uri.manufacturer, info.manufacturer_id())
        && same(&uri.model, info.model())
        && same(&uri.serial, info.serial_number())
        && uri.slot_id.is_none_or(|id| id == slot.id())
}

fn login(
    module: &Pkcs11,
    slot: Slot,
    info: &TokenInfo,
    session: &cryptoki::session::Session,
    pin: Option<&str>,
) -> Result<bool, KeyError> {
    if !info.login_required() {
        return Ok(false);
    }
    let pin = pin.map(|pin| AuthPin::new(pin.into()));
    if pin.is_none() && !info.protected_authentication_path() {
        return Err(KeyError::PassphraseMissing);
    }
    let token = info.label().to_owned();
    if info.user_pin_locked() {
        return Err(Pkcs11Error::PinLocked { token }.into());
    }
    if info.user_pin_final_try() {
        return Err(Pkcs11Error::PinFinalTry { token }.into());
    }
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(pin.is_some()),
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(Pkcs11Error::PinLocked { token }.into()),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange, _)) => {
            let tries = module.get_token_info(slot).map_or(Tries::Unknown, |info| tries(&info));
            Err(Pkcs11Error::PinWrong { token, tries }.into())
        }
        Err(other) => Err(Pkcs11Error::from(other).into()),
    }
}

fn tries(info: &TokenInfo) -> Tries {
    match () {
        () if info.user_pin_locked() => Tries::None,
        () if info.user_pin_final_try() => Tries::Last,
        () if info.user_pin_count_low() => Tries::Low,
        () => Tries::Unknown,
    }
}

fn template(uri: &Pkcs11Uri, class: ObjectClass) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(class), Attribute::Token(true)];
    template.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
    template
}
