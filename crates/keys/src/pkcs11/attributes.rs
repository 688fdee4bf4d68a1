//! Curves and points as tokens tell them.
//!
//! ```text
//! CKA_EC_PARAMS  06 08 2a8648ce3d030107      OID P-256
//!                06 03 2b6570                OID Ed25519 (RFC 8410)
//!                13 0c "edwards25519"        curve name (PKCS#11 3.0 §2.3.5; SoftHSM)
//! CKA_EC_POINT   04 41 04 x y                DER OCTET STRING of the point
//!                04 20 …                     of the Ed25519 key; some tokens do not wrap it
//! ```

use firmlog_statement::PublicKey;

use crate::Algorithm;

const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

/// The spellings of a curve, the usual one first.
pub(super) fn spellings(algorithm: Algorithm) -> &'static [&'static [u8]] {
    match algorithm {
        Algorithm::P256 => &[P256],
        Algorithm::Ed25519 => &[ED25519, ED25519_NAME],
    }
}

/// The curve.
pub(super) fn algorithm(parameters: &[u8]) -> Option<Algorithm> {
    [Algorithm::P256, Algorithm::Ed25519]
        .into_iter()
        .find(|algorithm| spellings(*algorithm).contains(&parameters))
}

/// The key.
pub(super) fn public_key(parameters: &[u8], point: &[u8]) -> Option<PublicKey> {
    let (length, algorithm) = match algorithm(parameters)? {
        Algorithm::P256 => (65, Algorithm::P256),
        Algorithm::Ed25519 => (32, Algorithm::Ed25519),
    };
    let bare = match point {
        [4, inner, rest @ ..] if usize::from(*inner) == rest.len() && rest.len() == length => rest,
        bare => bare,
    };
    match algorithm {
        Algorithm::P256 => match bare {
            [4, point @ ..] => point.try_into().ok().map(PublicKey::P256),
            _ => None,
        },
        Algorithm::Ed25519 => bare.try_into().ok().map(PublicKey::Ed25519),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_with_and_without_their_wrapping() {
        let point = [&[4][..], &[7; 64]].concat();
        let wrapped = [&[4, 65][..], &point].concat();
        for given in [&point, &wrapped] {
            assert_eq!(public_key(P256, given), Some(PublicKey::P256([7; 64])));
        }
        let key = [4; 32];
        let wrapped = [&[4, 32][..], &key].concat();
        for parameters in [ED25519, ED25519_NAME] {
            for given in [&key[..], &wrapped] {
                let expected = Some(PublicKey::Ed25519([4; 32]));
                assert_eq!(public_key(parameters, given), expected);
            }
        }
    }

    #[test]
    fn what_is_no_point_of_the_curve_s_length_is_refused() {
        assert_eq!(public_key(P256, &[4; 64]), None);
        assert_eq!(public_key(P256, &[2; 33]), None);
        assert_eq!(public_key(P256, &[]), None);
        assert_eq!(public_key(ED25519, &[1; 33]), None);
        assert_eq!(public_key(&P256[..9], &[4; 65]), None);
    }
}
