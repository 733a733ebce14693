//! Placeholder replaced by the machine's own tests.
