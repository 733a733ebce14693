//! Signatures of Standard Webhooks 1.0: HMAC-SHA256 over id, time and body.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What secrets begin with, so that people and scanners know them.
const PREFIX: &str = "whsec_";

/// Bytes of a new secret; the standard allows 24 to 64.
const SECRET_BYTES: usize = 32;

/// A secret that signs what an endpoint receives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

/// The operating system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("no randomness for a secret: {0}")]
pub(crate) struct NoRandomness(getrandom::Error);

impl Secret {
    /// Draws a new secret from the operating system's randomness.
    pub(crate) fn generate() -> Result<Self, NoRandomness> {
        let mut key = [0; SECRET_BYTES];
        getrandom::fill(&mut key).map_err(NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", STANDARD.encode(key))))
    }

    /// Takes a secret as it is stored.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the secret as its receiver needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Signs one attempt; the standard's `v1,` signature.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> Option<String> {
        let key = STANDARD.decode(self.0.strip_prefix(PREFIX)?).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("whsec_...")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = Secret(String::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(
            secret.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body).unwrap(),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    #[test]
    fn an_independent_implementation_accepts_signatures_and_refuses_changed_bodies() {
        let secret = Secret::generate().unwrap();
        let body = br#"{"type":"document.complete"}"#;
        let seconds = 1_767_225_600;
        let signature = secret.sign("msg_1", seconds, body).unwrap();
        let theirs = standardwebhooks::Webhook::new(secret.reveal()).unwrap();
        assert_eq!(theirs.sign("msg_1", seconds, body).unwrap(), signature);
        assert_ne!(theirs.sign("msg_2", seconds, body).unwrap(), signature);
        assert_ne!(Secret::generate().unwrap(), secret);
        assert!(!format!("{secret:?}").contains(&secret.reveal()[6..]));
    }
}
