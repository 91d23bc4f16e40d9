//! A part of an API that web pages may use: those of some origins, with a header that a browser sends only after it has
//! asked (a preflight of CORS).

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, VARY,
};
use hyper::{Method, Response, StatusCode};

use super::answer::ApiAnswer;

/// The methods that pages may use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");

/// The time for which a browser remembers the answer to a preflight: 10 minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The part of an API that pages may use: its paths, and who may ask.
#[derive(Debug)]
pub struct PageApi {
    prefix: &'static str,
    header: HeaderName,
    origins: Vec<String>,
}

/// The way in which a request may go on.
#[derive(Debug)]
pub(super) enum Admitted {
    /// A preflight, whose answer allows the request that follows it.
    Preflight,
    Request,
}

impl PageApi {
    /// The paths below `prefix`, for pages of `origins` and for programs. All send `header`, in lower case, with the value 1.
    pub fn new(prefix: &'static str, header: &'static str, origins: Vec<String>) -> Self {
        Self {
            prefix,
            header: HeaderName::from_static(header),
            origins,
        }
    }

    pub(super) fn serves(&self, path: &str) -> bool {
        path.starts_with(self.prefix)
    }

    /// Checks the origin and the header of a request.
    pub(super) fn check(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Admitted, ApiAnswer> {
        let has_origin = headers.contains_key(ORIGIN);
        if has_origin && self.origin(headers).is_none() {
            let text = format!(
                "only pages of this server may ask: {}",
                self.origins.join(", ")
            );
            return Err(forbidden(&text));
        }
        let is_preflight = has_origin
            && *method == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if is_preflight {
            return Ok(Admitted::Preflight);
        }
        let mut values = headers.get_all(&self.header).into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) if value == "1" => Ok(Admitted::Request),
            _ => Err(forbidden(&format!(
                "the header `{}: 1` is missing",
                self.header
            ))),
        }
    }

    /// The origin of a request, if its pages may ask.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut values = headers.get_all(ORIGIN).into_iter();
        let (Some(origin), None) = (values.next(), values.next()) else {
            return None;
        };
        let is_known = self.origins.iter().any(|known| *origin == known.as_str());
        is_known.then(|| origin.clone())
    }

    /// Completes an answer: says which origin may read it, and what it may ask if it is the answer to a preflight.
    pub(super) fn complete(
        &self,
        mut response: Response<Full<Bytes>>,
        origin: Option<HeaderValue>,
        is_preflight: bool,
    ) -> Response<Full<Bytes>> {
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else {
            return response;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.header.clone().into());
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        response
    }
}

/// The problem as pages get it: `{"error":{"code":…,"message":…}}`.
pub(super) fn wrapped(problem: ApiAnswer) -> ApiAnswer {
    let mut body = br#"{"error":"#.to_vec();
    body.extend_from_slice(&problem.body);
    body.push(b'}');
    ApiAnswer {
        body: body.into(),
        ..problem
    }
}

fn forbidden(text: &str) -> ApiAnswer {
    ApiAnswer::problem(StatusCode::FORBIDDEN, "forbidden", text)
}
