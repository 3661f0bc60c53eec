//! What a plan needs of this host beside its engines: templates and their programs, file systems to start from,
//! directories to build in, devices. Missing ones are told before the first change, each with what provides it.
//!
//! Looks only; a template's own demands beyond its programs are its own to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::file::diagnostic::nearest;
use crate::model::{Build, Container, ContainerSpec, Key, Name, Project, Source};
use crate::plan::{Plan, Problem, Step};

use super::template_getopt::Options;
use super::template_options;
use super::template_programs::{self, Program};

/// Where LXC's packages put templates.
const TEMPLATES: &str = "/usr/share/lxc/templates";

/// LXC's own settings for containers in a container and for those with an id map, below the host's root, and the package
/// that has them.
const NESTING: &str = "usr/share/lxc/config/nesting.conf";
const USERNS: &str = "usr/share/lxc/config/userns.conf";
const SETTINGS_PACKAGE: &str = "liblxc-common";

/// The host as this file sees it, so that a test may have another one.
struct Host {
    templates: PathBuf,
    path: Vec<PathBuf>,
    /// Its root directory.
    root: PathBuf,
    /// Where its LXC containers are.
    lxcpath: PathBuf,
}

/// Whether it is one of LXC's scripts for Debian and its kin, which debootstrap fills.
fn is_debian(template: &str) -> bool {
    ["debian", "devuan", "kali", "ubuntu"].contains(&template)
}

/// What `plan` needs and this host has not; its LXC containers are under `lxcpath`.
pub(super) fn missing(project: &Project, plan: &Plan, lxcpath: &Path) -> Vec<Problem> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let host = Host {
        templates: TEMPLATES.into(),
        path: std::env::split_paths(&path).collect(),
        root: "/".into(),
        lxcpath: lxcpath.into(),
    };
    host.missing(project, plan)
}

impl Host {
    fn missing(&self, project: &Project, plan: &Plan) -> Vec<Problem> {
        let mut found = Vec::new();
        let (mut sources, started) = (Sources::new(), started(plan));
        for planned in &plan.steps {
            if let Step::Create(spec) = &planned.step {
                let mut wants = self.of_same_source(&spec.source, &mut sources);
                wants.extend(self.of_identity(spec));
                wants.extend(self.of_settings(spec));
                wants.extend(of_start(&started, spec));
                found.extend(
                    wants
                        .into_iter()
                        .map(|want| want.of(project, Some(&spec.name))),
                );
            } else if let Step::Configure(spec) = &planned.step {
                let wants = self.of_settings(spec).into_iter();
                let wants = wants.chain(of_start(&started, spec));
                found.extend(wants.map(|want| want.of(project, Some(&spec.name))));
            } else if let Step::Build(build) = &planned.step {
                let of_build = |c: &&Container| c.source.image() == Some(build.image.as_str());
                let owner = project.containers.values().find(of_build);
                let want = in_build(build);
                found.extend(want.map(|want| want.of(project, owner.map(|c| &c.name))));
            }
        }
        found.dedup();
        found
    }

    /// Of a source that others may have as well: scripts are read once.
    fn of_same_source<'p>(&self, source: &'p Source, known: &mut Sources<'p>) -> Vec<Want> {
        let (name, args) = match source {
            Source::Template { name, args } => (Some(name.as_str()), args),
            Source::Download { args } => (None, args),
            Source::Rootfs(_)
            | Source::CloneSibling(_)
            | Source::CloneHost(_)
            | Source::Image(_)
            | Source::Build(_) => return self.of_source(source),
        };
        let wants = known.entry((name, args));
        wants.or_insert_with(|| self.of_source(source)).clone()
    }

    fn of_source(&self, source: &Source) -> Vec<Want> {
        match source {
            Source::Template { name, args } => {
                let mut wants = self.of_script(name);
                if wants.is_empty() {
                    wants = self.of_options(Key::Template, name, args);
                }
                wants
            }
            Source::Download { args } => self.of_options(Key::Download, "download", args),
            Source::Rootfs(path) if !path.exists() => {
                let what = "the root file system to start from";
                vec![Want::path(Key::Rootfs, path, what)]
            }
            Source::Rootfs(path) => {
                let unpacks = template_programs::of_archive(path);
                self.programs(Key::Rootfs, unpacks.as_slice())
            }
            Source::CloneSibling(_)
            | Source::CloneHost(_)
            | Source::Image(_)
            | Source::Build(_) => Vec::new(),
        }
    }

    /// What makes new SSH host keys, where it can be seen now that there are some.
    fn of_identity(&self, spec: &ContainerSpec) -> Vec<Want> {
        let has = |dir: &Path| {
            let mut types = ["rsa", "ecdsa", "ed25519"].iter();
            types.any(|kind| dir.join(format!("etc/ssh/ssh_host_{kind}_key")).exists())
        };
        let wanted = [("ssh-keygen", "openssh-client")];
        match &spec.source {
            Source::Rootfs(dir) if spec.identity.is_new() && has(dir) => {
                self.programs(Key::Rootfs, &wanted)
            }
            // These scripts install sshd, and take minutes before that shows.
            Source::Template { name, .. } if spec.identity.is_new() && is_debian(name) => {
                self.programs(Key::Template, &wanted)
            }
            Source::Rootfs(_)
            | Source::Template { .. }
            | Source::Download { .. }
            | Source::CloneSibling(_)
            | Source::CloneHost(_)
            | Source::Image(_)
            | Source::Build(_) => Vec::new(),
        }
    }

    /// LXC's settings that a container includes, without which it would be made as another one: one that cannot have any
    /// inside, one whose systemd fails at what the id map forbids.
    fn of_settings(&self, spec: &ContainerSpec) -> Vec<Want> {
        let included = [
            (spec.system.nesting, Key::Nesting, "`nesting`", NESTING),
            (!spec.idmap.is_empty(), Key::Idmap, "an id map", USERNS),
        ];
        let included = included.into_iter().filter(|(is, ..)| *is);
        let included = included.map(|(_, key, what, file)| (key, what, self.root.join(file)));
        let absent = included.filter(|(.., path)| !path.exists());
        absent
            .map(|(key, what, path)| Want {
                key,
                message: format!(
                    "{what} needs LXC's `{}`, which is not there",
                    path.display()
                ),
                help: format!("apt-get install {SETTINGS_PACKAGE}"),
            })
            .collect()
    }

    /// The script of a template.
    fn script(&self, name: &str) -> PathBuf {
        match name.starts_with('/') {
            true => PathBuf::from(name),
            false => self.templates.join(format!("lxc-{name}")),
        }
    }

    /// The programs that the template lacks, and what it would refuse of what it is told, as far as this host tells.
    fn of_options(&self, key: Key, name: &str, args: &[(String, String)]) -> Vec<Want> {
        let script = std::fs::read(self.script(name)).unwrap_or_default();
        let options = Options::of(&String::from_utf8_lossy(&script));
        let has = |wanted: &str| args.iter().any(|(given, _)| options.whole(given) == wanted);
        let by_snapshot = self.has("btrfs")
            && template_programs::by_snapshot(
                &self.root,
                &self.lxcpath,
                template_programs::is_btrfs,
            );
        let called = template_programs::of_template(name, has, &self.root, by_snapshot);
        let mut wants = self.programs(key, &called);
        let mut refused = options.refused(name, args);
        if is_debian(name) {
            refused.extend(template_options::refused(&self.root, name, &options, args));
        }
        wants.extend(
            refused
                .into_iter()
                .map(|(message, help)| Want { key, message, help }),
        );
        wants
    }

    /// The script of a template, if it is not there or cannot be run.
    fn of_script(&self, name: &str) -> Vec<Want> {
        let is_path = name.starts_with('/');
        let script = self.script(name);
        // Packages of other distributions may have them elsewhere.
        if !is_path && !self.templates.is_dir() {
            return Vec::new();
        }
        let want = match std::fs::metadata(&script) {
            Err(_) => self.no_script(name, &script),
            Ok(meta) if meta.is_dir() => Want {
                key: Key::Template,
                message: format!("the LXC template `{name}` is a directory"),
                help: "name the script that makes the container".into(),
            },
            Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Want {
                key: Key::Template,
                message: format!("the LXC template `{name}` is not executable"),
                help: format!("`chmod +x {}`", script.display()),
            },
            Ok(_) => return Vec::new(),
        };
        vec![want]
    }

    fn no_script(&self, name: &str, script: &Path) -> Want {
        let known = self.template_names();
        let near = nearest(name, known.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if name.starts_with('/') => "correct the path, or put it there".into(),
            None => format!(
                "it would be `{}`; more templates: apt-get install lxc-templates",
                script.display()
            ),
        };
        Want {
            key: Key::Template,
            message: format!("there is no LXC template `{name}` on this host"),
            help,
        }
    }

    fn template_names(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.templates).into_iter().flatten();
        let names = files.flatten().map(|file| file.file_name());
        names
            .filter_map(|name| Some(name.to_str()?.strip_prefix("lxc-")?.to_owned()))
            .collect()
    }

    /// Programs that are not in `PATH`, with the packages that have them.
    fn programs(&self, key: Key, wanted: &[Program]) -> Vec<Want> {
        let absent = wanted.iter().filter(|(program, _)| !self.has(program));
        let want = |(program, package): &Program| Want {
            key,
            message: format!("the program `{program}`, by which it is made, is not installed"),
            help: format!("apt-get install {package}"),
        };
        absent.map(want).collect()
    }

    /// Whether a program is in `PATH`.
    fn has(&self, program: &str) -> bool {
        self.path.iter().any(|dir| dir.join(program).is_file())
    }
}

/// What sources lack: by the name of the template, none for a download, and what it is told.
type Sources<'p> = BTreeMap<(Option<&'p str>, &'p Vec<(String, String)>), Vec<Want>>;

/// The containers that `plan` starts.
fn started(plan: &Plan) -> BTreeSet<&Name> {
    let mut started = BTreeSet::new();
    for planned in &plan.steps {
        if let Step::Start { container } = &planned.step {
            started.insert(container);
        }
    }
    started
}

/// What a container needs when it is `started`.
fn of_start(started: &BTreeSet<&Name>, spec: &ContainerSpec) -> Vec<Want> {
    match started.contains(&spec.name) {
        true => devices(spec),
        false => Vec::new(),
    }
}

/// Devices of the host that are not there; what is no path is a name that the engine knows.
fn devices(spec: &ContainerSpec) -> Vec<Want> {
    let of_app = spec
        .app
        .iter()
        .flat_map(|app| &app.settings.granted.devices);
    let devices = of_app.chain(&spec.system.granted.devices);
    let absent = devices.filter(|device| device.host.is_absolute() && !device.host.exists());
    absent
        .map(|device| Want::path(Key::Devices, &device.host, "the device"))
        .collect()
}

fn in_build(build: &Build) -> Option<Want> {
    if !build.context.is_dir() {
        return Some(Want::path(
            Key::Build,
            &build.context,
            "the directory to build in",
        ));
    }
    let dockerfile = match (&build.dockerfile, &build.inline) {
        (_, Some(_)) => return None,
        (Some(path), None) => path.clone(),
        (None, None) => build.context.join("Dockerfile"),
    };
    let want = || Want::path(Key::Build, &dockerfile, "the Dockerfile");
    (!dockerfile.exists()).then(want)
}

/// Something that is not there.
#[derive(Clone)]
struct Want {
    key: Key,
    message: String,
    help: String,
}

impl Want {
    fn path(key: Key, path: &Path, what: &str) -> Self {
        Self {
            key,
            message: format!("{what} is not there: `{}`", path.display()),
            help: "correct the path, or put it there".into(),
        }
    }

    fn of(self, project: &Project, container: Option<&Name>) -> Problem {
        let file = container.and_then(|name| project.containers.get(name));
        Problem {
            message: self.message,
            container: container.cloned(),
            key: Some(self.key),
            place: file.map(|file| file.place_of(self.key).clone()),
            help: Some(self.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IdKind, IdRange};

    fn host(dir: &Path) -> Host {
        std::fs::create_dir_all(dir.join("templates")).unwrap();
        std::fs::create_dir_all(dir.join("bin")).unwrap();
        Host {
            templates: dir.join("templates"),
            path: vec![dir.join("bin")],
            root: dir.into(),
            lxcpath: dir.join("lxc"),
        }
    }

    fn told(wants: &[Want]) -> Vec<String> {
        let text = |want: &Want| format!("{}; {}", want.message, want.help);
        wants.iter().map(text).collect()
    }

    #[test]
    fn a_missing_template_program_or_file_system_is_named_with_what_provides_it() {
        let dir = tempfile::tempdir().unwrap();
        let host = host(dir.path());
        let template = |name: &str| {
            let name = name.to_string();
            told(&host.of_source(&Source::Template {
                name,
                args: Vec::new(),
            }))
        };
        let absent = template("debian");
        assert!(
            absent[0].starts_with("there is no LXC template `debian`"),
            "{absent:?}"
        );
        let script = dir.path().join("templates/lxc-debian");
        std::fs::write(&script, "").unwrap();
        assert!(template("debian")[0].contains("is not executable; `chmod +x "));
        let run = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&script, run).unwrap();
        for (program, package) in [
            ("debootstrap", "debootstrap"),
            ("debian-distro-info", "distro-info"),
            ("rsync", "rsync"),
            ("wget", "wget"),
        ] {
            let first = template("debian").remove(0);
            assert!(first.contains(&format!("`{program}`")), "{first}");
            assert!(first.ends_with(&format!("apt-get install {package}")));
            std::fs::write(dir.path().join("bin").join(program), "").unwrap();
        }
        assert!(template("debian").is_empty());
        assert!(template("debain")[0].ends_with("did you mean `debian`?"));
        let own = dir.path().join("own");
        assert_eq!(template(own.to_str().unwrap()).len(), 1);
        std::fs::create_dir(&own).unwrap();
        assert!(template(own.to_str().unwrap())[0].contains("is a directory"));
        std::fs::remove_dir(&own).unwrap();
        std::fs::remove_file(dir.path().join("bin/wget")).unwrap();
        let download = told(&host.of_source(&Source::Download { args: Vec::new() }));
        assert!(
            download
                .iter()
                .any(|text| text.contains("apt-get install wget")),
            "{download:?}"
        );
        let rootfs = told(&host.of_source(&Source::Rootfs(own.clone())));
        assert!(rootfs[0].contains(&own.display().to_string()), "{rootfs:?}");
        std::fs::write(&own, "").unwrap();
        assert!(host.of_source(&Source::Rootfs(own.clone())).is_empty());
        std::fs::write(&own, b"\xfd7zXZ\0\0").unwrap();
        let packed = told(&host.of_source(&Source::Rootfs(own)));
        assert!(
            packed[0].ends_with("apt-get install xz-utils"),
            "{packed:?}"
        );
    }

    #[test]
    fn nesting_and_an_id_map_need_lxcs_own_settings_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let host = host(dir.path());
        let spec = serde_json::from_value::<ContainerSpec>(serde_json::json!({
            "project": "shop", "name": "db", "source": {"template": {"name": "x", "args": []}},
            "idmap": [], "hostname": "db", "fqdn": null, "nic": null, "mounts": [], "environment": {},
            "config": [], "limits": [], "dns": [], "setup": [], "labels": {}
        }))
        .unwrap();
        assert!(host.of_settings(&spec).is_empty());
        let (mut nests, mut mapped) = (spec.clone(), spec);
        nests.system.nesting = true;
        mapped.idmap = vec![IdRange {
            kind: IdKind::User,
            container: 0,
            host: 100_000,
            count: 65_536,
        }];
        let cases = [
            (nests, "`nesting` needs LXC's", NESTING),
            (mapped, "an id map needs LXC's", USERNS),
        ];
        for (spec, words, file) in cases {
            let said = told(&host.of_settings(&spec));
            assert!(
                said[0].starts_with(words) && said[0].ends_with("apt-get install liblxc-common"),
                "{said:?}"
            );
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
            assert!(host.of_settings(&spec).is_empty());
        }
    }

    #[test]
    fn the_busybox_of_a_template_is_the_hosts_unless_another_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let host = host(dir.path());
        let script = dir.path().join("templates/lxc-busybox");
        std::fs::write(&script, "getopt -l name:,busybox-path: -- \"$@\"").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let told = |args: &[(&str, &str)]| {
            let args = args.iter().map(|(k, v)| ((*k).into(), (*v).into()));
            told(&host.of_source(&Source::Template {
                name: "busybox".into(),
                args: args.collect(),
            }))
        };
        assert!(told(&[])[0].ends_with("apt-get install busybox-static"));
        assert!(told(&[("busybox", "/srv/busybox")]).is_empty());
    }

    #[test]
    fn a_build_needs_its_directory_and_its_dockerfile() {
        let dir = tempfile::tempdir().unwrap();
        let context = dir.path().join("app");
        let mut build = Build::plain("shop/app".into(), context.clone());
        assert!(
            in_build(&build)
                .unwrap()
                .message
                .contains("the directory to build in")
        );
        std::fs::create_dir(&context).unwrap();
        assert!(in_build(&build).unwrap().message.contains("app/Dockerfile"));
        build.inline = Some("FROM scratch".into());
        assert!(in_build(&build).is_none());
    }
}
