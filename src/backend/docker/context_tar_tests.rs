//! Contexts as archives.

use super::*;
use futures_util::TryStreamExt;
use std::os::unix::fs::symlink;

type Listed = Vec<(String, EntryType, String, u64)>;

async fn archived(context: Context) -> (Listed, Arc<Mutex<Told>>) {
    let (pieces, told) = stream(context);
    let pieces: Vec<Vec<u8>> = pieces.try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= 2 * PIECE));
    let bytes = pieces.concat();
    let mut archive = tar::Archive::new(&bytes[..]);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let kind = entry.header().entry_type();
        match entry.link_name().unwrap() {
            Some(target) => text = target.to_string_lossy().into_owned(),
            None => {
                entry.read_to_string(&mut text).unwrap();
            }
        }
        (path, kind, text, entry.header().uid().unwrap())
    });
    (entries.collect(), told)
}

fn context(root: &Path, ignore: &str) -> Context {
    Context {
        root: root.into(),
        ignore: Ignore::parse(ignore).unwrap(),
        always: vec!["Dockerfile".into(), ".dockerignore".into()],
        own: Vec::new(),
    }
}

#[tokio::test]
async fn a_context_is_sent_with_links_as_links_owned_by_root_and_without_what_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("src/deep")).unwrap();
    fs::create_dir_all(root.join("target/keep")).unwrap();
    for (name, text) in [
        ("Dockerfile", "FROM scratch"),
        ("src/deep/a", "A"),
        ("target/big", "B"),
        ("target/keep/c", "C"),
    ] {
        fs::write(root.join(name), text).unwrap();
        let _ = std::os::unix::fs::chown(root.join(name), Some(1000), Some(1000));
    }
    symlink("/etc/shadow", root.join("src/out")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("sock")).unwrap();
    let long = format!("src/{}", "x".repeat(150));
    fs::write(root.join(&long), "L").unwrap();
    let (entries, told) = archived(context(root, "target\nDockerfile\n!target/keep")).await;
    let names: Vec<&str> = entries.iter().map(|e| e.0.trim_end_matches('/')).collect();
    assert_eq!(
        names,
        [
            "src",
            "src/deep",
            "src/deep/a",
            "src/out",
            &long,
            "target/keep",
            "target/keep/c",
            "Dockerfile"
        ]
    );
    assert_eq!(entries[3].1, EntryType::Symlink);
    assert_eq!(entries[3].2, "/etc/shadow");
    assert_eq!(entries[2].2, "A");
    assert!(entries.iter().all(|entry| entry.3 == 0));
    let told = told.lock().unwrap();
    assert_eq!(told.skipped, [root.join("sock")]);
    assert!(told.failed.is_none());
}

#[tokio::test]
async fn own_files_take_the_place_of_those_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".dockerignore"), "old").unwrap();
    let mut context = context(dir.path(), "");
    context.own = vec![(".dockerignore".into(), b"new".to_vec())];
    let (entries, _) = archived(context).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].0.as_str(), entries[0].2.as_str()),
        (".dockerignore", "new")
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_breaks_the_request_off_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let (pieces, told) = stream(context(&gone, ""));
    assert!(pieces.try_collect::<Vec<_>>().await.is_err());
    let told = told.lock().unwrap();
    assert_eq!(told.failed.as_ref().map(|(path, _)| path), Some(&gone));
}

#[test]
fn a_file_that_changes_its_size_neither_grows_the_entry_nor_shortens_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, "12345").unwrap();
    let read = |left| {
        let mut text = String::new();
        let file = File::open(&path).unwrap();
        Exact { file, left }.read_to_string(&mut text).map(|_| text)
    };
    assert_eq!(read(3).unwrap(), "123");
    assert!(read(9).unwrap_err().to_string().contains("shorter"));
}
