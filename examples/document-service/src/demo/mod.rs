//! `demo`: the whole service in a few seconds, through its own HTTP API.

mod api;
mod receiver;
mod samples;
mod show;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use artos_http::client::Status;
use serde_json::json;
use tokio::net::TcpListener;

use self::{api::Api, receiver::Receiver, show::Show};
use crate::{
    cli::DemoArguments,
    files_location::FilesLocation,
    service::{self, Service, Settings},
    store::StoreLocation,
};

/// Nobody else is there to take over, so any lease would do.
const LEASE: Duration = Duration::from_secs(20);

/// Starts a service on a free port, generates a document from the samples, shows how a document
/// fails that lacks a required section, and stops. Its tasks are in a temporary store, which goes
/// when it ends; the files stay.
///
/// # Errors
///
/// If the service cannot start or does not do what it should.
pub async fn run(arguments: DemoArguments) -> anyhow::Result<()> {
    let files = arguments.output.join("files");
    let paths = samples::write(&files)?;
    let folder = tempfile::tempdir().context("no temporary folder for the store")?;
    let store = StoreLocation::Sled(folder.path().to_owned());
    let Service { runtime, app, drain } = service::start(Settings {
        store: store.open().await?,
        files: FilesLocation::Folder(files.clone()).open()?,
        tokens: &[],
        jwt: None,
        shared_folders: &[],
        webhook_keys: &[],
        // The receiver is on this machine, where nobody's webhooks may go otherwise.
        webhook_networks: &["127.0.0.0/8".parse()?],
        limits: None,
        pending_max: None,
        cors_origins: &[],
        workers: 2,
        lease: LEASE,
    })
    .await?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
    let (receiver, receiving) = Receiver::listen().await?;
    let api = Api::new(listener.local_addr()?)?;
    let stopped = drain.clone();
    let grace = Duration::from_secs(5);
    let stop = async move { stopped.started().await };
    let server = artos_http::serve(listener, app, drain.clone(), stop, grace);
    let client = async {
        let output = arguments.output.clone();
        let tasks = folder.path().to_owned();
        // The client blocks, as a script would, and so gets a thread of its own.
        let outcome = tokio::task::spawn_blocking(move || {
            show_service(&api, &receiver, &paths, &output, &tasks)
        })
        .await;
        drain.start();
        outcome?
    };
    let both = async { tokio::join!(server, client) };
    let (served, shown) = tokio::select! {
        both = both => both,
        () = receiving => bail!("the receiver of webhooks ended"),
    };
    if let Some(runtime) = runtime {
        runtime.shutdown(grace).await?;
    }
    served?;
    shown
}

/// Acts as a client of the service.
fn show_service(
    api: &Api,
    receiver: &Receiver,
    paths: &samples::Paths,
    output: &Path,
    tasks: &Path,
) -> anyhow::Result<()> {
    let mut show = Show::new();
    show.line(&format!("the service listens on {}", api.address()));
    show.line(&format!(
        "its tasks are in {}, a temporary store that is removed at the end",
        tasks.display()
    ));
    show.line(&format!("its files are in {} and stay", output.display()));

    let sources = paths.complete.len();
    show.line(&format!("POST /api/v1/documents/generate with {sources} sources"));
    let request = json!({
        "document_type": "CSR",
        "file_paths": paths.complete,
        "document_set_name": "EXM-2041",
        "output_name": "EXM-2041 Clinical Study Report.docx",
        "webhook": receiver.url(),
    });
    let id = api.generate(&request)?;
    show.line(&format!("202 Accepted, task {id}"));
    let status = api.follow(id, |status| show.progress(status))?;
    show.finish();
    if status.status != Status::Complete {
        bail!("the document was not generated: {status:?}");
    }
    let document = api.document(id)?;
    let path = output.join("EXM-2041 Clinical Study Report.docx");
    std::fs::write(&path, api.file(id)?)?;
    show.document(&document, &path);
    let arrived = receiver.next()?;
    if !arrived.is_signed_with(&api.webhook_secret()?)? {
        bail!("a webhook arrived that the service did not sign");
    }
    show.webhook(&receiver.url(), arrived.header("webhook-id"), &arrived.event()?);

    show.line("And one whose sources lack a required section:");
    let request = json!({ "document_type": "CSR", "file_paths": paths.incomplete });
    let id = api.generate(&request)?;
    let status = api.follow(id, |_| {})?;
    if status.status != Status::Failed {
        bail!("a document without its safety section was not refused: {status:?}");
    }
    show.failure(&status);
    show.what_next(output, paths);
    Ok(())
}
