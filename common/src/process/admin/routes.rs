//! The paths of an API.

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::ApiAnswer;

/// A path with a method, and the operation that they name. A segment in braces is a parameter; two of them at the end are
/// one, which may have slashes.
#[derive(Debug)]
pub struct Route<O: 'static> {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// The operation.
    pub operation: O,
}

/// A path with a method.
pub const fn route<O>(method: Method, path: &'static str, operation: O) -> Route<O> {
    Route {
        method,
        path,
        operation,
    }
}

/// The operation of a request, and the parameter of its path.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<O> {
    /// The operation.
    pub operation: O,
    /// Empty if the path has none.
    pub parameter: String,
}

/// Finds the operation of a request.
///
/// # Errors
/// 404 with all paths, or 405 with the methods of this one.
pub fn find<O: Copy>(
    routes: &[Route<O>],
    method: &Method,
    path: &str,
) -> Result<Found<O>, ApiAnswer> {
    let fitting = routes
        .iter()
        .filter_map(|route| Some((route, parameter(route.path, path)?)));
    let mut methods = Vec::new();
    for (route, parameter) in fitting {
        // hyper omits the body of a response to HEAD.
        let is_head = route.method == Method::GET && *method == Method::HEAD;
        // A path with two parameters is another process': it knows its methods.
        if route.method == *method || is_head || is_rest(route.path) {
            return Ok(Found {
                operation: route.operation,
                parameter,
            });
        }
        methods.push(route.method.as_str());
    }
    if methods.is_empty() {
        let mut paths: Vec<_> = routes.iter().map(|route| route.path).collect();
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

/// Whether the parameter may have slashes.
fn is_rest(route: &str) -> bool {
    route.matches('{').count() > 1
}

/// The parameter of `path` if it fits the route; empty if the route has none. A parameter with slashes stays
/// percent-encoded.
fn parameter(route: &str, path: &str) -> Option<String> {
    let Some((prefix, _)) = route.split_once('{') else {
        return (route == path).then(String::new);
    };
    let value = path.strip_prefix(prefix)?;
    if is_rest(route) {
        let (first, rest) = value.split_once('/')?;
        return (!first.is_empty() && !rest.is_empty()).then(|| value.to_owned());
    }
    let (_, suffix) = route.split_once('}')?;
    let value = value.strip_suffix(suffix)?;
    if value.is_empty() || value.contains('/') {
        return None;
    }
    let value = percent_decode_str(value).decode_utf8().ok()?;
    Some(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_segment_between_fixed_ones_or_at_the_end() {
        let at = |route, path| parameter(route, path);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(at("/rooms/{room}/log", "/rooms/a%2Db/log"), some("a-b"));
        for path in ["/rooms/a", "/rooms//log", "/rooms/a/b/log", "/rooms/a/logs"] {
            assert_eq!(at("/rooms/{room}/log", path), None, "{path}");
        }
        assert_eq!(at("/rooms/{room}", "/rooms/a"), some("a"));
        assert_eq!(at("/rooms/{room}", "/rooms/a/log"), None);
        assert_eq!(at("/of/{id}/{path}", "/of/7/v1/rooms"), some("7/v1/rooms"));
        assert_eq!(at("/log", "/log"), some(""));
    }
}
