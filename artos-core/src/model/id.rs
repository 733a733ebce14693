//! Identities: of a task (sortable by creation) and of a worker (random per start).

use std::{cmp::Ordering, fmt, str::FromStr};

use uuid::Uuid;

/// Identifies a task for ever.
///
/// Ids are UUIDs of version 7: they sort by the time of submission, and ids made by one client sort
/// in exactly the order they were made. What a task submits sorts after the task, and what one
/// worker submits for it in the order it was made, whichever clock was ahead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(Uuid);

/// Identifies one worker loop of one runtime; random at every start.
///
/// It is a label for people. No rule depends on it: a lease is told apart by its
/// [`Epoch`](crate::model::Epoch), because names of processes come back after a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Uuid);

/// The text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a task id: expected a UUID such as 019ab3c4-6f00-7000-8000-000000000001")]
pub struct ParseIdError {
    found: String,
}

macro_rules! uuid_newtype {
    ($name:ident) => {
        impl $name {
            /// Wraps a UUID, for stores that read ids back.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// Returns the UUID, for stores that write ids.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

uuid_newtype!(TaskId);
uuid_newtype!(WorkerId);

/// Bits of the counter below the milliseconds in an id.
pub(crate) const COUNTER_BITS: u32 = 12;

/// The bits of an id that are random: all below the variant.
const RANDOM_BITS: u32 = 62;

impl TaskId {
    /// Returns this id if it sorts after `task`, else one with the same random bits that does: with
    /// the time and the counter of `task`, one higher.
    pub(crate) fn sorted_after(self, task: Self) -> Self {
        if self > task {
            return self;
        }
        let bits = task.0.as_u128();
        let counter = (bits >> 64) & ((1 << COUNTER_BITS) - 1);
        let instant = ((bits >> 80) << COUNTER_BITS) | counter;
        Self::from_fields(instant + 1, self.0.as_u128())
    }

    /// Makes an id (RFC 9562, section 5.7) of 60 bits, which are the milliseconds and the counter
    /// of twelve bits below them, and 62 random bits.
    pub(crate) const fn from_fields(instant: u128, random: u128) -> Self {
        let millis = instant >> COUNTER_BITS;
        let counter = instant & ((1 << COUNTER_BITS) - 1);
        let random = random & ((1 << RANDOM_BITS) - 1);
        let bits = (millis << 80) | (0x7 << 76) | (counter << 64) | (0b10 << RANDOM_BITS) | random;
        Self(Uuid::from_u128(bits))
    }
}

// The order of the bytes, compared as one number: every index of every store does little else.
impl Ord for TaskId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_u128().cmp(&other.0.as_u128())
    }
}

impl PartialOrd for TaskId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for TaskId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        // Only the hyphenated form, which is the one that is written; capital letters are read as
        // small ones (RFC 9562, section 4), and never written.
        if text.len() == 36
            && let Ok(id) = Uuid::try_parse(text)
        {
            return Ok(Self(id));
        }
        Err(ParseIdError { found: text.chars().take(80).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_in_one_way_and_read_in_capital_letters_too() {
        let text = "019ab3c4-6f00-7000-8000-000000000001";
        let id: TaskId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        for other in ["019ab3c46f0070008000000000000001", "{019ab3c4-6f00-7000-8000-000000000001}"]
        {
            assert!(other.parse::<TaskId>().is_err(), "{other}");
        }
    }
}
