//! The OpenAPI document, put together from the handlers' own documentation.

mod links;

use std::collections::BTreeSet;

use bytes::Bytes;
use utoipa::{
    ToSchema,
    openapi::{
        Components, ContentBuilder, HttpMethod, InfoBuilder, KnownFormat, ObjectBuilder, OpenApi,
        OpenApiBuilder, PathItem, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        SchemaFormat, Type,
        path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{resource::Endpoint, wire::ProblemBody};

/// The name of the only security scheme.
const BEARER: &str = "bearer";
const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

/// Says in the document where its paths begin, for a router that is nested in another.
pub(crate) fn below(document: &Bytes, prefix: &str) -> Bytes {
    match document.strip_prefix(b"{") {
        Some(rest) if !prefix.is_empty() => {
            let servers = serde_json::json!([{ "url": prefix }]);
            Bytes::from([format!("{{\"servers\":{servers},").as_bytes(), rest].concat())
        }
        _ => document.clone(),
    }
}

/// A schema of the service, with those it refers to.
pub(crate) struct NamedSchema {
    name: String,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl NamedSchema {
    pub(crate) fn of<S: ToSchema>() -> Self {
        let name = S::name().into_owned();
        let mut schemas = vec![(name.clone(), S::schema())];
        S::schemas(&mut schemas);
        Self { name, schemas }
    }
}

/// Collects the OpenAPI document.
pub(crate) struct Documentation {
    openapi: OpenApi,
    tags: BTreeSet<String>,
    is_open: bool,
    is_limited: bool,
}

impl Documentation {
    pub(crate) fn new(title: &str, version: &str, is_open: bool, is_limited: bool) -> Self {
        let mut components = Components::new();
        if !is_open {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
        }
        components.schemas.extend(NamedSchema::of::<ProblemBody<'_>>().schemas);
        let info = InfoBuilder::new().title(title).version(version).build();
        let openapi = OpenApiBuilder::new().info(info).components(Some(components)).build();
        Self { openapi, tags: BTreeSet::new(), is_open, is_limited }
    }

    /// Adds a route with the documentation of its handler.
    pub(crate) fn add(
        &mut self,
        path: &str,
        mut item: PathItem,
        schemas: Vec<(String, RefOr<Schema>)>,
    ) {
        for operation in links::operations(&mut item) {
            // Deadlines, overload and whatever a proxy adds.
            let responses = &mut operation.responses.responses;
            responses.insert(String::from("default"), response("Any other refusal.").into());
            describe_problems(operation);
        }
        let components = self.openapi.components.get_or_insert_default();
        components.schemas.extend(schemas);
        self.openapi.paths.paths.insert(path.to_owned(), item);
    }

    /// Makes the name under which the routes of a resource are grouped, and with which the ids of
    /// its operations start: the last segment of its base, made unique.
    pub(crate) fn tag(&mut self, endpoint: &Endpoint) -> String {
        let name = endpoint.base.rsplit('/').next().unwrap_or_default();
        let mut tag = name.to_owned();
        let mut number = 2;
        while !self.tags.insert(tag.clone()) {
            tag = format!("{name}_{number}");
            number += 1;
        }
        for schema in [&endpoint.request_schema, &endpoint.document_schema].into_iter().flatten() {
            let components = self.openapi.components.get_or_insert_default();
            components.schemas.extend(schema.schemas.clone());
        }
        tag
    }

    /// Says of the routes of a resource what their handlers do not know.
    pub(crate) fn complete(&self, item: &mut PathItem, tag: &str, endpoint: &Endpoint) {
        for operation in links::operations(item) {
            let handler = operation.operation_id.take().unwrap_or_default();
            match handler.as_str() {
                "generate" => describe_request(operation, endpoint.request_schema.as_ref()),
                "document" => describe_document(operation, endpoint.document_schema.as_ref()),
                _ => {}
            }
            operation.operation_id = Some(handler);
        }
        self.secure(item, tag);
    }

    /// Says of routes behind the guard what the guard adds.
    pub(crate) fn secure(&self, item: &mut PathItem, tag: &str) {
        for operation in links::operations(item) {
            let handler = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(format!("{tag}_{handler}"));
            operation.tags = Some(vec![tag.to_owned()]);
            if !self.is_open {
                operation.security = Some(vec![SecurityRequirement::new(BEARER, [""; 0])]);
                let responses = &mut operation.responses.responses;
                let unknown = response("No bearer token, or an unknown one.");
                responses.insert(String::from("401"), unknown.into());
                let lacking = response("The key lacks a scope that this needs.");
                responses.insert(String::from("403"), lacking.into());
            }
            if self.is_limited {
                let responses = &mut operation.responses.responses;
                responses
                    .entry(String::from("429"))
                    .or_insert_with(|| response("The quota is used up.").into());
            }
        }
    }

    /// Adds an event that the service itself posts, to whoever registered for it.
    #[cfg(feature = "webhooks")]
    pub(crate) fn add_event(&mut self, r#type: &str) {
        let schema = NamedSchema::of::<crate::webhooks::Event<'_>>();
        let item = event(r#type, &schema);
        self.openapi.components.get_or_insert_default().schemas.extend(schema.schemas);
        let webhooks = self.openapi.webhooks.get_or_insert_default();
        webhooks.paths.insert(r#type.to_owned(), item);
    }

    /// Returns the document as JSON.
    pub(crate) fn write(mut self) -> Result<Bytes, serde_json::Error> {
        links::add(&mut self.openapi);
        Ok(Bytes::from(self.openapi.to_pretty_json()? + "\n"))
    }
}

/// Documents a download, which has a closure for a handler.
pub(crate) fn download(name: &str, media_type: &str) -> PathItem {
    let id = ParameterBuilder::new()
        .name("document_id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The id of the document: that of its task."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    let known = ParameterBuilder::new()
        .name("If-None-Match")
        .parameter_in(ParameterIn::Header)
        .description(Some("The `ETag` of an earlier answer."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
    let content = ObjectBuilder::new().schema_type(Type::String).format(Some(binary));
    let mut served = response(&format!("The {name}."));
    let content = ContentBuilder::new().schema(Some(content)).build();
    served.content.insert(media_type.to_owned(), content.into());
    let operation = OperationBuilder::new()
        .operation_id(Some(name))
        .summary(Some(format!("Returns the {name} of a document.")))
        .parameter(id)
        .parameter(known)
        .response("200", served)
        .response("304", response("It is still as `If-None-Match` says."))
        .response(
            "404",
            response("There is no such document, or it belongs to another organization."),
        )
        .response("409", response("There is no document yet, or there will be none."))
        .response("503", response("The store is unavailable."));
    PathItem::new(HttpMethod::Get, operation)
}

/// Documents an event: a request to a receiver.
#[cfg(feature = "webhooks")]
fn event(r#type: &str, schema: &NamedSchema) -> PathItem {
    let header = |name: &str, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
    };
    let content = ContentBuilder::new().schema(Some(schema_of(Some(schema)))).build();
    let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True));
    let operation = OperationBuilder::new()
        .operation_id(Some(format!("on_{}", r#type.replace('.', "_"))))
        .summary(Some(format!("Receives the event `{}`.", r#type)))
        .tag("webhooks")
        .parameter(header("webhook-id", "Names the message; the same in every attempt."))
        .parameter(header("webhook-timestamp", "When the attempt was made, in Unix seconds."))
        .parameter(header("webhook-signature", "Signatures of Standard Webhooks, with spaces."))
        .request_body(Some(body.build()))
        .response("2XX", response("The event was received."))
        .response("410", response("Nothing more is to be sent here."))
        .response("default", response("The event comes again later."));
    PathItem::new(HttpMethod::Post, operation)
}

fn response(description: &str) -> Response {
    ResponseBuilder::new().description(description).build()
}

/// Says of every refusal that it has the one error body.
fn describe_problems(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && (status.starts_with(['4', '5']) || status == "default")
        {
            let schema = Ref::from_schema_name(<ProblemBody<'_>>::name());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            response.content.insert(PROBLEM_JSON.to_owned(), content.into());
        }
    }
}

fn schema_of(schema: Option<&NamedSchema>) -> RefOr<Schema> {
    match schema {
        Some(schema) => Ref::from_schema_name(&schema.name).into(),
        None => ObjectBuilder::new().into(),
    }
}

fn describe_request(operation: &mut Operation, schema: Option<&NamedSchema>) {
    let content = ContentBuilder::new().schema(Some(schema_of(schema))).build();
    let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True));
    operation.request_body = Some(body.build().into());
}

fn describe_document(operation: &mut Operation, schema: Option<&NamedSchema>) {
    let body = ObjectBuilder::new().property("document", schema_of(schema)).required("document");
    let content = ContentBuilder::new().schema(Some(body)).build();
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        response.content.insert(JSON.to_owned(), content.into());
    }
}
