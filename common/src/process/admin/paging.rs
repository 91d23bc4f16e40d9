//! Pages of lists.

use hyper::StatusCode;
use url::form_urlencoded;

use super::answer::ApiAnswer;

/// The items of a page if the request does not say.
const LIMIT: usize = 100;

/// The most items of a page.
const MAX_LIMIT: usize = 1000;

/// The page that a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// The most items.
    pub limit: usize,
    /// The `next` of the page before; empty for the first page.
    pub after: String,
}

impl Paging {
    /// Reads a query. Without `is_paged` there may be none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(is_paged: bool, query: &str) -> Result<Self, ApiAnswer> {
        let wrong = |text: &str| ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_query", text);
        let mut paging = Self {
            limit: LIMIT,
            after: String::new(),
        };
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "limit" if is_paged => {
                    let limit = value.parse().ok();
                    let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    let text = format!("`limit` must be an integer from 1 to {MAX_LIMIT}");
                    paging.limit = limit.ok_or_else(|| wrong(&text))?;
                }
                "after" if is_paged => paging.after = value.into_owned(),
                _ if is_paged => return Err(wrong("the query may have `limit` and `after`")),
                _ => return Err(wrong("this path has no query")),
            }
        }
        Ok(paging)
    }

    /// The numbers of the place at which the page begins, which the `next` of the page before has with dots between
    /// them; all 0 for the first page.
    ///
    /// # Errors
    /// If `after` is nothing of the kind.
    pub fn numbers<const N: usize>(&self) -> Result<[usize; N], ApiAnswer> {
        if self.after.is_empty() {
            return Ok([0; N]);
        }
        let numbers = self.after.split('.').map(|number| number.parse().ok());
        let numbers: Option<Vec<usize>> = numbers.collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.ok_or_else(|| {
            let text = "`after` must be the `next` of the page before";
            ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_query", text)
        })
    }
}
