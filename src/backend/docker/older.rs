//! Making a container with a hardware address on engines before 25.
//!
//! They take it beside the container's settings, where newer engines and the client know it no more, so
//! this one request is written here.

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerCreateResponse};
use bollard::query_parameters::CreateContainerOptions;
use serde_json::Value;

use super::client::{Link, WORK};
use super::raw;

/// Makes a container whose first card has this address.
pub(super) async fn create(
    link: &Link,
    options: &CreateContainerOptions,
    body: &ContainerCreateBody,
    mac: &str,
) -> Result<ContainerCreateResponse, Error> {
    let (path, body) = request(options, body, mac)?;
    raw::post(link, &path, &body, WORK).await
}

/// Path and body.
fn request(
    options: &CreateContainerOptions,
    body: &ContainerCreateBody,
    mac: &str,
) -> Result<(String, Value), Error> {
    let mut body = serde_json::to_value(body)?;
    body["MacAddress"] = mac.into();
    let name = options.name.as_deref().unwrap_or_default();
    // Both are made of letters, digits and a few signs; of those only the slash has a meaning here.
    let platform = options.platform.replace('/', "%2F");
    let path = format!("/v1.41/containers/create?name={name}&platform={platform}");
    Ok((path, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_stands_beside_the_settings() {
        let options = CreateContainerOptions {
            name: Some("shop_web".into()),
            platform: "linux/amd64".into(),
        };
        let body = ContainerCreateBody {
            image: Some("x".into()),
            ..ContainerCreateBody::default()
        };
        let (path, sent) = request(&options, &body, "02:42:ac:11:00:35").unwrap();
        assert_eq!(
            path,
            "/v1.41/containers/create?name=shop_web&platform=linux%2Famd64"
        );
        assert_eq!(
            (&sent["MacAddress"], &sent["Image"]),
            (&"02:42:ac:11:00:35".into(), &"x".into())
        );
    }
}
