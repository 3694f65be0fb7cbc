//! Keeps web pages from using a browser to change things here.
//!
//! A browser lets any page send certain requests to any address, this listener's too, and says so in
//! headers that the page can not change: `origin` with each change, `sec-fetch-site` on newer ones. It sends
//! bodies of three types without asking first. A request that has any of these is not from an operator's
//! tool. Programs such as curl send none of them for a change without a form.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::reply::Failure;

/// The types of bodies that a page may send anywhere.
const FORM_TYPES: [&str; 3] =
    ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

pub(super) async fn guard(request: Request, next: Next) -> Response {
    if let Some(reason) = objection(request.method(), request.headers()) {
        return Failure::new(StatusCode::FORBIDDEN, reason).into_response();
    }
    next.run(request).await
}

fn objection(method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Some("changes are not accepted from web pages");
    }
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_form = FORM_TYPES.iter().any(|form| kind.eq_ignore_ascii_case(form));
    is_form.then_some("send the body as content-type: application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_look_but_not_change() {
        let page = [("origin", "http://evil.example")];
        assert!(allowed(&Method::GET, &page));
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            assert!(!allowed(&method, &page), "{method}");
            assert!(!allowed(&method, &[("origin", "null")]), "{method}");
            assert!(!allowed(&method, &[("sec-fetch-site", "cross-site")]), "{method}");
        }
    }

    #[test]
    fn a_body_that_a_form_could_send_is_refused() {
        for kind in ["text/plain", "Text/Plain; charset=utf-8", "application/x-www-form-urlencoded"]
        {
            assert!(!allowed(&Method::POST, &[("content-type", kind)]), "{kind}");
        }
    }

    #[test]
    fn a_tool_may_change() {
        assert!(allowed(&Method::POST, &[]));
        assert!(allowed(&Method::PUT, &[("content-type", "application/json")]));
    }

    fn allowed(method: &Method, fields: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().expect("value"));
        }
        objection(method, &headers).is_none()
    }
}
