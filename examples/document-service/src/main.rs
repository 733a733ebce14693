//! The command line of the document service.

use clap::Parser as _;
use document_service::cli::{Arguments, Command};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "warn,artos_http=info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    match Arguments::parse().command {
        Command::Serve(arguments) => document_service::serve::run(arguments).await,
        Command::Demo(arguments) => document_service::demo::run(arguments).await,
    }
}
