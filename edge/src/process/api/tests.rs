use grandstand_common::process::admin::{Method, check_description};

use super::*;

#[test]
fn the_description_has_each_path_method_and_parameter_and_no_other() {
    check_description(DESCRIPTION, &ROUTES, Operation::is_paged).unwrap();
}

#[test]
fn paths_and_methods_are_found_or_refused_with_words() {
    let found = |method: Method, path: &str| find(&ROUTES, &method, path);
    let room = Found {
        operation: Operation::ShowRoom,
        parameter: "relay-1".to_owned(),
    };
    assert_eq!(found(Method::GET, "/v1/rooms/relay%2D1").unwrap(), room);
    assert!(found(Method::HEAD, "/v1/rooms").is_ok());
    let draining = found(Method::PUT, "/v1/draining/7/log").unwrap();
    assert_eq!(draining.operation, Operation::AskDraining);
    assert_eq!(draining.parameter, "7/log");
    for (method, path, status, allow) in [
        (Method::GET, "/", 404, None),
        (Method::GET, "/v1/rooms/", 404, None),
        (Method::GET, "/v1/rooms/a/b", 404, None),
        (Method::GET, "/v1/draining/7", 404, None),
        (Method::GET, "/v1/draining/7/", 404, None),
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
