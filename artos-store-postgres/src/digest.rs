//! What an idempotency key is told apart by, however long its parts are.

use artos_core::model::NewTask;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Digests tenant, kind and key; no tenant and an empty one are different tenants.
pub(crate) fn key_digest(task: &NewTask) -> Option<Uuid> {
    let key = task.idempotency_key.as_ref()?;
    let mut digest = Sha256::new();
    digest.update([u8::from(task.tenant.is_some())]);
    let tenant = task.tenant.as_deref().unwrap_or_default();
    for part in [tenant, &task.kind, key] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (half, _) = digest.split_first_chunk::<16>()?;
    Some(Uuid::from_bytes(*half))
}
