//! The statements of a store, one file each in `sql/`, with its schema filled in.

use artos_core::model::ListOrder;
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Postgres, SqlSafeStr as _, SqlStr, Transaction,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use crate::{record::COLUMNS, schema::Schema};

/// The last moment a `Timestamp` can say: what is later ends there.
const END_OF_TIME: &str = "253402207200999999";

/// Makes sure that the commit of a statement waits for the disk.
///
/// A server may have `synchronous_commit` off, and a pool or a pgbouncer may hand out a connection
/// that has. Then it is on for this one transaction. Other values promise as much or more.
const DURABLE: &str = "CASE current_setting('synchronous_commit')
    WHEN 'off' THEN set_config('synchronous_commit', 'on', true)
END";

/// What time it is for a statement; the statements that take part in a longer call have their own.
const CLOCK: &str =
    "clock AS MATERIALIZED (SELECT {schema}.now_micros() AS now, {durable} AS durable)";

/// When a new task is due. GREATEST and LEAST leave out what is null.
const RUN_AT: &str = "GREATEST(clock.now, n.start_at,
    CASE WHEN n.delay IS NOT NULL THEN LEAST(clock.now + n.delay, {end_of_time}) END)";

/// When a new task expires.
const EXPIRES_AT: &str = "CASE WHEN n.expires_after IS NOT NULL
    THEN LEAST(clock.now + n.expires_after, {end_of_time}) END";

/// Whether a report of progress is of the stage the task is at.
const FITS: &str = "b.stage IS NOT NULL AND (t.stage IS NULL OR t.stage = b.stage)";

/// Whether a task has been waiting for somebody who knows its kind or stage, or reads its payload.
const UNKNOWN: &str = "t.failure_cause IN (5, 7, 8)";

macro_rules! statements {
    ($($name:ident = $file:literal),*; $($list:ident = $list_file:literal),*) => {
        /// The statements of one store; those that list, in each order of ids.
        #[derive(Debug, Clone)]
        pub(crate) struct Statements {
            $(pub(crate) $name: SqlStr,)*
            $(pub(crate) $list: Ordered,)*
            session: Session,
        }

        impl Statements {
            pub(crate) fn new(schema: &Schema, session: Session) -> Self {
                Self {
                    $($name: fill(schema, include_str!(concat!("../sql/", $file))),)*
                    $($list: Ordered::new(schema, include_str!(concat!("../sql/", $list_file))),)*
                    session,
                }
            }

            /// Returns every statement with its name, so that a test can look at each.
            #[cfg(test)]
            pub(crate) fn all(&self) -> Vec<(&'static str, &SqlStr)> {
                let mut all = vec![$((stringify!($name), &self.$name)),*];
                $(all.extend([
                    (stringify!($list), &self.$list.oldest),
                    (stringify!($list), &self.$list.newest),
                ]);)*
                all
            }
        }
    };
}

statements! {
    insert = "insert.sql",
    insert_new = "insert_new.sql",
    existing = "existing.sql",
    get = "get.sql",
    claim = "claim.sql",
    claimed_before = "claimed_before.sql",
    heartbeat = "heartbeat.sql",
    settle = "settle.sql",
    cancel = "cancel.sql",
    state = "state.sql",
    rescue = "rescue.sql",
    prune = "prune.sql",
    count = "count.sql",
    count_queue = "count_queue.sql",
    count_kinds = "count_kinds.sql",
    count_labels = "count_labels.sql",
    count_states = "count_states.sql";
    list = "ids.sql",
    list_kinds = "ids_by_kind.sql",
    list_states = "ids_by_state.sql",
    list_labels = "ids_by_label.sql"
}

/// A statement that lists what another one finds, for each order of ids.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    oldest: SqlStr,
    newest: SqlStr,
}

impl Ordered {
    fn new(schema: &Schema, ids: &str) -> Self {
        let sql = include_str!("../sql/list.sql").replace("{ids}", &without_comments(ids));
        let ordered = |after, direction| {
            fill(schema, &sql.replace("{after}", after).replace("{direction}", direction))
        };
        Self { oldest: ordered(">", "ASC"), newest: ordered("<", "DESC") }
    }

    pub(crate) const fn by(&self, order: ListOrder) -> &SqlStr {
        match order {
            ListOrder::OldestFirst => &self.oldest,
            ListOrder::NewestFirst => &self.newest,
        }
    }
}

/// What statements can count on between one and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// The same session: statements are prepared once.
    Kept,
    /// The same transaction, which is somebody else's, and nothing after it.
    Theirs,
    /// Nothing: there may be another session behind the connection with each transaction.
    Pooled,
}

impl Statements {
    /// Makes a query of one of the statements.
    pub(crate) fn query(&self, sql: &SqlStr) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(sql.clone()).persistent(self.session == Session::Kept)
    }

    /// Returns the same statements for a transaction of somebody else's.
    pub(crate) fn within(&self) -> Self {
        let session = match self.session {
            Session::Pooled => Session::Theirs,
            kept => kept,
        };
        Self { session, ..self.clone() }
    }

    /// Runs a query, and returns its rows.
    ///
    /// A statement is parsed in one round trip and executed in the next. Where sessions are pooled,
    /// the second may go to another session, which has parsed something else, unless a transaction
    /// holds on to the first.
    pub(crate) async fn rows(
        &self,
        query: Query<'_, Postgres, PgArguments>,
        connection: &mut PgConnection,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        if self.session != Session::Pooled {
            return query.fetch_all(connection).await;
        }
        let mut transaction = connection.begin().await?;
        let rows = query.fetch_all(&mut *transaction).await;
        end_with(rows, transaction).await
    }

    /// Runs a query, and returns its only row.
    pub(crate) async fn row(
        &self,
        query: Query<'_, Postgres, PgArguments>,
        connection: &mut PgConnection,
    ) -> Result<PgRow, sqlx::Error> {
        self.rows(query, connection).await?.into_iter().next().ok_or(sqlx::Error::RowNotFound)
    }
}

/// Commits a transaction if what was done in it succeeded, and otherwise takes it back at once: its
/// connection may rest for long after this.
pub(crate) async fn end_with<T>(
    result: Result<T, sqlx::Error>,
    transaction: Transaction<'_, Postgres>,
) -> Result<T, sqlx::Error> {
    match result {
        Ok(done) => transaction.commit().await.map(|()| done),
        Err(error) => {
            // A connection that cannot even do that is found out by its next call.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}

fn fill(schema: &Schema, sql: &str) -> SqlStr {
    let sql = without_comments(sql)
        .replace("{new_tasks}", &without_comments(include_str!("../sql/new_tasks.sql")))
        .replace("{matching}", &without_comments(include_str!("../sql/matching.sql")))
        .replace("{clock}", CLOCK)
        .replace("{durable}", DURABLE)
        .replace("{record}", &record())
        .replace("{run_at}", RUN_AT)
        .replace("{expires_at}", EXPIRES_AT)
        .replace("{fits}", FITS)
        .replace("{unknown}", UNKNOWN)
        .replace("{end_of_time}", END_OF_TIME);
    // Only constants of this crate and a quoted identifier are in it.
    AssertSqlSafe(schema.fill(&sql)).into_sql_str()
}

/// Leaves comments out: they are for readers of the files, not for the server's log.
fn without_comments(sql: &str) -> String {
    let lines = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n")
}

fn record() -> String {
    let columns: Vec<_> = COLUMNS.iter().map(|column| format!("t.{column}")).collect();
    columns.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let statements = Statements::new(&Schema::new("odd \"name\"").unwrap(), Session::Kept);
        for (name, sql) in statements.all() {
            assert!(!sql.as_str().contains(['{', '}']), "{name}: {}", sql.as_str());
            assert!(sql.as_str().contains("\"odd \"\"name\"\"\".tasks"), "{name}");
        }
    }
}
