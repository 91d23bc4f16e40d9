//! The part of an API that pages may use.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::Response;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, VARY,
};

use super::*;

const PAGE: &str = "http://localhost:8080";

/// Answers everything below `/dev/` with 404, and everything else with 204.
struct Everything;

impl Api for Everything {
    fn answer(self: Arc<Self>, request: ApiRequest) -> Answering {
        Box::pin(async move {
            if request.path.starts_with("/dev/") {
                let status = StatusCode::NOT_FOUND;
                return Err(ApiAnswer::problem(status, "no_such_path", "nothing"));
            }
            Ok(ApiAnswer::empty())
        })
    }
}

async fn ask(token: &str, request: &str, headers: &[(&str, &str)]) -> Response<Full<Bytes>> {
    let pages = PageApi::new("/dev/", "x-plug", vec![PAGE.to_owned()]);
    let access = ApiAccess::new(Arc::new(Everything), token);
    let access = access.with_pages(pages, Arc::new(Everything));
    let (method, path) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).unwrap();
    access.answer(request, false).await
}

const HOST: (&str, &str) = ("host", "127.0.0.1:8081");
const PLUG: (&str, &str) = ("x-plug", "1");
const ORIGIN: (&str, &str) = ("origin", PAGE);
const METHOD: (&str, &str) = ("access-control-request-method", "POST");

#[tokio::test]
async fn a_known_page_with_the_header_is_answered_and_may_read_problems() {
    let answer = ask("", "POST /dev/x", &[HOST, PLUG, ORIGIN]).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], PAGE);
    assert_eq!(answer.headers()[VARY], "Origin");
    let body = http_body_util::BodyExt::collect(answer.into_body()).await;
    let body = body.unwrap().to_bytes();
    assert_eq!(
        body,
        r#"{"error":{"code":"no_such_path","message":"nothing"}}"#
    );
    // Programs have no origin.
    let answer = ask("", "POST /dev/x", &[HOST, PLUG]).await;
    assert_eq!(answer.status(), 404);
    assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn other_pages_names_and_requests_without_the_header_are_refused() {
    let refused: [&[(&str, &str)]; 8] = [
        &[HOST, PLUG, ("origin", "http://localhost:8081")],
        &[HOST, PLUG, ("origin", "https://localhost:8080")],
        &[HOST, PLUG, ("origin", "null")],
        &[HOST, PLUG, ORIGIN, ("origin", "http://play.example")],
        &[HOST, ORIGIN],
        &[HOST, ORIGIN, ("x-plug", "0")],
        &[HOST, ORIGIN, PLUG, PLUG],
        &[("host", "play.example"), PLUG],
    ];
    for headers in refused {
        let answer = ask("", "POST /dev/x", headers).await;
        assert_eq!(answer.status(), 403, "{headers:?}");
    }
    // The rest of the API answers no page at all.
    let answer = ask("", "GET /v1/rooms", &[HOST, PLUG, ORIGIN]).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(ask("", "GET /v1/rooms", &[HOST]).await.status(), 204);
}

#[tokio::test]
async fn a_preflight_of_a_known_page_is_answered_without_the_header() {
    for token in ["", "a token"] {
        let answer = ask(token, "OPTIONS /dev/x", &[HOST, ORIGIN, METHOD]).await;
        assert_eq!(answer.status(), 204);
        let headers = answer.headers();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], PAGE);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "x-plug");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
    }
    let other = ("origin", "http://play.example");
    let answer = ask("", "OPTIONS /dev/x", &[HOST, other, METHOD]).await;
    assert_eq!(answer.status(), 403);
    assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn a_configured_token_is_needed_here_too() {
    let answer = ask("secret", "POST /dev/x", &[HOST, PLUG, ORIGIN]).await;
    assert_eq!(answer.status(), 401);
    let bearer = ("authorization", "Bearer secret");
    let answer = ask("secret", "POST /dev/x", &[HOST, PLUG, bearer]).await;
    assert_eq!(answer.status(), 404);
}
