//! The command line of the document service.

use std::process::ExitCode;

use clap::Parser as _;
use document_service::{
    cli::{Arguments, Command},
    store::OpenError,
};
use tracing_subscriber::EnvFilter;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the last word of a program that failed")]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let log = match &command {
        Command::Serve(_) => "warn,artos_http=info",
        Command::Worker(_) | Command::Demo(_) => "warn",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| log.into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let ended = match command {
        Command::Serve(arguments) => document_service::serve::run(*arguments).await,
        Command::Worker(arguments) => document_service::serve::work(arguments).await,
        Command::Demo(arguments) => document_service::demo::run(arguments).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_causes(&error));
            if let Some(refused) = error.downcast_ref::<OpenError>() {
                eprintln!("what to do: {}", refused.advice());
            }
            ExitCode::FAILURE
        }
    }
}

/// Writes an error and its causes on one line, without what was said already: a backtrace says
/// nothing to whoever started the program.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        match text.is_empty() {
            true => cause,
            false if text.ends_with(&cause) => text,
            false => format!("{text}: {cause}"),
        }
    })
}
