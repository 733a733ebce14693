//! Where to go on from an answer: OpenAPI links from what makes a thing to what can be done with
//! it, found by the names of their parameters.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::{
    OpenApi, PathItem, RefOr,
    link::{Link, LinkBuilder},
    path::{Operation, ParameterIn},
};

/// An answer that names something: the handler, the status, and the parameters it fills in.
struct Source {
    handler: &'static str,
    status: &'static str,
    names: &'static [(&'static str, &'static str)],
}

const SOURCES: &[Source] = &[
    Source {
        handler: "generate",
        status: "202",
        names: &[
            ("task_id", "$response.body#/task_id"),
            ("document_id", "$response.body#/task_id"),
        ],
    },
    Source {
        handler: "retry",
        status: "202",
        names: &[
            ("task_id", "$response.body#/task_id"),
            ("document_id", "$response.body#/task_id"),
        ],
    },
    Source {
        handler: "register",
        status: "201",
        names: &[("endpoint_id", "$response.body#/endpoint_id")],
    },
    Source {
        handler: "test",
        status: "202",
        names: &[
            ("endpoint_id", "$request.path.endpoint_id"),
            ("attempt_id", "$response.body#/attempt_id"),
        ],
    },
    Source { handler: "create", status: "201", names: &[("key_id", "$response.body#/key_id")] },
];

/// An operation that can be gone to.
struct Target {
    tag: String,
    handler: String,
    parameters: Vec<String>,
}

/// Adds the links to a document that is complete otherwise.
pub(super) fn add(openapi: &mut OpenApi) {
    let targets: Vec<_> = openapi
        .paths
        .paths
        .values_mut()
        .flat_map(operations)
        .filter_map(|one| target(one))
        .collect();
    for operation in openapi.paths.paths.values_mut().flat_map(operations) {
        let Some((tag, handler)) = name_of(operation) else { continue };
        let source = SOURCES.iter().find(|source| source.handler == handler);
        let Some(source) = source else { continue };
        let links = links(source, &targets, &tag);
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(source.status) {
            response.links.extend(links);
        }
    }
}

fn links(source: &Source, targets: &[Target], tag: &str) -> BTreeMap<String, RefOr<Link>> {
    let mut links = BTreeMap::new();
    for target in targets.iter().filter(|target| target.tag == tag) {
        let mut link = LinkBuilder::new().operation_id(format!("{tag}_{}", target.handler));
        let mut is_complete = true;
        for parameter in &target.parameters {
            match source.names.iter().find(|(name, _)| name == parameter) {
                Some((name, value)) => link = link.parameter(*name, Value::from(*value)),
                None => is_complete = false,
            }
        }
        if is_complete {
            links.insert(target.handler.clone(), link.build().into());
        }
    }
    links
}

pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten()
}

/// Splits the id of an operation into its tag and its handler.
fn name_of(operation: &Operation) -> Option<(String, String)> {
    let tag = operation.tags.as_ref()?.first()?;
    let handler = operation.operation_id.as_ref()?.strip_prefix(tag.as_str())?.strip_prefix('_')?;
    Some((tag.clone(), handler.to_owned()))
}

/// Returns the operation as a target, if its path has parameters.
fn target(operation: &Operation) -> Option<Target> {
    let (tag, handler) = name_of(operation)?;
    let parameters =
        operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(found) => Some(found),
            RefOr::Ref(_) => None,
        });
    let in_path = parameters.filter(|one| one.parameter_in == ParameterIn::Path);
    let parameters: Vec<_> = in_path.map(|one| one.name.clone()).collect();
    (!parameters.is_empty()).then_some(Target { tag, handler, parameters })
}
