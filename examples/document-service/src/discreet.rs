//! Reading options that may hold a secret: clap repeats a bad value in its message, which then is
//! in a log.

use std::{ffi::OsStr, fmt, marker::PhantomData, str::FromStr};

use clap::{
    Arg, Command, Error,
    builder::TypedValueParser,
    error::{ErrorKind, Result},
};

/// Reads a value, and says what is wrong with it without repeating it.
pub(crate) struct Discreet<T>(PhantomData<fn() -> T>);

/// Makes such a reader.
pub(crate) const fn discreet<T>() -> Discreet<T> {
    Discreet(PhantomData)
}

impl<T> Clone for Discreet<T> {
    fn clone(&self) -> Self {
        discreet()
    }
}

impl<T> TypedValueParser for Discreet<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: fmt::Display,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<T> {
        let refuse = |why: String| {
            let option = option.map_or_else(|| String::from("an option"), ToString::to_string);
            let message = format!("invalid value for '{option}': {why}\n");
            Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| refuse(String::from("it is no UTF-8")))?;
        text.parse().map_err(|error: T::Err| refuse(error.to_string()))
    }
}
