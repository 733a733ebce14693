//! Several nodes on one Postgres: what one accepts another works on, and a third goes on where that
//! one died.

use artos_core::Random;
use document_service::stages::STAGES;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::{
    api::{Api, copy_samples, json_of},
    journal::Event,
    service::{Service, program, run},
};

/// The third stage, and the one that its checkpoint leads to.
const THIRD: usize = 2;
/// Whoever writes that checkpoint has to get this advisory lock, which the test holds.
const LOCK: i64 = 2041;

/// A database of the test's own, and a folder of files that nodes share.
struct Place {
    url: String,
    data: TempDir,
}

impl Place {
    async fn new() -> Self {
        let name = Random::from_entropy().worker_id().as_uuid().simple().to_string();
        let name = format!("nodes_{name}");
        let server = artos_test_postgres::url();
        let mut connection = PgConnection::connect(server).await.unwrap();
        execute(&mut connection, &format!("CREATE DATABASE {name}")).await;
        let (address, options) = server.split_once('?').unwrap_or((server, ""));
        let (host, _) = address.rsplit_once('/').unwrap();
        let data = tempfile::tempdir().unwrap();
        copy_samples(data.path());
        Self { url: format!("{host}/{name}?{options}"), data }
    }

    fn files(&self) -> String {
        format!("file://{}", self.data.path().join("files").display())
    }

    /// Lets the checkpoint that ends the third stage wait for the lock; whoever returned holds it.
    async fn hold_third_stage(&self) -> PgConnection {
        let mut holder = PgConnection::connect(&self.url).await.unwrap();
        let next = STAGES[THIRD + 1].0;
        let trigger = format!(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM pg_advisory_xact_lock({LOCK}); RETURN NEW;
             END $$;
             CREATE TRIGGER wait BEFORE UPDATE ON artos.tasks FOR EACH ROW
                 WHEN (NEW.stage = '{next}' AND OLD.stage <> '{next}') EXECUTE FUNCTION wait();
             SELECT pg_advisory_lock({LOCK});"
        );
        execute(&mut holder, &trigger).await;
        holder
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// Ends what a killed node left waiting in the server, as the server would once it noticed.
async fn forget_the_dead(holder: &mut PgConnection) {
    execute(
        holder,
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event = 'advisory'",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_goes_from_node_to_node_and_on_at_the_stage_where_one_was_killed() {
    let place = Place::new().await;
    let files = place.files();
    let options = ["--files", files.as_str(), "--lease-seconds", "2"];
    let a = Service::start(program(), &place.url, &[&options[..], &["--workers", "0"]].concat());
    let mut holder = place.hold_third_stage().await;
    let api = Api::new(a.address);
    let (code, body) = api.generate("nodes", 0).unwrap();
    assert_eq!(code, 202);
    let id = json_of(&body)["task_id"].as_str().unwrap().to_owned();

    let mut b = Service::start_worker(program(), &place.url, &options);
    b.wait_for(|line| {
        matches!(Event::parse(line), Some(Event::Started { stage: THIRD, task, .. }) if task == id)
    });
    let said = b.kill();
    assert!(!said.iter().any(|line| is_acknowledged(line, THIRD + 1)), "{}", said.join("\n"));
    forget_the_dead(&mut holder).await;
    execute(&mut holder, &format!("SELECT pg_advisory_unlock({LOCK})")).await;

    let c = Service::start_worker(program(), &place.url, &options);
    assert_eq!(api.finished(&id)["status"], "Complete");
    assert!(!api.file(&id).is_empty());
    assert_eq!(api.document(&id)["document_id"], id.as_str());
    let (code, said) = c.stop();
    assert_eq!(code, Some(0), "{}", said.join("\n"));
    let started = said.iter().filter_map(|line| match Event::parse(line) {
        Some(Event::Started { task, stage, attempt }) if task == id => Some((stage, attempt)),
        _ => None,
    });
    // The attempt that died was charged, and the stages before it are not run again.
    assert_eq!(started.collect::<Vec<_>>(), [(THIRD, 2), (THIRD + 1, 1), (THIRD + 2, 1)]);
    let (code, said) = a.stop();
    assert_eq!(code, Some(0), "{}", said.join("\n"));
    assert!(said.iter().all(|line| Event::parse(line).is_none()), "it only serves");
}

fn is_acknowledged(line: &str, stage: usize) -> bool {
    matches!(Event::parse(line), Some(Event::Acknowledged { next, .. }) if next == stage)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_work_with_others_says_why_it_does_not_start() {
    let place = Place::new().await;
    let files = place.files();
    let shared = "need a store that they share";
    for (arguments, expected) in [
        (&["serve", "--no-auth", "--store", &place.url][..], "have to share files"),
        (&["serve", "--no-auth", "--store", "memory", "--workers", "0"], shared),
        (&["worker", "--store", "sled:nowhere"], shared),
        (&["worker", "--store", &place.url, "--files", &files, "--workers", "0"], "do nothing"),
        (&["worker", "--store", &place.url, "--files", "ftp://a"], "`ftp://` is no place"),
        (
            &["worker", "--store", "postgres://u:secret@127.0.0.1:1/x", "--files", &files],
            "check that a Postgres server answers at postgres://127.0.0.1:1/x",
        ),
    ] {
        let mut program = program();
        program.args(arguments);
        let (output, text) = tokio::task::spawn_blocking(|| run(program)).await.unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
