//! What the stream of an organization gives as the id of an event, to come back with.

use std::{fmt, str::FromStr};

use artos_core::Timestamp;

/// How far somebody was told what happens to an organization's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// When the look began that found the last of it, on the clock that the ids of tasks are made
    /// with.
    pub(super) at: Timestamp,
    /// Every task that was made before this was over then; `None` if that is not known.
    pub(super) over_before: Option<Timestamp>,
}

/// Microseconds, with a dash between them.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at.as_micros())?;
        match self.over_before {
            Some(before) => write!(f, "-{}", before.as_micros()),
            None => Ok(()),
        }
    }
}

/// The text is no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParseMarkError;

impl FromStr for Mark {
    type Err = ParseMarkError;

    fn from_str(text: &str) -> Result<Self, ParseMarkError> {
        let time = |text: &str| {
            let micros = text.parse::<u64>().ok().and_then(|micros| micros.try_into().ok());
            micros.map(Timestamp::from_micros).ok_or(ParseMarkError)
        };
        match text.split_once('-') {
            Some((at, before)) => Ok(Self { at: time(at)?, over_before: Some(time(before)?) }),
            None => Ok(Self { at: time(text)?, over_before: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_as_it_was_written() {
        for text in ["0", "1764370000000000", "1764370000000000-1764360000000000", "7-0"] {
            assert_eq!(text.parse::<Mark>().map(|mark| mark.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "-", "1-", "-1", "1-2-3", "one", "18446744073709551615", "1 - 2"] {
            assert_eq!(bad.parse::<Mark>(), Err(ParseMarkError), "{bad}");
        }
    }
}
