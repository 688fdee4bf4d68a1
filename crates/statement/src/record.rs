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

/// Writes the pair if the field is present.
pub(crate) fn put_field<T: crate::Field>(
    key: u64,
    value: &T,
    out: &mut dyn crate::codec::Sink,
) -> Result<(), crate::StatementError> {
    if value.present() {
        crate::codec::uint(out, key)?;
        value.encode(out)?;
    }
    Ok(())
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

/// Reads over the field if `key` is its key; an absent one must be optional.
#[inline]
pub(crate) fn check_field<T: crate::Field>(
    own: u64,
    key: &mut Option<u64>,
    map: &mut crate::codec::MapReader,
    d: &mut crate::codec::Decoder<'_>,
) -> Result<(), crate::StatementError> {
    if *key != Some(own) {
        return if T::OPTIONAL { Ok(()) } else { Err(crate::StatementError::FieldMissing) };
    }
    T::check(d)?;
    *key = map.next_key(d)?;
    Ok(())
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
                let count = [$(crate::Field::present(&self.$field)),+];
                crate::codec::head(out, 5, count.iter().filter(|p| **p).count() as u64)?;
                $(crate::record::put_field($key, &self.$field, out)?;)+
                Ok(())
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
                let mut map = d.map()?;
                let mut key = map.next_key(d)?;
                $(crate::record::check_field::<$($ty)+>($key, &mut key, &mut map, d)?;)+
                if key.is_some() { return Err(crate::StatementError::UnknownKey); }
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
                let present = [$(crate::Field::present(&self.$field)),+];
                let count = present.iter().filter(|p| **p).count().saturating_add(self.extra.count());
                let fields = count.saturating_add(1) as u64;
                crate::envelope::check_fields(crate::Kind::$name, fields)?;
                crate::codec::head(out, 5, fields)?;
                out.put(&[0, crate::Kind::$name as u8])?;
                $(crate::record::put_field($key, &self.$field, out)?;)+
                out.put(self.extra.as_bytes())
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
                let mut key = map.next_key(d)?;
                $(crate::record::check_field::<$($ty)+>($key, &mut key, &mut map, d)?;)+
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
