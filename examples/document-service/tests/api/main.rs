//! The service as its callers see it: real files in, a document out, and every bad request refused.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on failed"
)]

mod access;
mod bad_requests;
mod documents;
mod support;
