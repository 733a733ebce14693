//! Which of the parts of a record that may be absent are there, one bit each.

use artos_core::model::TaskRecord;

use super::{Malformed, Reader, Stored};

/// Bits that were read.
pub(super) struct Present(u16);

impl Present {
    /// Reads bits, of which only those of `known` may be set.
    pub(super) fn parse(r: &mut Reader<'_>, known: u16) -> Result<Self, Malformed> {
        let bits = r.u16()?;
        if bits & !known == 0 {
            Ok(Self(bits))
        } else {
            Err(Malformed("it has parts that this version does not know"))
        }
    }

    pub(super) const fn has(&self, bit: u16) -> bool {
        self.0 & bit != 0
    }

    /// Reads a part if it is there.
    pub(super) fn read<'a, T>(
        &self,
        bit: u16,
        reader: &mut Reader<'a>,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.has(bit) { read(reader).map(Some) } else { Ok(None) }
    }
}

/// The bits of what stays as it was submitted, and of the result.
pub(super) struct Lasting;

impl Lasting {
    pub(super) const TENANT: u16 = 1;
    pub(super) const LABELS: u16 = 1 << 1;
    pub(super) const KEY: u16 = 1 << 2;
    pub(super) const RETRY_OF: u16 = 1 << 3;
    pub(super) const EXPIRES_AT: u16 = 1 << 4;
    pub(super) const RESULT: u16 = 1 << 5;
    pub(super) const ALL: u16 = (1 << 6) - 1;

    pub(super) fn of(stored: &Stored) -> u16 {
        let record = &stored.record;
        bits([
            (record.tenant.is_some(), Self::TENANT),
            (!record.labels.is_empty(), Self::LABELS),
            (record.idempotency_key.is_some(), Self::KEY),
            (record.retry_of.is_some(), Self::RETRY_OF),
            (record.expires_at.is_some(), Self::EXPIRES_AT),
            (stored.result.is_some(), Self::RESULT),
        ])
    }
}

/// The bits of what changes while a task lives.
pub(super) struct Changing;

impl Changing {
    pub(super) const STAGE: u16 = 1;
    pub(super) const LEASE: u16 = 1 << 1;
    pub(super) const SETTLED_BY: u16 = 1 << 2;
    pub(super) const CANCEL_REQUESTED: u16 = 1 << 3;
    pub(super) const PROGRESS: u16 = 1 << 4;
    pub(super) const FAILURE: u16 = 1 << 5;
    pub(super) const STARTED_AT: u16 = 1 << 6;
    pub(super) const FINISHED_AT: u16 = 1 << 7;
    pub(super) const ALL: u16 = (1 << 8) - 1;

    pub(super) fn of(record: &TaskRecord) -> u16 {
        bits([
            (record.stage.is_some(), Self::STAGE),
            (record.lease.is_some(), Self::LEASE),
            (record.settled_by.is_some(), Self::SETTLED_BY),
            (record.cancel_requested, Self::CANCEL_REQUESTED),
            (record.progress.is_some(), Self::PROGRESS),
            (record.failure.is_some(), Self::FAILURE),
            (record.started_at.is_some(), Self::STARTED_AT),
            (record.finished_at.is_some(), Self::FINISHED_AT),
        ])
    }
}

fn bits<const N: usize>(parts: [(bool, u16); N]) -> u16 {
    parts.into_iter().filter(|(there, _)| *there).fold(0, |all, (_, bit)| all | bit)
}
