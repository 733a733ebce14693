//! The steps the schema takes, embedded: each has a number, and is taken once.
//!
//! A store that may, takes them when it connects; any number of processes may do so at once, and a
//! schema that is newer than this version is refused. [`sql`] has the same statements for those who
//! migrate with a tool of their own, and [`grants`] what a role needs that only uses the schema.

use artos_core::store::{StoreError, StoreResult};
use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::{call::Operation, schema::Schema, statements::end_with};

const STEPS: &[&str] = &[include_str!("../migrations/0001_tasks.sql")];

/// Makes the table that notes which steps were taken.
const NOTES: &str = "CREATE TABLE IF NOT EXISTS {schema}.migrations (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
";

/// Returns the number of the last step, which is the version of the schema this crate works with.
#[must_use]
pub const fn latest() -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "there are far fewer steps than that"
    )]
    {
        STEPS.len() as i32
    }
}

/// Returns the statements that take a database from version `from`, 0 for none, to the latest.
///
/// Run them in one transaction, with `psql --single-transaction` for example.
///
/// # Errors
///
/// [`StoreError::Invalid`] if Postgres could not keep the schema's name.
///
/// # Examples
///
/// ```
/// let sql = artos_store_postgres::migrations::sql("artos", 0)?;
/// assert!(sql.contains("CREATE TABLE \"artos\".tasks"));
/// # Ok::<_, artos_core::store::StoreError>(())
/// ```
pub fn sql(schema: &str, from: i32) -> StoreResult<String> {
    let schema = Schema::new(schema)?;
    let mut sql = String::new();
    if from == 0 {
        sql.push_str(&schema.fill("CREATE SCHEMA IF NOT EXISTS {schema};\n"));
    }
    sql.push_str(&steps(&schema, from));
    Ok(sql)
}

/// Returns the statements that let a role use the schema: read, write and no more. It can submit,
/// run and look after tasks, and change no table.
///
/// # Errors
///
/// [`StoreError::Invalid`] if Postgres could not keep one of the names.
pub fn grants(schema: &str, role: &str) -> StoreResult<String> {
    let schema = Schema::new(schema)?;
    let role = Schema::new(role)?.fill("{schema}");
    let sql = format!(
        "GRANT USAGE ON SCHEMA {{schema}} TO {role};\n\
         GRANT SELECT, INSERT, UPDATE, DELETE ON {{schema}}.tasks, {{schema}}.labels TO {role};\n\
         GRANT SELECT ON {{schema}}.migrations TO {role};\n\
         GRANT EXECUTE ON FUNCTION {{schema}}.now_micros() TO {role};\n"
    );
    Ok(schema.fill(&sql))
}

fn steps(schema: &Schema, from: i32) -> String {
    let mut sql = String::from(NOTES);
    for (version, step) in (1_i32..).zip(STEPS).filter(|(version, _)| *version > from) {
        sql.push_str(step);
        sql.push_str(&format!("INSERT INTO {{schema}}.migrations (version) VALUES ({version});\n"));
    }
    schema.fill(&sql)
}

/// Reads the version of the schema; 0 if there is none.
pub(crate) struct ReadVersion<'a> {
    pub(crate) schema: &'a Schema,
}

#[async_trait]
impl Operation for ReadVersion<'_> {
    type Answer = i32;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
        // One session for both of its statements, whoever hands them out.
        let mut transaction = connection.begin().await?;
        let found = version(self.schema, &mut transaction).await;
        end_with(found, transaction).await
    }
}

async fn version(schema: &Schema, connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    // A role that may not use the schema is told so by the second statement.
    let exists = "SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'migrations'
    )";
    let row = sqlx::query(exists).persistent(false).bind(schema.name());
    if !row.fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
        return Ok(0);
    }
    let sql = schema.fill("SELECT COALESCE(max(version), 0) FROM {schema}.migrations");
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(connection).await?;
    row.try_get(0)
}

/// Takes the steps that are missing.
pub(crate) struct TakeSteps<'a> {
    pub(crate) schema: &'a Schema,
}

#[async_trait]
impl Operation for TakeSteps<'_> {
    type Answer = i32;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
        let mut transaction = connection.begin().await?;
        let taken = self.take(&mut transaction).await;
        end_with(taken, transaction).await
    }
}

impl TakeSteps<'_> {
    async fn take(&self, transaction: &mut PgConnection) -> Result<i32, sqlx::Error> {
        // Held until the transaction ends, however it ends: a lock of the session could be left
        // behind by a call that was dropped.
        let lock = "SELECT set_config('lock_timeout', '0', true), \
                    set_config('statement_timeout', '0', true), pg_advisory_xact_lock($1)";
        let lock = sqlx::query(lock).persistent(false).bind(lock_key(self.schema));
        lock.execute(&mut *transaction).await?;
        let found = version(self.schema, transaction).await?;
        if found < latest() {
            // Making a schema that exists needs a right that using it does not.
            let there = "SELECT to_regnamespace(quote_ident($1)) IS NOT NULL";
            let there = sqlx::query(there).persistent(false).bind(self.schema.name());
            if !there.fetch_one(&mut *transaction).await?.try_get::<bool, _>(0)? {
                let create = self.schema.fill("CREATE SCHEMA {schema}");
                sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *transaction).await?;
            }
            let sql = steps(self.schema, found);
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
        }
        Ok(found.max(latest()))
    }
}

/// Names the lock of those who migrate a schema.
fn lock_key(schema: &Schema) -> i64 {
    let digest = Sha256::digest(format!("artos migrations of {}", schema.name()));
    let bytes: [u8; 32] = digest.into();
    bytes.first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// Compares a version that was found with the one this crate works with.
pub(crate) fn check(schema: &Schema, found: i32) -> StoreResult<()> {
    if found == latest() {
        return Ok(());
    }
    if found > latest() {
        let number = |version: i32| u32::try_from(version).unwrap_or(0);
        return Err(StoreError::NewerFormat { found: number(found), supported: number(latest()) });
    }
    let message = format!(
        "the schema {:?} has version {found}, expected {}: migrate it, or let the store do so",
        schema.name(),
        latest()
    );
    Err(StoreError::Invalid { message })
}
