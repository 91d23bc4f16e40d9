//! Compares the description of an API (OpenAPI) with its paths.

use std::collections::BTreeSet;

use serde_json::Value;

use super::routes::Route;

/// Compares a description with the paths of an API: each must have every method and every parameter of the other, each
/// response a text, and each reference a target. For tests.
///
/// # Errors
/// The first difference.
pub fn check_description<O: Copy>(
    description: &str,
    routes: &[Route<O>],
    is_paged: impl Fn(O) -> bool,
) -> Result<(), String> {
    const PAGED: &[(&str, &str)] = &[("query", "limit"), ("query", "after")];
    check_parameters(description, routes, |operation| {
        if is_paged(operation) { PAGED } else { &[] }
    })
}

/// Like [`check_description`], with the place and the name of the parameters that each operation has beside those of its
/// path.
///
/// # Errors
/// The first difference.
pub fn check_parameters<O: Copy>(
    description: &str,
    routes: &[Route<O>],
    parameters: impl Fn(O) -> &'static [(&'static str, &'static str)],
) -> Result<(), String> {
    let doc: Value = serde_json::from_str(description).map_err(|error| error.to_string())?;
    let mut described = 0;
    for (path, methods) in object(&doc["paths"])? {
        for (method, operation) in object(methods)? {
            let method = method.to_uppercase();
            let at = format!("{method} {path}");
            let route = routes
                .iter()
                .find(|route| route.path == path && route.method.as_str() == method);
            let route = route.ok_or_else(|| format!("{at}: no such path"))?;
            let mut wanted = BTreeSet::new();
            for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                wanted.insert(("path", parameter.trim_end_matches('}')));
            }
            wanted.extend(parameters(route.operation));
            let mut found = BTreeSet::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let parameter = resolve(&doc, parameter)?;
                let text = |key: &str| parameter[key].as_str().unwrap_or("nothing");
                found.insert((text("in"), text("name")));
            }
            if found != wanted {
                return Err(format!("{at}: has {found:?}, and needs {wanted:?}"));
            }
            for (status, response) in object(&operation["responses"])? {
                let response = resolve(&doc, response)?;
                if !response["description"].is_string() {
                    return Err(format!("{at}: {status} has no description"));
                }
                resolve(&doc, &response["content"]["application/json"]["schema"])?;
            }
            described += 1;
        }
    }
    if described == routes.len() {
        Ok(())
    } else {
        Err(format!(
            "{described} of {} paths are described",
            routes.len()
        ))
    }
}

fn object(value: &Value) -> Result<&serde_json::Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("{value} is no object"))
}

/// A part of the description, behind its reference.
fn resolve<'a>(doc: &'a Value, part: &'a Value) -> Result<&'a Value, String> {
    let Some(reference) = part["$ref"].as_str() else {
        return Ok(part);
    };
    let target = reference
        .strip_prefix('#')
        .and_then(|path| doc.pointer(path));
    target.ok_or_else(|| format!("{reference} leads nowhere"))
}
