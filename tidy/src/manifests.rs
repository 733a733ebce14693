//! Who may depend on whom, and what every manifest says.

use toml::{Table, Value};

use crate::{Finding, Tree};

/// Which crates of this repository a crate may use, and which only in its tests.
struct Arrows {
    package: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const CORE: &[&str] = &["artos-core"];

/// A program may use every library; a library only what is listed.
const ANY_LIBRARY: &[&str] = &[
    "artos-core",
    "artos-http",
    "artos-oracle",
    "artos-store-conformance",
    "artos-store-memory",
    "artos-store-sled",
    "artos-store-postgres",
    "artos-test-postgres",
    "document-service",
];

const ARROWS: &[Arrows] = &[
    Arrows {
        package: "artos-core",
        uses: &[],
        tests_use: &["artos-store-memory", "artos-store-conformance"],
    },
    Arrows { package: "artos-store-conformance", uses: CORE, tests_use: &["artos-store-memory"] },
    Arrows { package: "artos-store-memory", uses: CORE, tests_use: &["artos-store-conformance"] },
    Arrows { package: "artos-store-sled", uses: CORE, tests_use: &["artos-store-conformance"] },
    Arrows {
        package: "artos-store-postgres",
        uses: CORE,
        tests_use: &["artos-store-conformance", "artos-test-postgres"],
    },
    Arrows { package: "artos-test-postgres", uses: &[], tests_use: &[] },
    Arrows { package: "artos-sled", uses: &["artos-core", "artos-store-sled"], tests_use: &[] },
    Arrows {
        package: "artos-http",
        uses: CORE,
        tests_use: &["artos-store-memory", "artos-store-sled"],
    },
    Arrows { package: "artos-oracle", uses: CORE, tests_use: &["artos-store-memory"] },
    Arrows { package: "artos-crash", uses: ANY_LIBRARY, tests_use: ANY_LIBRARY },
    Arrows { package: "artos-model", uses: CORE, tests_use: &[] },
    Arrows { package: "artos-fuzz", uses: ANY_LIBRARY, tests_use: ANY_LIBRARY },
    Arrows { package: "artos-shuttle", uses: CORE, tests_use: &[] },
    Arrows { package: "artos-sim", uses: ANY_LIBRARY, tests_use: ANY_LIBRARY },
    Arrows { package: "artos-examples", uses: ANY_LIBRARY, tests_use: ANY_LIBRARY },
    Arrows { package: "artos-bench", uses: ANY_LIBRARY, tests_use: ANY_LIBRARY },
    Arrows { package: "document-service", uses: ANY_LIBRARY, tests_use: ANY_LIBRARY },
    Arrows { package: "artos-tidy", uses: &[], tests_use: &[] },
];

/// Crates from outside that only these may depend on, except in tests.
const DOORS: &[(&str, &[&str], &str)] = &[
    (
        "axum",
        &["artos-http", "artos-fuzz", "artos-examples", "artos-bench", "document-service"],
        "HTTP lives in artos-http",
    ),
    ("utoipa", &["artos-http", "document-service"], "HTTP lives in artos-http"),
    ("sled", &["artos-store-sled", "artos-bench"], "sled lives in artos-store-sled"),
    (
        "sqlx",
        &["artos-store-postgres", "artos-bench", "artos-crash", "artos-examples"],
        "SQL lives in artos-store-postgres",
    ),
    ("fuser", &["artos-crash"], "only the crash rigs make file systems"),
    ("fastrand", &["artos-core"], "randomness enters through `artos_core::Random`"),
    (
        "anyhow",
        &[
            "artos-sim",
            "artos-model",
            "artos-crash",
            "artos-examples",
            "artos-bench",
            "document-service",
        ],
        "a library's errors are types that callers can tell apart",
    ),
];

/// A manifest that describes a package.
struct Package<'a> {
    path: &'a str,
    name: String,
    table: Table,
}

fn packages<'a>(tree: &'a Tree, findings: &mut Vec<Finding>) -> Vec<Package<'a>> {
    let manifests = tree.files().filter(|file| {
        (file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"))
            && !file.path.starts_with("benches/peers/")
            && !file.path.starts_with("fuzz/")
    });
    let mut packages = Vec::new();
    for file in manifests {
        match file.text.parse::<Table>() {
            Ok(table) => {
                let name = table.get("package").and_then(|package| package.get("name"));
                if let Some(name) = name.and_then(Value::as_str).map(String::from) {
                    packages.push(Package { path: &file.path, name, table });
                }
            }
            Err(error) => {
                let found = format!("the manifest cannot be read: {error}");
                findings.push(Finding::of_file(&file.path, found, "mend it"));
            }
        }
    }
    packages
}

impl Package<'_> {
    /// Returns the names of the dependencies in a table of the manifest, for all platforms.
    fn dependencies(&self, table: &str) -> Vec<String> {
        let targets = self.table.get("target").and_then(Value::as_table);
        let for_targets = targets.into_iter().flat_map(|targets| targets.values());
        let everywhere = self.table.get(table).into_iter();
        everywhere
            .chain(for_targets.filter_map(|target| target.get(table)))
            .filter_map(Value::as_table)
            .flatten()
            .map(|(name, value)| {
                let renamed = value.get("package").and_then(Value::as_str);
                renamed.map_or_else(|| name.clone(), String::from)
            })
            .collect()
    }

    fn finding(&self, found: String, advice: impl Into<String>) -> Finding {
        Finding::of_file(self.path, found, advice)
    }
}

/// Crates depend on each other only along the arrows of `docs/ARCHITECTURE.md`.
#[must_use]
pub fn crates_follow_the_arrows(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let packages = packages(tree, &mut findings);
    let ours: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        let Some(arrows) = ARROWS.iter().find(|arrows| arrows.package == package.name) else {
            let found = format!("the crate `{}` has no arrows", package.name);
            let advice = "say in ARROWS, in tidy/src/manifests.rs, what it may depend on";
            findings.push(package.finding(found, advice));
            continue;
        };
        let tables: [(&str, &[&[&str]]); 3] = [
            ("dependencies", &[arrows.uses]),
            ("build-dependencies", &[]),
            ("dev-dependencies", &[arrows.uses, arrows.tests_use]),
        ];
        for (table, allowed) in tables {
            for name in package.dependencies(table) {
                let is_allowed = allowed.iter().any(|list| list.contains(&name.as_str()));
                if ours.contains(&name.as_str()) && !is_allowed {
                    let found = format!("[{table}] of `{}` has `{name}`", package.name);
                    let advice = "no arrow leads there; a new one needs a page in docs/decisions";
                    findings.push(package.finding(found, advice));
                }
            }
        }
    }
    findings
}

/// Databases, web frameworks and randomness enter through one crate each.
#[must_use]
pub fn outside_crates_enter_through_their_doors(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages(tree, &mut findings) {
        for name in package.dependencies("dependencies") {
            let closed = DOORS.iter().find(|(outside, users, _)| {
                *outside == name && !users.contains(&package.name.as_str())
            });
            if let Some((_, users, why)) = closed {
                let found = format!("[dependencies] of `{}` has `{name}`", package.name);
                let advice = format!("{why}; only {} may use it", users.join(", "));
                findings.push(package.finding(found, advice));
            }
        }
    }
    findings
}

/// What a manifest takes from the workspace, so that it is said once.
const INHERITED: [&str; 4] = ["version", "edition", "rust-version", "license"];

/// Every manifest follows the workspace, and a published one says what the crate is.
#[must_use]
pub fn manifests_are_complete(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages(tree, &mut findings) {
        let own = package.table.get("package").and_then(Value::as_table);
        let has = |key: &str| own.is_some_and(|own| own.contains_key(key));
        for key in INHERITED {
            let inherits =
                own.and_then(|own| own.get(key)).and_then(|value| value.get("workspace"));
            if inherits.and_then(Value::as_bool) != Some(true) {
                let found = format!("`{}` does not inherit `{key}`", package.name);
                findings.push(package.finding(found, format!("write `{key}.workspace = true`")));
            }
        }
        let is_published =
            own.and_then(|own| own.get("publish")).and_then(Value::as_bool) != Some(false);
        let lints = package.table.get("lints");
        let inherits = lints.and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
        let unsafe_code = lints.and_then(|lints| lints.get("rust")?.get("unsafe_code")?.as_str());
        // A program prints, and some lints are about libraries.
        let has_own = !is_published && unsafe_code == Some("forbid");
        if inherits != Some(true) && !has_own {
            let found = format!("`{}` does not inherit the workspace's lints", package.name);
            let advice = "write `[lints]` and `workspace = true`; a program may have lints of its \
                          own instead, with `unsafe_code = \"forbid\"`";
            findings.push(package.finding(found, advice));
        }
        if is_published {
            for key in ["description", "keywords", "categories"] {
                if !has(key) {
                    let found = format!("`{}` is published without `{key}`", package.name);
                    let advice = format!("write `{key}`, or `publish = false`");
                    findings.push(package.finding(found, advice));
                }
            }
        }
    }
    findings
}
