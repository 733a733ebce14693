//! `serve`: the service as a process, from its first line of output to a clean end.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
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
    // First what can fail without any task being touched.
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;
    let store = arguments.store.open()?;
    println!("{}", arguments.store.promise());
    let files = arguments.files.unwrap_or_else(|| arguments.store.files());
    let files = std::path::absolute(files)?;
    let Service { runtime, app, drain } = service::start(Settings {
        store,
        files: &files,
        tokens: &arguments.tokens,
        webhook_networks: &arguments.webhook_networks,
        concurrency: arguments.concurrency,
        lease: arguments.lease_seconds,
    })
    .await?;
    println!("source files and documents are in {}", files.display());
    println!("listening on http://{address}");
    println!("documents at http://{address}{BASE}/");
    if arguments.no_auth {
        println!("warning: --no-auth lets everybody on this machine do everything");
    }

    artos_http::serve(listener, app, drain, stop_signal()?, arguments.grace).await?;
    // Requests are answered; what still runs may finish, or is handed back uncharged.
    runtime.shutdown(arguments.grace).await?;
    println!("stopped");
    Ok(())
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
