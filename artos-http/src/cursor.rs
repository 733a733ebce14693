//! Opaque cursors of listings, bound to the listing they came from.

use artos_core::{Name, TaskId, model::Cursor};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    error::{Problem, ProblemKind},
    wire::Status,
};

/// The layout below: this byte, the id of the last document, the tag.
const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
const TAG_BYTES: usize = 8;

/// What a cursor belongs to: a page of one listing continues no other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub(crate) base: &'a str,
    pub(crate) organization: Option<&'a Name>,
    pub(crate) status: Option<Status>,
}

impl Listing<'_> {
    pub(crate) fn encode(&self, cursor: Cursor) -> String {
        let id = cursor.after.as_uuid().as_bytes();
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&self.tag(id));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn decode(&self, text: &str) -> Result<Cursor, Problem> {
        let bad = || {
            let detail = "expected the next_cursor of an earlier page of the same listing";
            Problem::new(ProblemKind::InvalidCursor, detail)
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (version, rest) = bytes.split_first().ok_or_else(bad)?;
        let (id, tag) = rest.split_first_chunk::<ID_BYTES>().ok_or_else(bad)?;
        if *version != VERSION || *tag != self.tag(id) {
            return Err(bad());
        }
        Ok(Cursor { after: TaskId::from_uuid(uuid::Uuid::from_bytes(*id)) })
    }

    /// A checksum, not a signature: it finds mistakes. A forged cursor only chooses where the
    /// caller's own listing starts, so it needs no secret that all instances would have to share.
    fn tag(&self, id: &[u8; ID_BYTES]) -> [u8; TAG_BYTES] {
        let mut hash = Sha256::new();
        let status = self.status.map_or("", Status::as_str);
        let organization = self.organization.map_or("", Name::as_str);
        for part in [self.base, status, organization] {
            hash.update(part.as_bytes());
            // No part can hold this byte, so two listings never read the same.
            hash.update([0]);
        }
        hash.update(id);
        let hash: [u8; 32] = hash.finalize().into();
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        tag
    }
}
