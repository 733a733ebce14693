//! The JSON shapes of key management.

use artos_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Key;
use crate::request;

/// The key to make.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct KeyRequest {
    /// For people; 1 to 255 characters, no control characters.
    #[schema(pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,255}$", example = "the nightly import")]
    pub(crate) name: String,
    /// What the key may do.
    #[schema(value_type = Vec<ScopeName>, min_items = 1, example = json!(["submit", "read"]))]
    pub(crate) scopes: Vec<String>,
    /// How long the key is good, in seconds, at most ten years; for ever if absent.
    #[schema(minimum = 1, maximum = 315_360_000)]
    #[serde(default, deserialize_with = "request::whole")]
    pub(crate) expires_in_seconds: Option<u64>,
}

/// What a key may do.
#[derive(ToSchema)]
#[schema(as = Scope, rename_all = "lowercase")]
#[expect(dead_code, reason = "only described: the texts are read as scopes one by one")]
enum ScopeName {
    Submit,
    Read,
    Cancel,
    Admin,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyView {
    key_id: String,
    name: String,
    scopes: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it stops being good; null for never.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// When it was last used, to about ten minutes; null for never.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
}

impl From<&Key> for KeyView {
    fn from(key: &Key) -> Self {
        let text = |micros| Timestamp::from_micros(micros).to_string();
        Self {
            key_id: key.id.to_string(),
            name: key.stored.name.clone(),
            scopes: key.stored.scopes.clone(),
            created_at: key.created_at.to_string(),
            expires_at: key.stored.expires_at.map(text),
            last_used_at: key.last_used.map(|at| at.to_string()),
        }
    }
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewKeyView {
    #[serde(flatten)]
    pub(crate) key: KeyView,
    /// The bearer token. It is not shown again.
    pub(crate) token: String,
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    pub(crate) keys: Vec<KeyView>,
}
