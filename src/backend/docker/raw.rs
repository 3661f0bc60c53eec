//! Requests that the client cannot make, or whose answer it drops.

use bollard::errors::Error;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::client::{Link, ask};
use std::time::Duration;

/// Most bytes of an answer.
const ENOUGH: u64 = 1 << 20;

/// Posts `body` to `path` and returns what the engine answers.
pub(super) async fn post<T: DeserializeOwned>(
    link: &Link,
    path: &str,
    body: &Value,
    most: Duration,
) -> Result<T, Error> {
    let request = request(path, body);
    let answer = tokio::time::timeout(most, ask(&link.endpoint, &request, 0, ENOUGH)).await;
    let answer = answer.map_err(|_| Error::RequestTimeoutError)??;
    read(&String::from_utf8_lossy(&answer))
}

/// In version 1.0 of HTTP, where an answer comes in one piece.
fn request(path: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.0\r\nHost: docker\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, Error> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok());
    let status_code: u16 = status.unwrap_or(500);
    if (200..300).contains(&status_code) {
        return Ok(serde_json::from_str(body)?);
    }
    let said: Value = serde_json::from_str(body).unwrap_or_else(|_| json!({}));
    let message = said["message"].as_str().unwrap_or(body).to_owned();
    Err(Error::DockerResponseServerError {
        status_code,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{ContainerCreateResponse, ContainerUpdateResponse};

    #[test]
    fn requests_tell_their_length_and_answers_are_read() {
        let request = request("/containers/f00/update", &json!({"Memory": 1}));
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /containers/f00/update HTTP/1.0\r\n"));
        assert!(head.ends_with("Content-Length: 12"));
        assert_eq!(body, r#"{"Memory":1}"#);
        let made = "HTTP/1.0 201 Created\r\n\r\n{\"Id\":\"f00\",\"Warnings\":[]}";
        let made: ContainerCreateResponse = read(made).unwrap();
        assert_eq!(made.id, "f00");
        let told = "HTTP/1.0 200 OK\r\n\r\n{\"Warnings\":[\"x discarded.\"]}";
        let told: ContainerUpdateResponse = read(told).unwrap();
        assert_eq!(told.warnings, Some(vec!["x discarded.".to_owned()]));
        let Err(Error::DockerResponseServerError {
            status_code,
            message,
        }) = read::<Value>("HTTP/1.0 409 Conflict\r\n\r\n{\"message\":\"taken\"}")
        else {
            panic!("taken for done");
        };
        assert_eq!((status_code, message.as_str()), (409, "taken"));
    }
}
