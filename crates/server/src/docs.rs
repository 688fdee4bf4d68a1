//! The API's documents: `/openapi.json`, and `/docs`, the same rendered for reading offline.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::pages::{Html, render};
use crate::problem::CODES;

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    groups: Vec<Group>,
    shapes: Vec<Shape>,
    codes: Vec<(String, u16, &'static str)>,
}

struct Group {
    name: String,
    about: String,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    about: String,
    parameters: Vec<(String, String, String)>,
    body: String,
    answers: Vec<(String, String)>,
}

struct Shape {
    name: String,
    about: String,
    fields: Vec<(String, String, String)>,
}

/// Both documents, rendered once.
pub(crate) fn routes(document: &OpenApi) -> Router<Arc<App>> {
    let json: Arc<[u8]> = document.to_pretty_json().unwrap_or_default().into_bytes().into();
    let value = serde_json::to_value(document).unwrap_or_default();
    let page: Html = render(&page(&value));
    Router::new()
        .route(
            "/openapi.json",
            get(move |headers: HeaderMap| async move {
                crate::api::tagged(&headers, StatusCode::OK, "application/json", json.to_vec())
            }),
        )
        .route("/docs", get(move || async move { page.clone() }))
        .route("/style.css", get(style))
}

async fn style(headers: HeaderMap) -> Response<Body> {
    let css = include_bytes!("../templates/style.css").to_vec();
    let mut response = crate::api::tagged(&headers, StatusCode::OK, "text/css; charset=utf-8", css);
    let hour = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(header::CACHE_CONTROL, hour);
    response
}

fn page(document: &Value) -> DocsPage {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let tags = document["tags"].as_array().cloned().unwrap_or_default();
    let groups = tags.iter().map(|tag| Group {
        name: text(tag, "name"),
        about: text(tag, "description"),
        operations: operations(document, &text(tag, "name")),
    });
    let schemas = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
    let shapes = schemas.iter().map(|(name, schema)| Shape {
        name: name.clone(),
        about: text(schema, "description"),
        fields: fields(schema),
    });
    let codes = CODES.iter().map(|it| (it.code.to_owned(), it.status.as_u16(), it.title));
    DocsPage { groups: groups.collect(), shapes: shapes.collect(), codes: codes.collect() }
}

fn operations(document: &Value, tag: &str) -> Vec<Operation> {
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (path, methods) in &paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let tagged =
                operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|t| t == tag));
            if tagged {
                found.push(self::operation(path, method, operation));
            }
        }
    }
    found
}

fn operation(path: &str, method: &str, operation: &Value) -> Operation {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let answers = operation["responses"].as_object().into_iter().flatten();
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        about: text(&operation["summary"]),
        parameters: parameters
            .map(|it| (text(&it["name"]), text(&it["in"]), text(&it["description"])))
            .collect(),
        body: operation["requestBody"]["content"]
            .as_object()
            .and_then(|content| content.iter().next())
            .map(|(media, it)| format!("{media}: {}", type_of(&it["schema"])))
            .unwrap_or_default(),
        answers: answers
            .map(|(status, it)| {
                let content = it["content"].as_object().and_then(|content| content.iter().next());
                let shape =
                    content.map(|(media, it)| format!("{media} {}", type_of(&it["schema"])));
                (status.clone(), shape.unwrap_or_else(|| text(&it["description"])))
            })
            .collect(),
    }
}

fn fields(schema: &Value) -> Vec<(String, String, String)> {
    let parts = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    let mut fields = Vec::new();
    for part in &parts {
        if part["$ref"].is_string() {
            fields.push(("…".to_owned(), type_of(part), "all of its fields".to_owned()));
        }
        for (name, field) in part["properties"].as_object().into_iter().flatten() {
            let about = field["description"].as_str().unwrap_or_default().to_owned();
            fields.push((name.clone(), type_of(field), about));
        }
    }
    fields
}

fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(any) = schema["oneOf"].as_array() {
        return any.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|it| *it != "null").collect()
        }
        _ => String::new(),
    }
}
