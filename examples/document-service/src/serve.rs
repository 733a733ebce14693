//! `serve`: the service as a process, from its first line of output to a clean end.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, bail};
use artos_http::{Limits, Quota, Server, Tls};
use tokio::net::TcpListener;

use crate::{
    cli::ServeArguments,
    service::{self, BASE, Service, Settings},
};

/// Serves until Ctrl-C or SIGTERM, then drains.
///
/// # Errors
///
/// If the service cannot start, or tasks could not be handed back at the end.
#[expect(clippy::print_stdout, reason = "whoever starts the service reads where it listens")]
pub async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    check_access(&arguments)?;
    let tls = tls(&arguments)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    // First what can fail without any task being touched.
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;
    let store = arguments.store.open()?;
    println!("{}", arguments.store.promise());
    let files = arguments.files.clone().unwrap_or_else(|| arguments.store.files());
    let files = std::path::absolute(files)?;
    let Service { runtime, app, drain } = service::start(Settings {
        store,
        files: &files,
        tokens: &arguments.tokens,
        webhook_networks: &arguments.webhook_networks,
        limits: limits(&arguments),
        cors_origins: &arguments.cors_origins,
        concurrency: arguments.concurrency,
        lease: arguments.lease_seconds,
    })
    .await?;
    println!("source files and documents are in {}", files.display());
    println!("listening on {scheme}://{address}");
    println!("documents at {scheme}://{address}{BASE}/");
    if arguments.no_auth {
        println!("warning: --no-auth lets everybody on this machine do everything");
    }

    let server =
        Server::new(drain).deadline(arguments.grace).connections_max(arguments.connections);
    let server = tls.into_iter().fold(server, Server::tls);
    server.serve(listener, app, stop_signal()?).await?;
    // Requests are answered; what still runs may finish, or is handed back uncharged.
    runtime.shutdown(arguments.grace).await?;
    println!("stopped");
    Ok(())
}

/// Reads the certificate and its key, if there are any.
fn tls(arguments: &ServeArguments) -> anyhow::Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (&arguments.tls_certificate, &arguments.tls_key) else {
        return Ok(None);
    };
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let tls = Tls::from_pem(&read(certificate)?, &read(key)?).with_context(|| {
        format!("cannot encrypt with {} and {}", certificate.display(), key.display())
    })?;
    Ok(Some(tls))
}

/// Returns how often an organization may call. Without organizations everybody is the same one, and
/// would be kept from calling by nobody but itself.
fn limits(arguments: &ServeArguments) -> Option<Limits> {
    (!arguments.no_auth).then(|| Limits {
        submit: Quota::per_minute(arguments.submits_per_minute),
        poll: Quota::per_minute(arguments.polls_per_minute),
        ..Limits::default()
    })
}

/// Refuses to be open by accident.
fn check_access(arguments: &ServeArguments) -> anyhow::Result<()> {
    if arguments.tokens.is_empty() && !arguments.no_auth {
        bail!(
            "nobody could call this service: give at least one --token ORG=TOKEN, or --no-auth to \
             let everybody on this machine in"
        );
    }
    let is_local = |address: SocketAddr| address.ip().is_loopback();
    if arguments.no_auth && !is_local(arguments.listen) {
        bail!(
            "--no-auth on {} would let the whole network in: listen on 127.0.0.1, or give a \
             --token",
            arguments.listen
        );
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn limits_of(options: &[&str]) -> Option<Limits> {
        let arguments = ["document-service", "serve"].iter().chain(options);
        match Arguments::try_parse_from(arguments).map(|arguments| arguments.command) {
            Ok(Command::Serve(arguments)) => limits(&arguments),
            _ => None,
        }
    }

    #[test]
    fn organizations_have_quotas_and_everybody_has_none() {
        let limits = limits_of(&["--token", "acme=secret", "--submits-per-minute", "7"]);
        let quotas =
            limits.map(|limits| (limits.submit.requests.get(), limits.poll.requests.get()));
        assert_eq!(quotas, Some((7, 6_000)));
        assert!(limits_of(&["--no-auth"]).is_none());
    }
}
