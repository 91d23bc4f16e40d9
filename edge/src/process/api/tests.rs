use std::collections::BTreeSet;

use hyper::Method;
use serde_json::Value;

use super::lists::Paging;
use super::routes::{Found, Operation, ROUTES, find};
use super::*;

fn description() -> Value {
    serde_json::from_str(DESCRIPTION).unwrap()
}

/// A part of the description, behind its reference.
fn resolved<'a>(doc: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(reference) => doc.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => part,
    }
}

#[test]
fn the_description_has_each_path_method_and_parameter_and_no_other() {
    let doc = description();
    let mut described = BTreeSet::new();
    for (path, methods) in doc["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let route = ROUTES
                .iter()
                .find(|route| route.path == path && route.method.as_str() == method);
            let route = route.unwrap_or_else(|| panic!("no route for {method} {path}"));
            let mut wanted = BTreeSet::new();
            if let Some((_, parameter)) = path.split_once('{') {
                wanted.insert(("path", parameter.trim_end_matches('}')));
            }
            if route.operation.is_paged() {
                wanted.extend([("query", "limit"), ("query", "after")]);
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let found = parameters.map(|parameter| {
                let parameter = resolved(&doc, parameter);
                (
                    parameter["in"].as_str().unwrap(),
                    parameter["name"].as_str().unwrap(),
                )
            });
            assert_eq!(found.collect::<BTreeSet<_>>(), wanted, "{method} {path}");
            for response in operation["responses"].as_object().unwrap().values() {
                let response = resolved(&doc, response);
                assert!(
                    response["description"].is_string(),
                    "{method} {path}: {response}"
                );
                let schema = &response["content"]["application/json"]["schema"];
                assert!(!resolved(&doc, schema).is_boolean(), "{schema}");
            }
            described.insert((method, path.clone()));
        }
    }
    assert_eq!(described.len(), ROUTES.len());
}

#[test]
fn paths_and_methods_are_found_or_refused_with_words() {
    let found = |method: Method, path: &str| find(&method, path);
    let room = Found {
        operation: Operation::ShowRoom,
        parameter: "relay-1".to_owned(),
    };
    assert_eq!(found(Method::GET, "/v1/rooms/relay%2D1").unwrap(), room);
    assert!(found(Method::HEAD, "/v1/rooms").is_ok());
    for (method, path, status, allow) in [
        (Method::GET, "/", 404, None),
        (Method::GET, "/v1/rooms/", 404, None),
        (Method::GET, "/v1/rooms/a/b", 404, None),
        (Method::GET, "/v1/rooms/%ff", 404, None),
        (Method::GET, "/v1/drain", 405, Some("POST")),
        (Method::DELETE, "/v1/revocations", 405, Some("GET, POST")),
        (Method::OPTIONS, "/v1/log", 405, Some("GET, PUT")),
    ] {
        let refused = found(method, path).unwrap_err();
        assert_eq!(refused.status.as_u16(), status, "{path}");
        assert_eq!(refused.allow.as_deref(), allow, "{path}");
    }
}

#[test]
fn a_query_has_a_limit_and_a_place_and_nothing_else() {
    let parse = |query| Paging::parse(true, query);
    let first = parse("").unwrap();
    assert_eq!((first.limit, first.after.as_str()), (100, ""));
    let next = parse("after=1.2&limit=7").unwrap();
    assert_eq!((next.limit, next.after.as_str()), (7, "1.2"));
    for wrong in ["limit=0", "limit=1001", "limit=x", "offset=3", "limit"] {
        assert_eq!(parse(wrong).unwrap_err().status.as_u16(), 400, "{wrong}");
    }
    assert!(Paging::parse(false, "").is_ok());
    assert!(Paging::parse(false, "limit=1").is_err());
}
