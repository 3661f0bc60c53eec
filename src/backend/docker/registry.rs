//! Accounts at registries: which one an image needs, and what `docker login` left for it.
//!
//! A password is in the settings file itself or kept by a program, `docker-credential-<word>`. Neither
//! is ever printed; there is no `Debug` on the way.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

use super::config::{self, Account, Config};
use crate::backend::Progress;
use crate::sys::Exec;

/// The registry of names without one, as images name it.
const HUB: &str = "docker.io";
/// The same as the settings name it.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// A helper's user name that says: the secret is a token.
const TOKEN_USER: &str = "<token>";

/// What a helper answers.
#[derive(Deserialize)]
struct Kept {
    #[serde(default, rename = "Username")]
    username: String,
    #[serde(default, rename = "Secret")]
    secret: String,
}

/// The registry that an image's name leads to: its first part when that can be a host, else the hub.
pub(super) fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first == "localhost" || first.contains(['.', ':']) => match first {
            "index.docker.io" => HUB,
            host => host,
        },
        Some(_) | None => HUB,
    }
}

/// The account for one image; none when nobody logged in there.
pub(super) async fn account_for(image: &str) -> Result<Option<DockerCredentials>, String> {
    let config = config::read(config::directory(&config::process_env).as_deref())?;
    account(&config, registry_of(image)).await
}

/// All accounts, for a build, whose base images may come from anywhere. What cannot be had is told
/// to `warn` and left out: the build may not need it.
pub(super) async fn all_accounts(warn: Progress<'_>) -> HashMap<String, DockerCredentials> {
    let config = match config::read(config::directory(&config::process_env).as_deref()) {
        Ok(config) => config,
        Err(reason) => {
            warn(&reason);
            return HashMap::new();
        }
    };
    let mut found = HashMap::new();
    for key in config.auths.keys().chain(config.helpers.keys()) {
        match account(&config, host_of(key)).await {
            Ok(Some(account)) => {
                found.insert(server_of(key), account);
            }
            Ok(None) => {}
            Err(reason) => warn(&reason),
        }
    }
    found
}

/// The registry's account: from its own helper, from the settings, or from the store.
async fn account(config: &Config, registry: &str) -> Result<Option<DockerCredentials>, String> {
    let server = server_of(registry);
    let helper = config
        .helpers
        .iter()
        .find(|(key, _)| host_of(key) == host_of(&server));
    let program = match helper {
        Some((_, program)) => program,
        None => &config.store,
    };
    if !program.is_empty() {
        return ask(program, &server).await;
    }
    let listed = config
        .auths
        .iter()
        .find(|(key, _)| host_of(key) == host_of(&server));
    match listed {
        Some((_, account)) => from_file(account, &server),
        None => Ok(None),
    }
}

/// An entry of the settings file.
fn from_file(account: &Account, server: &str) -> Result<Option<DockerCredentials>, String> {
    let bad = || {
        format!(
            "the account for `{server}` in `config.json` cannot be read; `docker login {server}` writes it anew"
        )
    };
    let (mut username, mut password) = (account.username.clone(), account.password.clone());
    if !account.auth.is_empty() {
        let bytes = STANDARD.decode(account.auth.trim()).map_err(|_| bad())?;
        let text = String::from_utf8(bytes).map_err(|_| bad())?;
        let (user, secret) = text.split_once(':').ok_or_else(bad)?;
        username = user.into();
        password = secret.trim_end_matches('\0').into();
    }
    if username.is_empty() && account.identitytoken.is_empty() {
        return Ok(None);
    }
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Some(DockerCredentials {
        username: some(username),
        // A token stands for the password.
        password: some(password).filter(|_| account.identitytoken.is_empty()),
        identitytoken: some(account.identitytoken.clone()),
        serveraddress: Some(server.into()),
        ..DockerCredentials::default()
    }))
}

/// Asks a helper; its protocol is one word, the server on stdin, and JSON back.
async fn ask(program: &str, server: &str) -> Result<Option<DockerCredentials>, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !program.chars().all(plain) {
        return Err(format!(
            "`{program}` in `config.json` is no name of a helper"
        ));
    }
    let program = format!("docker-credential-{program}");
    let output = Exec::new(&program, ["get"])
        .stdin(server)
        .output()
        .await
        .map_err(|error| format!("cannot get the account for `{server}`: {error}"))?;
    if output.code != Some(0) {
        // Helpers say why on stdout; then no secret is in it.
        let said = format!("{} {}", output.stdout.trim(), output.stderr);
        let said = said.trim();
        if said.contains("not found") {
            return Ok(None);
        }
        return Err(format!(
            "`{program}` gives no account for `{server}`: {said}"
        ));
    }
    let kept: Kept = serde_json::from_str(&output.stdout)
        .map_err(|_| format!("`{program}` did not answer as a credential helper does"))?;
    let token = kept.username == TOKEN_USER;
    Ok(Some(DockerCredentials {
        username: Some(kept.username).filter(|name| !token && !name.is_empty()),
        identitytoken: token.then(|| kept.secret.clone()),
        password: Some(kept.secret).filter(|_| !token),
        serveraddress: Some(server.into()),
        ..DockerCredentials::default()
    }))
}

/// As the settings and the helpers name a registry.
fn server_of(registry: &str) -> String {
    match host_of(registry) {
        HUB => HUB_KEY.into(),
        host => host.into(),
    }
}

/// `https://host/v1/` and `host` are the same registry; the hub has three names.
fn host_of(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = key.split_once('/').map_or(key, |(host, _)| host);
    match host {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_leads_to_its_registry_and_to_the_hub_else() {
        for (image, registry) in [
            ("nginx", HUB),
            ("library/nginx:1", HUB),
            ("docker.io/library/nginx", HUB),
            ("index.docker.io/x/y", HUB),
            ("localhost/x", "localhost"),
            ("localhost:5000/x@sha256:ab", "localhost:5000"),
            ("ghcr.io/a/b:c", "ghcr.io"),
            ("user.name", HUB),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
        }
    }

    fn config(text: &str) -> Config {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn an_account_of_the_file_is_found_under_all_names_of_the_registry() {
        // shop:pa:ss~?>
        let config = config(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "c2hvcDpwYTpzc34/Pg=="},
                          "r.example:5000": {"auth": "YTpi", "identitytoken": "tok"}, "empty": {}}}"#,
        );
        let hub = account(&config, HUB).await.unwrap().unwrap();
        assert_eq!(
            (hub.username.as_deref(), hub.password.as_deref()),
            (Some("shop"), Some("pa:ss~?>"))
        );
        assert_eq!(hub.serveraddress.as_deref(), Some(HUB_KEY));
        let own = account(&config, "r.example:5000").await.unwrap().unwrap();
        assert_eq!(
            (own.identitytoken.as_deref(), own.password),
            (Some("tok"), None)
        );
        assert!(account(&config, "empty").await.unwrap().is_none());
        assert!(account(&config, "ghcr.io").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_wrong_with_an_account_is_told_without_its_secret() {
        let bad = config(r#"{"auths": {"r.example": {"auth": "aHVudGVyMg=="}}}"#);
        let error = account(&bad, "r.example").await.err().unwrap();
        assert!(error.contains("docker login r.example"), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("aHVu"),
            "{error}"
        );
        for (word, told) in [
            ("no-such", "docker-credential-no-such"),
            ("../x", "no name"),
        ] {
            let config = config(&format!(r#"{{"credsStore": "{word}"}}"#));
            let error = account(&config, HUB).await.err().unwrap();
            assert!(error.contains(told), "{error}");
        }
    }
}
