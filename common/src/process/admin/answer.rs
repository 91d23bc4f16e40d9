//! Requests to an API, and the answers.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Serialize;

/// A request of an operator who may use the API.
#[derive(Debug)]
pub struct ApiRequest {
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query, still percent-encoded; empty if there is none.
    pub query: String,
    /// The body, which says that it is JSON; empty if there is none.
    pub body: Bytes,
}

/// The answer to a request.
#[derive(Debug)]
pub struct ApiAnswer {
    /// The status.
    pub status: StatusCode,
    /// The body, in JSON; empty for none.
    pub body: Bytes,
    /// The methods of the path, if the request has another one.
    pub allow: Option<String>,
}

/// An error in JSON.
#[derive(Serialize)]
struct ApiProblem<'a> {
    code: &'a str,
    message: &'a str,
}

impl ApiAnswer {
    /// An answer with a body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self {
                status,
                body: body.into(),
                allow: None,
            },
            Err(error) => Self::problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                &format!("the answer is not JSON: {error}"),
            ),
        }
    }

    /// An answer whose body is this JSON text.
    pub fn text(json: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            body: Bytes::from_static(json.as_bytes()),
            allow: None,
        }
    }

    /// An answer without a body (204).
    pub fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Bytes::new(),
            allow: None,
        }
    }

    /// An error, with a code for programs and a message for people.
    pub fn problem(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &ApiProblem { code, message })
    }
}
