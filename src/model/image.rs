//! Names of images: `[REGISTRY[:PORT]/]PATH[:TAG][@DIGEST]`.

use super::{Name, Source, hash_word, host_name_of};

/// Longest name of an image; the engine takes 255 characters before the tag.
const IMAGE_MAX: usize = 255;

/// Why a text is not the name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Nothing.
    #[error("the name of an image must not be empty")]
    Empty,
    /// Too long.
    #[error("the name of an image has at most {IMAGE_MAX} characters; this one has {0}")]
    TooLong(usize),
    /// A capital letter in the path.
    #[error("`{0}` is not the name of an image: the engine takes no capital letters in it")]
    Capital(String),
    /// Anything else.
    #[error("`{0}` is not the name of an image; it is `[REGISTRY/]NAME[:TAG]`, as in `nginx:1.27`")]
    Form(String),
}

/// Checks the name of an image. What the engine understands by it is the engine's business.
///
/// # Errors
/// See [`ImageError`].
pub fn check_image(text: &str) -> Result<(), ImageError> {
    let form = || ImageError::Form(text.chars().take(80).collect());
    if text.is_empty() {
        return Err(ImageError::Empty);
    }
    if text.len() > IMAGE_MAX {
        return Err(ImageError::TooLong(text.len()));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(form());
    }
    // A bare id of the engine is a name too.
    if let Some(id) = name.strip_prefix("sha256:") {
        let fits = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
        return if fits { Ok(()) } else { Err(form()) };
    }
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match name[slash..].rfind(':') {
        Some(at) => (&name[..slash + at], Some(&name[slash + at + 1..])),
        None => (name, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(form());
    }
    match check_path(name) {
        Some(Path::Fits) => Ok(()),
        Some(Path::Capital) => Err(ImageError::Capital(text.into())),
        None => Err(form()),
    }
}

/// What a path is worth.
enum Path {
    Fits,
    Capital,
}

/// Checks `[REGISTRY[:PORT]/]PATH`.
fn check_path(name: &str) -> Option<Path> {
    let mut parts: Vec<&str> = name.split('/').collect();
    let registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
    if parts.len() > 1 && registry(parts[0]) {
        let host = parts.remove(0);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if !host.chars().all(fits) {
            return None;
        }
    }
    for part in parts {
        if part.chars().any(|c| c.is_ascii_uppercase()) {
            return Some(Path::Capital);
        }
        if !is_path(part) {
            return None;
        }
    }
    Some(Path::Fits)
}

/// Small letters and digits with `.`, `_`, `__` or hyphens between them.
fn is_path(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(plain)
        && part.ends_with(plain)
        && part
            .chars()
            .all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
        && part
            .split(plain)
            .all(|sign| matches!(sign, "" | "." | "_" | "__") || sign.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (1..=128).contains(&tag.len()) && tag.chars().all(fits) && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(kind, hex)| {
        !kind.is_empty()
            && kind
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

impl Source {
    /// An image by name.
    ///
    /// # Errors
    /// When the text cannot be the name of one.
    pub fn image_named(text: &str) -> Result<Self, ImageError> {
        check_image(text)?;
        Ok(Self::Image(text.into()))
    }
}

/// The name of an image that is built and has none: `<project>_<name>`, as long as the engine takes
/// that and no other project can mean it. A name with capital letters, or with signs that the engine
/// does not take side by side or at the end, is made fit and told apart by a hash: `App_web` and
/// `app_web` are two images. So is that of a project with `_` in its name, since `a_b` with `c` and `a`
/// with `b_c` would be one.
pub fn built_image(project: &Name, container: &Name) -> String {
    let name = host_name_of(project, container);
    let fit = folded(&name);
    if fit == name && !project.as_str().contains('_') {
        return fit;
    }
    // A slash is in no name.
    let hash = hash_word(&format!("{project}/{container}"));
    format!("{fit}-{}", &hash[..10])
}

/// Whether `image` is what [`built_image`] was when names were only made fit, and is not the name of
/// another container's image as well.
pub fn is_former_image(image: &str, project: &Name, container: &Name) -> bool {
    image == host_name_of(project, container)
}

/// The name in the engine's letters. Two names may become one.
fn folded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for c in name.chars() {
        // Two signs in a row are no name for the engine.
        let sign = !c.is_ascii_alphanumeric();
        if !(sign && path.ends_with(['.', '_', '-'])) {
            path.push(c.to_ascii_lowercase());
        }
    }
    path.trim_end_matches(['.', '_', '-']).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_are_those_that_the_engine_takes() {
        let digest = format!("nginx@sha256:{}", "a".repeat(64));
        for good in [
            "nginx",
            "nginx:1.27",
            "library/nginx",
            "ghcr.io/a/b-c/d_e__f:V1.0",
            "localhost:5000/x",
            "localhost/x:y",
            "127.0.0.1:5000/a/b",
            "Example.com/x",
            "sha256:abcdef0123",
            &digest,
        ] {
            assert_eq!(check_image(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Nginx",
            "a b",
            "nginx:",
            ":x",
            "a//b",
            "/a",
            "a/",
            "-a",
            "a..b",
            "a@sha256:x",
            "x:a/b:",
            "nginx\n",
            "é",
            "a___b",
            "x:-a",
            "sha256:",
            "sha256:xyz",
            &"a".repeat(300),
        ] {
            assert!(check_image(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_built_image_always_has_a_name_of_its_own() {
        let name = |text: &str| Name::new(text).unwrap();
        let all = [
            ("shop", "web", "shop_web"),
            ("shop", "we.b-1", "shop_we.b-1"),
            ("a_b", "c", "a_b_c-"),
            ("a", "b_c", "a_b_c"),
            ("Shop", "web", "shop_web-"),
            ("shop", "Web", "shop_web-"),
            ("shop", "web-", "shop_web-"),
            ("Shop", "web..x-", "shop_web.x-"),
            ("shop", "a__b", "shop_a_b-"),
            ("shop", "a_b", "shop_a_b"),
            ("shop", "a.-b", "shop_a.b-"),
            ("shop", "a.b", "shop_a.b"),
            ("a_", "b", "a_b-"),
            ("a", "b", "a_b"),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (project, container, expected) in all {
            let image = built_image(&name(project), &name(container));
            let rest = image.strip_prefix(expected).unwrap();
            let hashed = if expected.ends_with('-') { 10 } else { 0 };
            assert_eq!(rest.len(), hashed, "{image}");
            assert_eq!(check_image(&image), Ok(()));
            assert!(seen.insert(image.clone()), "{image} twice");
        }
        let longest = "A".repeat(crate::model::NAME_MAX);
        let image = built_image(&name(&longest), &name(&longest));
        assert_eq!(check_image(&image), Ok(()));
    }
}
