//! Making a container with a hardware address on engines before 25.
//!
//! They take it beside the container's settings, where newer engines and the client know it no more, so
//! this one request is written here.

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerCreateResponse};
use bollard::query_parameters::CreateContainerOptions;
use serde_json::{Value, json};

use super::client::{Link, WORK, ask};

/// Most bytes of an answer.
const ENOUGH: u64 = 1 << 20;

/// Makes a container whose first card has this address.
pub(super) async fn create(
    link: &Link,
    options: &CreateContainerOptions,
    body: &ContainerCreateBody,
    mac: &str,
) -> Result<ContainerCreateResponse, Error> {
    let request = request(options, body, mac)?;
    let answer = tokio::time::timeout(WORK, ask(&link.endpoint, &request, 0, ENOUGH)).await;
    let answer = answer.map_err(|_| Error::RequestTimeoutError)??;
    read(&String::from_utf8_lossy(&answer))
}

/// In version 1.0 of HTTP, where an answer comes in one piece.
fn request(
    options: &CreateContainerOptions,
    body: &ContainerCreateBody,
    mac: &str,
) -> Result<String, Error> {
    let mut body = serde_json::to_value(body)?;
    body["MacAddress"] = mac.into();
    let body = body.to_string();
    let name = options.name.as_deref().unwrap_or_default();
    // Both are made of letters, digits and a few signs; of those only the slash has a meaning here.
    let platform = options.platform.replace('/', "%2F");
    Ok(format!(
        "POST /v1.41/containers/create?name={name}&platform={platform} HTTP/1.0\r\nHost: docker\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn read(answer: &str) -> Result<ContainerCreateResponse, Error> {
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

    #[test]
    fn the_address_stands_beside_the_settings_and_answers_are_read() {
        let options = CreateContainerOptions {
            name: Some("shop_web".into()),
            platform: "linux/amd64".into(),
        };
        let body = ContainerCreateBody {
            image: Some("x".into()),
            ..ContainerCreateBody::default()
        };
        let request = request(&options, &body, "02:42:ac:11:00:35").unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("POST /v1.41/containers/create?name=shop_web&platform=linux%2Famd64 ")
        );
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        let sent: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&sent["MacAddress"], &sent["Image"]),
            (&json!("02:42:ac:11:00:35"), &json!("x"))
        );
        let made = read("HTTP/1.0 201 Created\r\n\r\n{\"Id\":\"f00\",\"Warnings\":[]}").unwrap();
        assert_eq!(made.id, "f00");
        let Err(Error::DockerResponseServerError {
            status_code,
            message,
        }) = read("HTTP/1.0 409 Conflict\r\n\r\n{\"message\":\"taken\"}")
        else {
            panic!("taken for made");
        };
        assert_eq!((status_code, message.as_str()), (409, "taken"));
    }
}
