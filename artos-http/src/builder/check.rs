//! Finding everything that is wrong with a router before it serves.

use std::collections::BTreeSet;

use super::RouterBuilder;
use crate::cors;
use crate::resource::Download;
#[cfg(feature = "docs-ui")]
use crate::ui;

impl RouterBuilder {
    /// Lists what is wrong.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.auth.problems();
        let mut claimed = BTreeSet::new();
        let mut claim = |path: String, problems: &mut Vec<String>| {
            if !claimed.insert(path.clone()) {
                problems.push(format!("two resources claim the path {path}"));
            }
        };
        for path in ["/livez", "/readyz", "/problems/{}", self.openapi_path.as_str()] {
            claim(path.to_owned(), &mut problems);
        }
        #[cfg(feature = "webhooks")]
        if self.webhooks.is_some() {
            for suffix in ["", "/{}", "/{}/secret", "/{}/attempts"] {
                claim(format!("/api/v1/webhooks{suffix}"), &mut problems);
            }
        }
        if self.auth.keys().is_some() {
            claim(String::from("/api/v1/keys"), &mut problems);
            claim(String::from("/api/v1/keys/{}"), &mut problems);
        }
        for origin in self.cors_origins.iter().filter(|origin| cors::origin(origin).is_none()) {
            problems.push(format!(
                "{origin:?} is no origin: expected something like https://app.example.com"
            ));
        }
        #[cfg(feature = "docs-ui")]
        if self.has_ui {
            claim(ui::PATH.to_owned(), &mut problems);
            claim(format!("{}/{{}}", ui::PATH), &mut problems);
        }
        check_path("openapi_path", &self.openapi_path, &mut problems);
        for endpoint in &self.endpoints {
            check_path("base", &endpoint.base, &mut problems);
            for suffix in [
                "",
                "/generate",
                "/status/{}",
                "/status/{}/events",
                "/events",
                "/{}",
                "/{}/cancel",
                "/{}/retry",
            ] {
                claim(format!("{}{suffix}", endpoint.base), &mut problems);
            }
            for Download { name, .. } in &endpoint.downloads {
                if name.contains('/') {
                    problems
                        .push(format!("{name:?} is no good name for a download: it has a slash"));
                }
                check_path("download", &format!("/{name}"), &mut problems);
                claim(format!("{}/{{}}/{name}", endpoint.base), &mut problems);
            }
        }
        problems
    }
}

/// Checks that a path is made of plain segments: anything else axum would take for a pattern, or a
/// client would have to escape.
fn check_path(what: &str, path: &str, problems: &mut Vec<String>) {
    let is_plain = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    let segments = path.strip_prefix('/').map(|rest| rest.split('/').all(is_plain));
    if segments != Some(true) {
        problems.push(format!(
            "{path:?} is no good path for a {what}: \
             expected segments of letters, digits and -._~, each after a slash"
        ));
    }
}
