//! The paths of the API.

use grandstand_common::process::admin::ApiAnswer;
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Describe,
    ListConnections,
    ListRooms,
    ShowRoom,
    ListRevocations,
    Revoke,
    Restore,
    ListLimited,
    ShowLog,
    SetLog,
    Drain,
}

impl Operation {
    /// Whether it lists things in pages.
    pub(super) fn is_paged(self) -> bool {
        matches!(
            self,
            Self::ListConnections | Self::ListRooms | Self::ListRevocations
        )
    }
}

/// A path with a method. A last segment in braces is a parameter.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) operation: Operation,
}

/// All paths.
pub(super) static ROUTES: [Route; 11] = [
    route(Method::GET, "/openapi.json", Operation::Describe),
    route(Method::GET, "/v1/connections", Operation::ListConnections),
    route(Method::GET, "/v1/rooms", Operation::ListRooms),
    route(Method::GET, "/v1/rooms/{room}", Operation::ShowRoom),
    route(Method::GET, "/v1/revocations", Operation::ListRevocations),
    route(Method::POST, "/v1/revocations", Operation::Revoke),
    route(Method::DELETE, "/v1/revocations/{key}", Operation::Restore),
    route(Method::GET, "/v1/limited", Operation::ListLimited),
    route(Method::GET, "/v1/log", Operation::ShowLog),
    route(Method::PUT, "/v1/log", Operation::SetLog),
    route(Method::POST, "/v1/drain", Operation::Drain),
];

const fn route(method: Method, path: &'static str, operation: Operation) -> Route {
    Route {
        method,
        path,
        operation,
    }
}

/// The operation of a request, and the parameter of its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) operation: Operation,
    /// Empty if the path has none.
    pub(super) parameter: String,
}

/// Finds the operation of a request.
///
/// # Errors
/// 404 with all paths, or 405 with the methods of this one.
pub(super) fn find(method: &Method, path: &str) -> Result<Found, ApiAnswer> {
    let fitting = ROUTES
        .iter()
        .filter_map(|route| Some((route, parameter(route.path, path)?)));
    let mut methods = Vec::new();
    for (route, parameter) in fitting {
        // hyper omits the body of a response to HEAD.
        if route.method == *method || (route.method == Method::GET && *method == Method::HEAD) {
            return Ok(Found {
                operation: route.operation,
                parameter,
            });
        }
        methods.push(route.method.as_str());
    }
    if methods.is_empty() {
        let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
        paths.dedup();
        let text = format!(
            "there are /health, /startup, /ready, /metrics and {}",
            paths.join(", ")
        );
        return Err(ApiAnswer::problem(
            StatusCode::NOT_FOUND,
            "no_such_path",
            &text,
        ));
    }
    let allow = methods.join(", ");
    let text = format!("this path has only {allow}");
    let problem = ApiAnswer::problem(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", &text);
    Err(ApiAnswer {
        allow: Some(allow),
        ..problem
    })
}

/// The parameter of `path` if it fits the route; empty if the route has none.
fn parameter(route: &str, path: &str) -> Option<String> {
    let Some((prefix, _)) = route.split_once('{') else {
        return (route == path).then(String::new);
    };
    let value = path.strip_prefix(prefix)?;
    if value.is_empty() || value.contains('/') {
        return None;
    }
    let value = percent_decode_str(value).decode_utf8().ok()?;
    Some(value.into_owned())
}
