//! What the client library cannot say by itself: accounts in the engine's base64, and parameters of a
//! request that may come several times.
//!
//! The library writes `X-Registry-Auth` and `X-Registry-Config` in the usual base64, the engine reads
//! the one for URLs, and takes what it cannot read for no account at all: a password with `~`, `?` or
//! `>` at an unlucky place would not work and nobody would be told.

use bollard::{BollardRequest, Docker};

const ACCOUNTS: [&str; 2] = ["x-registry-auth", "x-registry-config"];

/// A client whose requests carry readable accounts and, after their own parameters, `query`.
pub(super) fn url_safe(docker: &Docker, query: &str) -> Docker {
    let query = query.to_owned();
    docker
        .clone()
        .with_request_modifier(move |request| adapt(request, &query))
}

fn adapt(mut request: BollardRequest, query: &str) -> BollardRequest {
    for name in ACCOUNTS {
        let value = request.headers().get(name).and_then(|v| v.to_str().ok());
        let value = value.map(|text| text.replace('+', "-").replace('/', "_"));
        if let Some(Ok(value)) = value.map(|text| text.parse()) {
            request.headers_mut().insert(name, value);
        }
    }
    if !query.is_empty() {
        let sign = if request.uri().query().is_some() {
            '&'
        } else {
            '?'
        };
        if let Ok(longer) = format!("{}{sign}{query}", request.uri()).parse() {
            *request.uri_mut() = longer;
        }
    }
    request
}

/// One parameter, fit for a request's line.
pub(super) fn parameter(key: &str, value: &str) -> String {
    let mut text = format!("{key}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> BollardRequest {
        let mut request = BollardRequest::new(bollard::body_full(Vec::new().into()));
        *request.uri_mut() = uri.parse().unwrap();
        request
    }

    #[test]
    fn an_account_is_written_as_the_engine_reads_it() {
        let mut asked = request("unix://ab/images/create?fromImage=a");
        let value = "eyJ+/w==".parse().unwrap();
        asked.headers_mut().insert("X-Registry-Auth", value);
        let asked = adapt(asked, "");
        assert_eq!(asked.headers()["x-registry-auth"], "eyJ-_w==");
        assert_eq!(asked.uri().query(), Some("fromImage=a"));
    }

    #[test]
    fn parameters_are_added_after_the_requests_own_and_cannot_break_out() {
        let extra = parameter("extrahosts", "a:1&b=c d#ü");
        assert_eq!(extra, "extrahosts=a%3A1%26b%3Dc%20d%23%C3%BC");
        let asked = adapt(request("unix://ab/build?rm=true"), &extra);
        assert_eq!(asked.uri().query(), Some(&*format!("rm=true&{extra}")));
        assert_eq!(asked.uri().path(), "/build");
    }
}
