//! The bare signature check: one call into the provider for each of many keys.
//!
//! Every signature has a key of its own, kept as raw bytes, as a fleet's are;
//! messages are as long as a typical `Update`'s to-be-signed bytes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};

use super::{Rate, count_for};

/// Signatures prepared; more than a cache of parsed keys would hold.
const SAMPLES: usize = 2048;
/// Length of the signed message in bytes.
const MESSAGE_BYTES: usize = 320;

/// Which signature is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// ECDSA with P-256 and SHA-256.
    P256,
    /// Ed25519.
    Ed25519,
}

struct Sample {
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// Checks signatures on `threads` threads for `duration`.
///
/// # Errors
/// If the provider cannot make the samples or finds one of them bad.
pub fn check_signatures(
    scheme: Scheme,
    threads: usize,
    duration: Duration,
) -> anyhow::Result<Rate> {
    let samples = samples(scheme)?;
    let start = Instant::now();
    let counts: Vec<(u64, bool)> = std::thread::scope(|scope| {
        let samples = &samples;
        let checkers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(move || check_for(scheme, samples, duration)))
            .collect();
        checkers.into_iter().map(|checker| checker.join().expect("a checker panicked")).collect()
    });
    ensure!(counts.iter().all(|(_, good)| *good), "a sound signature was refused");
    Ok(Rate { count: counts.iter().map(|(count, _)| count).sum(), elapsed: start.elapsed() })
}

fn check_for(scheme: Scheme, samples: &[Sample], duration: Duration) -> (u64, bool) {
    let algorithm: &dyn VerificationAlgorithm = match scheme {
        Scheme::P256 => &ECDSA_P256_SHA256_FIXED,
        Scheme::Ed25519 => &ED25519,
    };
    let mut good = true;
    let rate = count_for(duration, |n| {
        let sample = &samples[n as usize % samples.len()];
        let key = UnparsedPublicKey::new(algorithm, &sample.key);
        good &= key.verify(&sample.message, &sample.signature).is_ok();
    });
    (rate.count, good)
}

fn samples(scheme: Scheme) -> anyhow::Result<Vec<Sample>> {
    (0..SAMPLES).map(|n| sample(scheme, n)).collect()
}

fn sample(scheme: Scheme, n: usize) -> anyhow::Result<Sample> {
    let message: Vec<u8> = n.to_be_bytes().into_iter().cycle().take(MESSAGE_BYTES).collect();
    match scheme {
        Scheme::P256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            let signature = pair.sign(&SystemRandom::new(), &message).context("failed to sign")?;
            let key = pair.public_key().as_ref().to_vec();
            Ok(Sample { key, signature: signature.as_ref().to_vec(), message })
        }
        Scheme::Ed25519 => {
            let pair = Ed25519KeyPair::generate()?;
            let signature = pair.sign(&message).as_ref().to_vec();
            Ok(Sample { key: pair.public_key().as_ref().to_vec(), signature, message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_verifies() {
        for scheme in [Scheme::P256, Scheme::Ed25519] {
            let rate = check_signatures(scheme, 1, Duration::from_millis(5)).unwrap();
            assert!(rate.count > 0);
        }
    }
}
