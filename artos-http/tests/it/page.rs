//! The page about HTTP lists what the router serves.

use std::{collections::BTreeSet, path::Path};

use crate::{openapi, support::BASE};

#[tokio::test(start_paused = true)]
async fn the_page_lists_every_endpoint() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/HTTP.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("## Every endpoint").unwrap();
    let (section, _) = section.split_once("## Every header").unwrap();
    let (of_resource, of_service) = section.split_once("Of the service:").unwrap();
    let rows = |section: &str, base: &str| -> BTreeSet<(String, String)> {
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.map(|row| {
            let (method, path) = row.split('`').next().unwrap().split_once(' ').unwrap();
            (method.to_owned(), format!("{base}{path}"))
        })
        .collect()
    };
    let mut listed = rows(of_resource, BASE);
    listed.extend(rows(of_service, ""));
    // The page with Swagger UI is not part of the document that it shows.
    assert!(listed.remove(&(String::from("GET"), String::from("/docs"))));
    let document = openapi::document(&openapi::full().await).await;
    assert_eq!(listed, openapi::operations(&document));
}
