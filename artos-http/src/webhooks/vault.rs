//! Secrets of endpoints as they are stored: plain, or sealed with a key of the host's.
//!
//! A secret has to be there in plain text when a message is signed, so a hash will not do. Sealed
//! (AES-256-GCM), it is of no use to whoever reads the store, a backup or an export.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{endpoint::Endpoint, signature::Secret};

/// What sealed secrets begin with.
const SEALED: &str = "sealed:v1:";

/// Seals and opens secrets.
#[derive(Clone, Default)]
pub(crate) struct Vault {
    /// The first seals; all open, so that a key can be replaced.
    keys: Arc<[RandomizedNonceKey]>,
}

/// A secret cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VaultError {
    #[error("a webhook secret cannot be sealed")]
    Seal,
    #[error("a webhook secret was sealed with a key that this process does not have")]
    Open,
}

impl Vault {
    pub(crate) fn new(keys: &[[u8; 32]]) -> Result<Self, VaultError> {
        let key = |key: &[u8; 32]| RandomizedNonceKey::new(&AES_256_GCM, key);
        let keys: Result<Vec<_>, _> = keys.iter().map(key).collect();
        Ok(Self { keys: keys.map_err(|_| VaultError::Seal)?.into() })
    }

    /// Makes of an endpoint what is stored of it. `place` is where: what is sealed for one place
    /// cannot be opened at another.
    pub(crate) fn seal(&self, place: &str, mut endpoint: Endpoint) -> Result<Endpoint, VaultError> {
        if let Some(key) = self.keys.first() {
            for secret in secrets(&mut endpoint).filter(|secret| !is_sealed(secret)) {
                let mut text = secret.reveal().as_bytes().to_vec();
                let nonce = key.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut text);
                let nonce = nonce.map_err(|_| VaultError::Seal)?;
                let sealed = [nonce.as_ref(), text.as_slice()].concat();
                *secret = Secret::stored(format!("{SEALED}{}", STANDARD_NO_PAD.encode(sealed)));
            }
        }
        Ok(endpoint)
    }

    /// Makes an endpoint of what is stored of it, as far as there are keys: what cannot be opened
    /// stays sealed.
    pub(crate) fn open_some(&self, place: &str, mut endpoint: Endpoint) -> Endpoint {
        for secret in secrets(&mut endpoint) {
            // What was stored before there was a key is plain.
            let Some(sealed) = secret.reveal().strip_prefix(SEALED) else { continue };
            let Ok(sealed) = STANDARD_NO_PAD.decode(sealed) else { continue };
            if let Some(opened) = self.keys.iter().find_map(|key| open(key, place, &sealed)) {
                *secret = Secret::stored(opened);
            }
        }
        endpoint
    }

    /// The same; an error if the secret of today stays sealed.
    pub(crate) fn open(&self, place: &str, endpoint: Endpoint) -> Result<Endpoint, VaultError> {
        let endpoint = self.open_some(place, endpoint);
        if is_sealed(&endpoint.secret) { Err(VaultError::Open) } else { Ok(endpoint) }
    }
}

fn is_sealed(secret: &Secret) -> bool {
    secret.reveal().starts_with(SEALED)
}

fn secrets(endpoint: &mut Endpoint) -> impl Iterator<Item = &mut Secret> {
    let retired = endpoint.retired.iter_mut().map(|(secret, _)| secret);
    std::iter::once(&mut endpoint.secret).chain(retired)
}

fn open(key: &RandomizedNonceKey, place: &str, sealed: &[u8]) -> Option<String> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut text = text.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text).ok()?;
    String::from_utf8(opened.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use artos_core::Timestamp;

    use super::*;

    #[test]
    fn what_is_sealed_is_opened_in_its_place_with_any_of_the_keys_and_not_otherwise() {
        let (one, other) = ([1; 32], [2; 32]);
        let now = Timestamp::from_micros(0);
        let mut endpoint = Endpoint::new("ep_1".into(), None, now).unwrap();
        endpoint.retired.push((Secret::generate().unwrap(), 7));
        let sealed = Vault::new(&[one]).unwrap().seal("a/ep_1", endpoint.clone()).unwrap();
        let stored = serde_json::to_string(&sealed).unwrap();
        for secret in secrets(&mut endpoint.clone()) {
            assert!(!stored.contains(secret.reveal()));
        }
        for keys in [&[one][..], &[other, one]] {
            let vault = Vault::new(keys).unwrap();
            assert_eq!(vault.open("a/ep_1", sealed.clone()), Ok(endpoint.clone()));
            assert_eq!(vault.open("a/ep_2", sealed.clone()), Err(VaultError::Open));
            // What was stored before there was a key.
            assert_eq!(vault.open("a/ep_1", endpoint.clone()), Ok(endpoint.clone()));
        }
        for vault in [Vault::default(), Vault::new(&[other]).unwrap()] {
            assert_eq!(vault.open("a/ep_1", sealed.clone()), Err(VaultError::Open));
        }
        // Nothing is signed with what is still sealed.
        assert_eq!(sealed.secret.sign("msg", 0, b""), None);
    }
}
