//! Responds to requests: pages and WebSockets at once, those of the API when they are done.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};

use super::exchange::Exchange;
use super::{api, response};

/// Responds to the requests on one socket.
pub(super) struct HttpService(pub(super) Rc<Exchange>);

impl Service<Request<Incoming>> for HttpService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let exchange = Rc::clone(&self.0);
        exchange.count();
        let is_api = exchange.context.api.is_some() && api::has_path(request.uri().path());
        if !is_api {
            let response = exchange.answer(&request);
            exchange.pass(&response);
            return Box::pin(std::future::ready(Ok(response)));
        }
        Box::pin(async move {
            exchange.begin();
            let mut response = api::answer(&exchange, request).await;
            response::harden(&mut response, exchange.is_encrypted);
            exchange.end(&response);
            Ok(response)
        })
    }
}
