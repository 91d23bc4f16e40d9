//! A client of the admin ports of running processes.

mod url;

mod ask;

mod report;

pub(crate) use ask::{Answer, ask};
pub(crate) use report::Report;
pub(crate) use url::AdminUrl;
