//! Where the router is mounted in a larger application, and what that changes in its answers.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{Extensions, HeaderName, HeaderValue, Uri, header, request::Parts},
    response::Response,
};

/// The path below which a request found this router; empty if it is not nested.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix(String);

impl Prefix {
    pub(crate) fn of(extensions: &Extensions, uri: &Uri) -> Self {
        let original = extensions.get::<OriginalUri>();
        let prefix = original.and_then(|original| original.path().strip_suffix(uri.path()));
        // Two slashes would begin the name of another host.
        let prefix = prefix.filter(|prefix| !prefix.starts_with("//"));
        Self(prefix.unwrap_or_default().to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Completes what [`point`] wrote: handlers know paths within the router only.
    pub(crate) fn complete(&self, response: &mut Response) {
        if response.extensions_mut().remove::<PointsWithin>().is_none() || self.0.is_empty() {
            return;
        }
        for (name, opening) in [(header::LOCATION, ""), (header::LINK, "<")] {
            let value = response.headers().get(&name).and_then(|value| value.to_str().ok());
            let path = value.and_then(|value| value.strip_prefix(opening));
            let full = path.map(|path| HeaderValue::try_from(format!("{opening}{}{path}", self.0)));
            if let Some(Ok(full)) = full {
                response.headers_mut().insert(name, full);
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Prefix {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions, &parts.uri))
    }
}

/// The response has a header that leads to a path of this router.
#[derive(Clone)]
struct PointsWithin;

/// Sets `Location` or `Link`, with a path as it is within this router.
pub(crate) fn point(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
        response.extensions_mut().insert(PointsWithin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(original: &'static str, inner: &'static str) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(OriginalUri(Uri::from_static(original)));
        Prefix::of(&extensions, &Uri::from_static(inner)).0
    }

    #[test]
    fn a_prefix_is_what_was_stripped_and_never_the_name_of_a_host() {
        assert_eq!(prefix("/a/b/livez?x=1", "/livez?x=1"), "/a/b");
        assert_eq!(prefix("/livez", "/livez"), "");
        assert_eq!(prefix("/elsewhere", "/livez"), "");
        assert_eq!(prefix("//evil.example/livez", "/livez"), "");
        assert_eq!(Prefix::of(&Extensions::new(), &Uri::from_static("/livez")).0, "");
    }
}
