//! Finding a project by its name: `-p NAME` works from anywhere on a project that is up, as it does with docker
//! compose.

use std::path::PathBuf;

use crate::file::{self, LoadError, LoadOptions, Loaded};
use crate::model::Name;
use crate::store::{self, Origins, Paths};

use super::{JobError, Setting};

/// The variable that names a project where `-p` does not.
const NAME_VARIABLE: &str = "COMPOSE_PROJECT_NAME";

/// Reads the project's files, and says which ones. Where none is to be found, those count from which the named project was
/// brought up.
///
/// # Errors
/// There is no file, or it is wrong.
pub(super) fn load(setting: &Setting, paths: &Paths) -> Result<(Loaded, Origins), JobError> {
    let error = match file::load(&setting.load) {
        Ok(loaded) => {
            let origins = origins(&setting.load, &loaded);
            return Ok((loaded, origins));
        }
        Err(error) => error,
    };
    let lacks = matches!(error, LoadError::NotFound { .. });
    match lacks.then(|| by_name(&setting.load, paths)).flatten() {
        Some(options) => {
            let loaded = file::load(&options)?;
            let origins = origins(&options, &loaded);
            Ok((loaded, origins))
        }
        None => Err(error.into()),
    }
}

/// The options with which the named project is found where it is.
fn by_name(options: &LoadOptions, paths: &Paths) -> Option<LoadOptions> {
    let asked = options.project_name.as_ref();
    let asked = asked.or_else(|| options.environment.get(NAME_VARIABLE))?;
    let name = Name::new(asked).ok()?;
    // Whoever may not read the record hears that there is no file here.
    let record = store::load_record(paths, &name).ok()??;
    let home = record.home().to_path_buf();
    let Origins { files, env_files } = store::load_origins(paths, &name);
    let own = options.env_files.iter().map(|file| options.cwd.join(file));
    let own: Vec<PathBuf> = own.collect();
    Some(LoadOptions {
        // A project that was moved has its files elsewhere now.
        files: match files.iter().all(|file| file.is_file()) {
            true => files,
            false => Vec::new(),
        },
        env_files: match own.is_empty() {
            true => env_files,
            false => own,
        },
        project_name: Some(asked.clone()),
        project_directory: Some(home.clone()),
        cwd: home,
        ..options.clone()
    })
}

/// What is to be remembered of how `loaded` was found.
fn origins(options: &LoadOptions, loaded: &Loaded) -> Origins {
    let env_files = options.env_files.iter();
    Origins {
        files: loaded.files.clone(),
        env_files: env_files.map(|file| options.cwd.join(file)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const FILE: &str = "name: shop\ncontainers: {web: {image: \"${IMAGE:-shop}\"}}\n";

    fn setting(cwd: &Path) -> Setting {
        let load = LoadOptions {
            cwd: cwd.into(),
            ..LoadOptions::default()
        };
        Setting {
            load,
            lxcpath: None,
            state_dir: None,
            firewall: None,
            parallel: None,
            lock_wait: std::time::Duration::ZERO,
        }
    }

    fn record(paths: &Paths, home: &Path) {
        let value = serde_json::json!({
            "version": 1, "name": "shop", "directory": home, "lxcpath": "/var/lib/lxc",
            "subnets": crate::model::Subnets::new("10.77.0.0/24".parse().unwrap(), None), "addresses": {},
        });
        store::save_record(paths, &serde_json::from_value(value).unwrap()).unwrap();
    }

    #[test]
    fn a_project_that_is_up_is_found_by_its_name_from_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(&dir.path().join("state"));
        let [home, away, conf] = ["shop", "away", "conf"].map(|name| dir.path().join(name));
        for dir in [&home, &away, &conf] {
            std::fs::create_dir(dir).unwrap();
        }
        std::fs::write(conf.join("shop.conf"), FILE).unwrap();
        std::fs::write(conf.join("shop.env"), "IMAGE=other\n").unwrap();
        let mut up = setting(&home);
        up.load.files = vec!["../conf/shop.conf".into()];
        up.load.project_directory = Some(home.clone());
        up.load.env_files = vec!["../conf/shop.env".into()];
        let (_, remembered) = load(&up, &paths).unwrap();
        record(&paths, &home);
        let image = |setting: &Setting| {
            let (loaded, found) = load(setting, &paths).unwrap();
            assert_eq!(
                found.env_files, remembered.env_files,
                "also for the next time"
            );
            assert_eq!(loaded.project.directory, home.canonicalize().unwrap());
            loaded.project.containers["web"].source.to_string()
        };
        let shop = Name::new("shop").unwrap();
        store::save_origins(&paths, &shop, &remembered).unwrap();
        let mut here = setting(&away);
        assert!(load(&here, &paths).is_err(), "not without its name");
        here.load.project_name = Some("shop".into());
        assert_eq!(image(&here), "image other");
        here.load.project_name = None;
        here.load.environment = [(NAME_VARIABLE.into(), "shop".into())].into();
        assert_eq!(image(&here), "image other");
        // Its files were moved into its directory.
        std::fs::rename(conf.join("shop.conf"), home.join("locker.yaml")).unwrap();
        assert_eq!(
            load(&here, &paths).unwrap().0.files,
            [home.join("locker.yaml")]
        );
        here.load.project_name = Some("none".into());
        assert!(load(&here, &paths).is_err());
    }

    #[test]
    fn the_project_s_directory_is_searched_for_its_file_and_then_this_one() {
        let dir = tempfile::tempdir().unwrap();
        let [there, here] = ["there", "here"].map(|name| dir.path().join(name));
        let mut setting = setting(&here);
        setting.load.project_directory = Some(there.clone());
        for dir in [&here, &there] {
            std::fs::create_dir_all(dir).unwrap();
            std::fs::create_dir_all(&there).unwrap();
            std::fs::write(dir.join("locker.yaml"), FILE).unwrap();
            let files = file::load(&setting.load).unwrap().files;
            assert_eq!(files, [dir.join("locker.yaml")]);
        }
    }
}
