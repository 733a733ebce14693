//! `serve` and `worker`: the service as a process, from its first line of output to a clean end.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use artos_core::store::TaskStore;
use artos_http::{Limits, Quota, Server, Tls};
use tokio::net::TcpListener;

use crate::{
    cli::{ServeArguments, WorkArguments},
    files::Files,
    files_location::FilesLocation,
    service::{self, BASE, Service, Settings, Work},
    webhook_keys,
};

/// Serves until Ctrl-C or SIGTERM, then drains.
///
/// # Errors
///
/// If the service cannot start, or tasks could not be handed back at the end.
#[expect(clippy::print_stdout, reason = "whoever starts the service reads where it listens")]
pub async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    check_access(&arguments)?;
    if arguments.work.workers == 0 && !arguments.work.store.is_shared() {
        bail!("{}", ALONE);
    }
    let tls = tls(&arguments)?;
    let jwt = arguments.jwt.checker()?;
    let webhook_keys = webhook_keys::read(arguments.work.webhook_keys.as_deref())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    // First what can fail without any task being touched.
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;
    let (store, files) = open(&arguments.work).await?;
    let Service { runtime, app, drain } = service::start(Settings {
        store,
        files,
        tokens: &arguments.tokens,
        jwt,
        shared_folders: &arguments.shared_folders,
        webhook_keys: &webhook_keys,
        webhook_networks: &arguments.work.webhook_networks,
        limits: limits(&arguments),
        pending_max: Some(arguments.pending_max),
        cors_origins: &arguments.cors_origins,
        workers: arguments.work.workers,
        lease: arguments.work.lease_seconds,
    })
    .await?;
    if runtime.is_none() {
        println!("other nodes generate the documents: start `document-service worker` somewhere");
    }
    println!("listening on {scheme}://{address}");
    println!("documents at {scheme}://{address}{BASE}/");
    if arguments.no_auth {
        println!("warning: --no-auth lets everybody on this machine do everything");
    }

    let server =
        Server::new(drain).deadline(arguments.work.grace).connections_max(arguments.connections);
    let server = tls.into_iter().fold(server, Server::tls);
    server.serve(listener, app, stop_signal()?).await?;
    // Requests are answered; what still runs may finish, or is handed back uncharged.
    if let Some(runtime) = runtime {
        runtime.shutdown(arguments.work.grace).await?;
    }
    println!("stopped");
    Ok(())
}

/// Works on documents until Ctrl-C or SIGTERM, and serves nothing.
///
/// # Errors
///
/// If it cannot start, or tasks could not be handed back at the end.
#[expect(clippy::print_stdout, reason = "whoever starts a worker reads that it works")]
pub async fn work(arguments: WorkArguments) -> anyhow::Result<()> {
    if !arguments.store.is_shared() {
        bail!("{}", ALONE);
    }
    if arguments.workers == 0 {
        bail!("a worker with --workers 0 would do nothing: expected at least 1");
    }
    let webhook_keys = webhook_keys::read(arguments.webhook_keys.as_deref())?;
    let stopped = stop_signal()?;
    let (store, files) = open(&arguments).await?;
    let WorkArguments { workers, lease_seconds: lease, .. } = arguments;
    let work = Work { store, files, workers, lease };
    let runtime = work.start_alone(&arguments.webhook_networks, &webhook_keys).await?;
    println!("working on documents, {workers} at a time");
    stopped.await;
    runtime.shutdown(arguments.grace).await?;
    println!("stopped");
    Ok(())
}

/// Why a node cannot serve or work alone.
const ALONE: &str = "nodes that only serve or only work need a store that they share: expected \
                     --store postgres://HOST/DATABASE";

/// Opens tasks and files, and says where they are.
#[expect(clippy::print_stdout, reason = "whoever starts the service reads where things are")]
async fn open(arguments: &WorkArguments) -> anyhow::Result<(Arc<dyn TaskStore>, Files)> {
    let beside = || arguments.store.files().map(FilesLocation::Folder);
    let Some(place) = arguments.files.clone().or_else(beside) else {
        bail!(
            "nodes that share tasks have to share files: expected --files DIR with a folder that \
             all of them see, or --files s3://BUCKET"
        );
    };
    let store = arguments.store.open().await?;
    println!("{}", arguments.store.promise());
    let files = place.open()?;
    println!("source files and documents are in {place}");
    Ok((store, files))
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
    let has_jwt = arguments.jwt.jwt_issuer.is_some();
    if arguments.tokens.is_empty() && !has_jwt && !arguments.no_auth {
        bail!(
            "nobody could call this service: give at least one --token ORG=TOKEN, a --jwt-issuer, \
             or --no-auth to let everybody on this machine in"
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
