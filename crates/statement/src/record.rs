//! One table per structure: its Rust fields, its CBOR keys, its JSON names.
//!
//! ```text
//! record! { pub struct CheckpointSeen { 1 size: u64, 2 root: Digest } }
//! ```
//!
//! From a table follow the struct, the encoder, the decoder, the check that reads
//! without building, and the JSON projection, so that they cannot drift apart.
//! Fields are written in ascending order of their keys. What a `rule` says of several
//! fields holds for writing, reading and checking alike.

/// A field while it is written: what a map's fields have in common, whatever their types, so that
/// one loop writes them all.
pub(crate) trait Put {
    fn is_present(&self) -> bool;
    fn put(&self, out: &mut dyn crate::codec::Sink) -> Result<(), crate::StatementError>;
}

impl<T: crate::Field> Put for T {
    fn is_present(&self) -> bool {
        self.present()
    }
    fn put(&self, out: &mut dyn crate::codec::Sink) -> Result<(), crate::StatementError> {
        self.encode(out)
    }
}

/// How many of the fields are written.
pub(crate) fn count_fields(fields: &[(u8, &dyn Put)]) -> usize {
    fields.iter().filter(|(_, field)| field.is_present()).count()
}

/// Writes key and value of each field that is present.
pub(crate) fn put_fields(
    fields: &[(u8, &dyn Put)],
    out: &mut dyn crate::codec::Sink,
) -> Result<(), crate::StatementError> {
    for (key, field) in fields.iter().filter(|(_, field)| field.is_present()) {
        crate::codec::uint(out, u64::from(*key))?;
        field.put(out)?;
    }
    Ok(())
}

/// Writes a payload: its kind, its fields, and what this version does not know.
pub(crate) fn put_payload(
    kind: crate::Kind,
    fields: &[(u8, &dyn Put)],
    (extra_count, extra): (usize, &[u8]),
    out: &mut dyn crate::codec::Sink,
) -> Result<(), crate::StatementError> {
    let count = count_fields(fields).saturating_add(extra_count).saturating_add(1) as u64;
    crate::envelope::check_fields(kind, count)?;
    crate::codec::head(out, 5, count)?;
    out.put(&[0, kind as u8])?;
    put_fields(fields, out)?;
    out.put(extra)
}

/// How a field is read over: its key, whether it may be absent, and the check of its value.
pub(crate) type Check = (u8, bool, crate::codec::Check);

/// Reads over a map that has no other fields than these.
pub(crate) fn check_record(
    fields: &[Check],
    d: &mut crate::codec::Decoder<'_>,
) -> Result<(), crate::StatementError> {
    let mut map = d.map()?;
    match check_fields(fields, &mut map, d)? {
        None => Ok(()),
        Some(_) => Err(crate::StatementError::UnknownKey),
    }
}

/// Reads over the fields of a map and returns the key that follows them.
pub(crate) fn check_fields(
    fields: &[Check],
    map: &mut crate::codec::MapReader,
    d: &mut crate::codec::Decoder<'_>,
) -> Result<Option<u64>, crate::StatementError> {
    let mut key = map.next_key(d)?;
    for (own, optional, check) in fields {
        if key == Some(u64::from(*own)) {
            check(d)?;
            key = map.next_key(d)?;
        } else if !optional {
            return Err(crate::StatementError::FieldMissing);
        }
    }
    Ok(key)
}

/// Reads the field if `key` is its key, and moves on to the next key.
#[inline]
pub(crate) fn read_field<T: crate::Field>(
    own: u64,
    key: &mut Option<u64>,
    map: &mut crate::codec::MapReader,
    d: &mut crate::codec::Decoder<'_>,
) -> Result<T, crate::StatementError> {
    if *key != Some(own) {
        return T::absent();
    }
    let value = T::decode(d)?;
    *key = map.next_key(d)?;
    Ok(value)
}

/// Reads one field out of a map already checked.
pub(crate) fn pick<T: crate::Field>(
    map_begin: &crate::codec::Decoder<'_>,
    own: u64,
) -> Result<T, crate::StatementError> {
    match map_begin.clone().find(own)? {
        Some(mut d) => T::decode(&mut d),
        None => T::absent(),
    }
}

macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $(
        $(#[$fmeta:meta])* $key:literal $field:ident : [$($ty:tt)+],
    )+ } $(rule $rule:path {
        $($rkey:literal $rfield:ident : [$($rty:tt)+]),+
    })*) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$fmeta])* pub $field: $($ty)+,)+ }

        impl crate::Field for $name {
            fn encode(&self, out: &mut dyn crate::codec::Sink) -> Result<(), crate::StatementError> {
                $($rule($(&self.$rfield),+)?;)*
                let fields: &[(u8, &dyn crate::record::Put)] = &[$(($key, &self.$field)),+];
                crate::codec::head(out, 5, crate::record::count_fields(fields) as u64)?;
                crate::record::put_fields(fields, out)
            }
            fn decode(d: &mut crate::codec::Decoder<'_>) -> Result<Self, crate::StatementError> {
                let mut map = d.map()?;
                let mut key = map.next_key(d)?;
                let value = Self { $($field: crate::record::read_field($key, &mut key, &mut map, d)?,)+ };
                if key.is_some() { return Err(crate::StatementError::UnknownKey); }
                $($rule($(&value.$rfield),+)?;)*
                Ok(value)
            }
            fn check(d: &mut crate::codec::Decoder<'_>) -> Result<(), crate::StatementError> {
                let _begin = d.clone();
                const FIELDS: &[crate::record::Check] = &[$((
                    $key,
                    <$($ty)+ as crate::Field>::OPTIONAL,
                    <$($ty)+ as crate::Field>::CHECK,
                )),+];
                crate::record::check_record(FIELDS, d)?;
                $($rule($(&crate::record::pick::<$($rty)+>(&_begin, $rkey)?),+)?;)*
                Ok(())
            }
        }

        #[cfg(feature = "json")]
        impl crate::json::Json for $name {
            fn to_json(&self) -> serde_json::Value {
                let mut object = serde_json::Map::new();
                $(crate::json::put(&mut object, stringify!($field), &self.$field);)+
                serde_json::Value::Object(object)
            }
            fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
                let mut object = crate::json::Object::new(value)?;
                let value = Self { $($field: object.take(stringify!($field))?,)+ };
                object.end()?;
                Ok(value)
            }
            fn form() -> alloc::string::String { "an object".into() }
            fn lines(path: &str, out: &mut alloc::vec::Vec<crate::json::shape::Line>) {
                $(crate::json::shape::line::<$($ty)+>(
                    path, stringify!($field), stringify!($($fmeta)*), out,
                );)+
            }
            fn fault(value: &serde_json::Value, path: &str) -> Option<crate::json::shape::Fault> {
                if let Some(map) = value.as_object() {
                    $(if let Some(fault) =
                        crate::json::shape::field::<$($ty)+>(map, stringify!($field), path)
                    { return Some(fault); })+
                    let known = &[$(stringify!($field),)+];
                    if let Some(fault) = crate::json::shape::stranger(map, known, path) {
                        return Some(fault);
                    }
                }
                crate::json::shape::whole::<Self>(value, path)
            }
        }
    };
}

/// A kind of statement: as `record!`, with the kind before and extensions after.
macro_rules! statement {
    ($(#[$meta:meta])* pub struct $name:ident { $(
        $(#[$fmeta:meta])* $key:literal $field:ident : [$($ty:tt)+],
    )+ } $(rule $rule:path {
        $($rkey:literal $rfield:ident : [$($rty:tt)+]),+
    })*) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $($ty)+,)+
            /// Fields this version does not know (keys from 64 up), kept as they came.
            pub extra: crate::Extra,
        }

        impl crate::Body for $name {
            const KIND: crate::Kind = crate::Kind::$name;
            fn encode_payload(&self, out: &mut dyn crate::codec::Sink) -> Result<(), crate::StatementError> {
                $($rule($(&self.$rfield),+)?;)*
                let fields: &[(u8, &dyn crate::record::Put)] = &[$(($key, &self.$field)),+];
                let extra = (self.extra.count(), self.extra.as_bytes());
                crate::record::put_payload(crate::Kind::$name, fields, extra, out)
            }
            fn decode_payload(payload: &[u8]) -> Result<Self, crate::StatementError> {
                let d = &mut crate::codec::Decoder::new(payload);
                let mut map = crate::envelope::open_payload(d, crate::Kind::$name)?;
                let mut key = map.next_key(d)?;
                let value = Self {
                    $($field: crate::record::read_field($key, &mut key, &mut map, d)?,)+
                    extra: crate::Extra::decode(key, &mut map, d)?,
                };
                d.end()?;
                $($rule($(&value.$rfield),+)?;)*
                Ok(value)
            }
            fn check_payload(payload: &[u8]) -> Result<(), crate::StatementError> {
                let d = &mut crate::codec::Decoder::new(payload);
                let mut map = crate::envelope::open_payload(d, crate::Kind::$name)?;
                const FIELDS: &[crate::record::Check] = &[$((
                    $key,
                    <$($ty)+ as crate::Field>::OPTIONAL,
                    <$($ty)+ as crate::Field>::CHECK,
                )),+];
                let key = crate::record::check_fields(FIELDS, &mut map, d)?;
                crate::Extra::check(key, &mut map, d)?;
                d.end()?;
                let _begin = crate::codec::Decoder::new(payload);
                $($rule($(&crate::record::pick::<$($rty)+>(&_begin, $rkey)?),+)?;)*
                Ok(())
            }
        }

        #[cfg(feature = "json")]
        impl crate::json::Json for $name {
            fn to_json(&self) -> serde_json::Value {
                let mut object = serde_json::Map::new();
                $(crate::json::put(&mut object, stringify!($field), &self.$field);)+
                crate::json::put_extra(&mut object, &self.extra);
                serde_json::Value::Object(object)
            }
            fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
                let mut object = crate::json::Object::new(value)?;
                let value = Self {
                    $($field: object.take(stringify!($field))?,)+
                    extra: object.take_extra()?,
                };
                object.end()?;
                Ok(value)
            }
            fn form() -> alloc::string::String { "an object".into() }
            fn lines(path: &str, out: &mut alloc::vec::Vec<crate::json::shape::Line>) {
                $(crate::json::shape::line::<$($ty)+>(
                    path, stringify!($field), stringify!($($fmeta)*), out,
                );)+
                out.push(crate::json::shape::extensions(path));
            }
            fn fault(value: &serde_json::Value, path: &str) -> Option<crate::json::shape::Fault> {
                if let Some(map) = value.as_object() {
                    $(if let Some(fault) =
                        crate::json::shape::field::<$($ty)+>(map, stringify!($field), path)
                    { return Some(fault); })+
                    if let Some(fault) = crate::json::shape::extra(map, path) { return Some(fault); }
                    let known = &[$(stringify!($field),)+ "extra"];
                    if let Some(fault) = crate::json::shape::stranger(map, known, path) {
                        return Some(fault);
                    }
                }
                crate::json::shape::whole::<Self>(value, path)
            }
        }
    };
}

/// A registry of numbers with names, numbered forever.
macro_rules! codes {
    ($(#[$meta:meta])* pub enum $name:ident { $(
        $code:literal $variant:ident $text:literal $doc:literal,
    )+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum $name { $(#[doc = $doc] $variant = $code,)+ }

        impl $name {
            /// Every value, in order of number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The value of a number.
            pub fn from_code(code: u64) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
            /// The number on the wire.
            pub fn code(self) -> u16 { self as u16 }
            /// The name in JSON and on pages.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
            /// The value of a name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl crate::Field for $name {
            fn encode(&self, out: &mut dyn crate::codec::Sink) -> Result<(), crate::StatementError> {
                crate::codec::uint(out, u64::from(self.code()))
            }
            fn decode(d: &mut crate::codec::Decoder<'_>) -> Result<Self, crate::StatementError> {
                Self::from_code(d.uint()?).ok_or(crate::StatementError::UnknownCode)
            }
        }

        #[cfg(feature = "json")]
        impl crate::json::Json for $name {
            fn to_json(&self) -> serde_json::Value { self.name().into() }
            fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
                let name = value.as_str().ok_or(crate::json::JsonError::WrongType)?;
                Self::from_name(name).ok_or(crate::json::JsonError::UnknownName)
            }
            fn form() -> alloc::string::String {
                let names: alloc::vec::Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
                names.join(" | ")
            }
        }
    };
}
