//! A Postgres server of one's own, for tests and measurements.
//!
//! It is started from the installed programs, in a temporary folder, on a free port, and it ends
//! with the process that started it, however that ends. The machine's own cluster is never touched.
//! `ARTOS_TEST_POSTGRES_PROGRAMS` names the folder of programs of another version than the newest
//! that is installed. With `ARTOS_TEST_POSTGRES_URL`, [`url`] names a server that runs already
//! instead. A [`Proxy`] stands for the network in between, and a [`Pooler`] for a pgbouncer.

mod pooler;
mod programs;
mod proxy;
mod server;

use std::sync::OnceLock;

pub use pooler::Pooler;
pub use proxy::{Proxy, Way, Weather};
pub use server::{Durability, Processes, Server, ServerError};

/// Names the folder with the programs of a server: `initdb`, `pg_ctl` and `postgres`.
pub const PROGRAMS_VARIABLE: &str = "ARTOS_TEST_POSTGRES_PROGRAMS";

/// Names a server that runs already.
pub const URL_VARIABLE: &str = "ARTOS_TEST_POSTGRES_URL";

/// Returns the address of the server that the tests of this process share. What it holds does not
/// outlive the process, so it is not made to outlive a power cut.
///
/// # Panics
///
/// Panics if no server can be started, and says what is missing.
#[must_use]
pub fn url() -> &'static str {
    static URL: OnceLock<(String, Option<Server>)> = OnceLock::new();
    let (url, _) = URL.get_or_init(|| match std::env::var(URL_VARIABLE) {
        Ok(url) => (url, None),
        Err(_) => match Server::start(Durability::None) {
            Ok(server) => (server.url(), Some(server)),
            #[expect(clippy::panic, reason = "a test that cannot run fails, and says why")]
            Err(error) => panic!("{error}"),
        },
    });
    url
}
