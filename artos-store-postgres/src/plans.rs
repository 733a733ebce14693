//! What the server makes of the statements when there are a million tasks: no statement may read a
//! whole table, or sort what waits.

use artos_core::Random;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use crate::{
    migrations,
    schema::Schema,
    statements::{Session, Statements},
};

/// Fills the tables: half of the tasks wait, a few run, and the rest have ended; there are two
/// priorities, a rare kind, tenants, and a label for one task in a thousand. The first and the last
/// of the tasks are of a kind and a tenant that none between them has.
const FILL: &str = "
    INSERT INTO {schema}.tasks (
        created_at, stage_entered_at, run_at, updated_at, epoch, id, state, priority, kind, queue,
        tenant, labels, started_at, finished_at, lease_worker, lease_until, input, output
    )
    SELECT n, n, n, n, 1, lpad(to_hex(n), 32, '0')::uuid, s.state, n % 2,
        CASE WHEN n <= 60000 THEN 'early' WHEN n > 940000 THEN 'late'
            WHEN n % 5000 = 0 THEN 'rare' ELSE 'common' END,
        CASE WHEN n % 20000 = 0 THEN 'few' ELSE 'default' END,
        CASE WHEN n <= 60000 THEN 'early' WHEN n > 940000 THEN 'late'
            WHEN n % 10 = 0 THEN 'tenant-' || n % 1000 END,
        CASE WHEN n % 1000 = 0 THEN '{\"a\": \"b\"}'::jsonb END,
        CASE WHEN s.state > 0 THEN n END, CASE WHEN s.state > 1 THEN n END,
        CASE WHEN s.state = 1 THEN gen_random_uuid() END, CASE WHEN s.state = 1 THEN n END,
        '{}', CASE WHEN s.state = 2 THEN 'null'::bytea END
    FROM generate_series(1, 1000000) AS n CROSS JOIN LATERAL (
        SELECT CASE
            WHEN n <= 3000 THEN 4 WHEN n % 2 = 0 THEN 0 WHEN n % 4001 = 0 THEN 1
            WHEN n % 101 = 0 THEN 3
            WHEN n % 1009 = 0 THEN 4 ELSE 2
        END AS state
    ) AS s;
    INSERT INTO {schema}.labels (key, value, id)
    SELECT 'a', 'b', id FROM {schema}.tasks WHERE labels IS NOT NULL
    UNION ALL
    SELECT 'order', n::text, lpad(to_hex(n), 32, '0')::uuid FROM generate_series(1, 100000) AS n;
";

/// Rows that a plan may sort: a batch, or what a rare filter leaves, but no backlog.
const SORTED_ROWS_MAX: f64 = 20_000.0;

const NULL: &str = "NULL";
const A_LABEL: &str = "'{\"{\\\"a\\\": \\\"b\\\"}\"}'";

/// Listings as they are asked for: states, kinds, queue, tenant, label.
const LISTINGS: [[&str; 5]; 26] = [
    [NULL, NULL, NULL, NULL, NULL],
    ["'{0}'", NULL, NULL, NULL, NULL],
    ["'{1}'", NULL, NULL, NULL, NULL],
    ["'{3}'", NULL, NULL, NULL, NULL],
    [NULL, "'{rare}'", NULL, NULL, NULL],
    [NULL, "'{common}'", NULL, NULL, NULL],
    [NULL, NULL, NULL, "'tenant-10'", NULL],
    ["'{2}'", "'{common}'", NULL, "'tenant-10'", NULL],
    [NULL, NULL, NULL, NULL, A_LABEL],
    [NULL, NULL, "'default'", NULL, NULL],
    [NULL, NULL, "'few'", NULL, NULL],
    ["'{0, 1}'", NULL, "'few'", NULL, NULL],
    ["'{2, 3, 4}'", NULL, "'few'", NULL, NULL],
    ["'{0}'", NULL, "'default'", NULL, NULL],
    ["'{0}'", NULL, "'few'", NULL, NULL],
    ["'{3}'", NULL, "'few'", NULL, NULL],
    [NULL, "'{rare}'", "'default'", NULL, NULL],
    [NULL, NULL, "'default'", "'tenant-10'", NULL],
    [NULL, NULL, NULL, "'early'", NULL],
    ["'{2, 3}'", "'{early}'", NULL, "'early'", NULL],
    [NULL, NULL, NULL, "'late'", NULL],
    [NULL, "'{early}'", NULL, NULL, NULL],
    [NULL, "'{late, rare}'", NULL, NULL, NULL],
    ["'{0, 2}'", "'{late}'", NULL, NULL, NULL],
    ["'{1, 4}'", NULL, NULL, NULL, NULL],
    ["'{0}'", NULL, NULL, "'early'", A_LABEL],
];

/// Rows that a listing may read in vain.
const VAIN_ROWS_MAX: f64 = 5_000.0;

/// How statements are planned that are planned anew for each call.
const CUSTOM: &str = "force_custom_plan";

struct Million {
    connection: PgConnection,
    schema: Schema,
}

impl Million {
    async fn new() -> Self {
        let name = Random::from_entropy().worker_id().as_uuid().simple().to_string();
        let schema = Schema::new(&format!("artos_test_{name}")).unwrap();
        let mut connection = PgConnection::connect(artos_test_postgres::url()).await.unwrap();
        // At least as much of the file system's cache as any server with a million tasks has.
        let setup = migrations::sql(schema.name(), 0).unwrap() + &schema.fill(FILL);
        connection.execute(sqlx::raw_sql(AssertSqlSafe(setup))).await.unwrap();
        for table in ["tasks", "labels"] {
            let vacuum = schema.fill(&format!("VACUUM (ANALYZE) {{schema}}.{table}"));
            connection.execute(sqlx::raw_sql(AssertSqlSafe(vacuum))).await.unwrap();
        }
        Self { connection, schema }
    }

    /// Explains a statement as the server plans it in this mode, for these arguments.
    async fn explain(&mut self, name: &str, sql: &str, mode: &str, arguments: &str) -> Vec<String> {
        let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
        // The store counts without sequential scans, too.
        let counts = name.starts_with("count") && name != "count_states";
        let scan = if counts { "off" } else { "on" };
        let prepare = format!(
            "SET enable_seqscan = {scan}; SET plan_cache_mode = {mode}; DEALLOCATE ALL;
             PREPARE looked_at AS {sql}"
        );
        self.connection.execute(sqlx::raw_sql(AssertSqlSafe(prepare))).await.unwrap();
        // What a listing reads depends on where the tasks lie, which no plan says.
        let analyze = if name.starts_with("list") { "ANALYZE, " } else { "" };
        let explain = format!("EXPLAIN ({analyze}FORMAT JSON) EXECUTE looked_at {arguments}");
        let explain = sqlx::raw_sql(AssertSqlSafe(explain));
        let row = self.connection.fetch_one(explain).await.unwrap();
        let plan: serde_json::Value = serde_json::from_str(row.get_unchecked(0)).unwrap();
        let mut findings = Vec::new();
        look_at(&plan, &mut findings);
        findings.into_iter().map(|found| format!("{name} ({arguments}): {found}")).collect()
    }
}

/// Looks for what must not be in a plan, through all of its nodes.
fn look_at(node: &serde_json::Value, findings: &mut Vec<String>) {
    match node {
        serde_json::Value::Array(nodes) => nodes.iter().for_each(|node| look_at(node, findings)),
        serde_json::Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(|value| value.as_str());
            let number = |name: &str| fields.get(name).and_then(serde_json::Value::as_f64);
            let rows = number("Plan Rows").unwrap_or(0.0);
            let loops = number("Actual Loops").unwrap_or(0.0);
            let in_vain = number("Rows Removed by Filter").unwrap_or(0.0) * loops;
            if in_vain > VAIN_ROWS_MAX {
                findings.push(format!("reads {in_vain} rows in vain"));
            }
            match text("Node Type") {
                Some("Seq Scan") => {
                    let table = text("Relation Name").unwrap_or_default();
                    findings.push(format!("reads all of {table}"));
                }
                Some(sort) if sort.contains("Sort") && rows > SORTED_ROWS_MAX => {
                    findings.push(format!("sorts {rows} rows"));
                }
                _ => {}
            }
            fields.values().for_each(|field| look_at(field, findings));
        }
        _ => {}
    }
}

/// Returns the statement that lists this.
fn list([states, kinds, queue, tenant, label]: &[&str; 5]) -> &'static str {
    match [queue, tenant, label, kinds, states].map(|part| *part != NULL) {
        [_, _, true, _, _] => "list_labels",
        [false, false, false, true, _] => "list_kinds",
        [false, false, false, false, true] => "list_states",
        _ => "list",
    }
}

/// Returns the statement that counts this.
fn count([_, kinds, queue, tenant, label]: &[&str; 5]) -> &'static str {
    match [kinds, queue, tenant, label].map(|part| *part != NULL) {
        [_, _, _, true] => "count_labels",
        [false, false, false, false] => "count_states",
        [true, false, false, false] => "count_kinds",
        [false, true, false, false] => "count_queue",
        _ => "count",
    }
}

/// Returns a null for each parameter of a statement.
fn nulls(sql: &str) -> String {
    let has = |number: &usize| {
        let name = format!("${number}");
        sql.match_indices(&name)
            .any(|(at, _)| !sql[at + name.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    (1..=100).take_while(has).map(|_| "NULL").collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn at_a_million_tasks_no_statement_reads_a_table_or_sorts_the_backlog() {
    let mut million = Million::new().await;
    let statements = Statements::new(&million.schema, Session::Kept);
    let mut findings = Vec::new();
    for (name, sql) in statements.all() {
        let sql = sql.as_str();
        match name {
            // These are planned for what is asked, each time.
            "count" | "count_labels" => {
                for filter in LISTINGS.iter().filter(|filter| count(filter) == name) {
                    let label = if name == "count" { "" } else { ", 'a', 'b'" };
                    let arguments = filter.join(", ") + label;
                    findings.extend(million.explain(name, sql, CUSTOM, &arguments).await);
                }
            }
            "list" | "list_kinds" | "list_states" | "list_labels" => {
                for filter in LISTINGS.iter().filter(|filter| list(filter) == name) {
                    let label = if name == "list_labels" { ", 'a', 'b'" } else { "" };
                    for after in [NULL, "'00000000-0000-0000-0000-000000080000'"] {
                        let arguments = format!("{}, 51, {after}{label}", filter.join(", "));
                        findings.extend(million.explain(name, sql, CUSTOM, &arguments).await);
                    }
                }
            }
            "count_queue" => {
                for arguments in ["NULL, 'few'", "NULL, 'default'", "'{2}', 'few'"] {
                    findings.extend(million.explain(name, sql, CUSTOM, arguments).await);
                }
            }
            "count_kinds" => {
                for arguments in ["NULL, '{rare}'", "NULL, '{early, late}'", "'{2}', '{common}'"] {
                    findings.extend(million.explain(name, sql, CUSTOM, arguments).await);
                }
            }
            // These are planned once, for whatever they are called with.
            _ => {
                let nulls = nulls(sql);
                findings.extend(million.explain(name, sql, "force_generic_plan", &nulls).await);
            }
        }
    }
    let drop = million.schema.fill("DROP SCHEMA {schema} CASCADE");
    million.connection.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
