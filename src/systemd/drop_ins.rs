//! What others have set for our services in drop-ins (systemd.unit(5)), which win over unit files of ours.
//!
//! Only read, and only for the properties of limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{kept, names};
use crate::model::{Name, UnitSpec};
use crate::observed::Overruled;
use crate::store::Paths;

/// Properties with older words for them (systemd.resource-control(5), "Deprecated Options").
const FORMER: [(&str, &str); 3] = [
    ("MemoryLimit", "MemoryMax"),
    ("CPUShares", "CPUWeight"),
    ("BlockIOWeight", "IOWeight"),
];

/// The limits of these services that drop-ins set. Files of `but` are nobody's: a killed run of ours left them.
pub(super) fn overruled<'a>(
    paths: &Paths,
    services: impl Iterator<Item = &'a UnitSpec>,
    but: &[PathBuf],
) -> Vec<Overruled> {
    let dirs: Vec<PathBuf> = paths.drop_ins().into_iter().flat_map(subdirs).collect();
    if dirs.is_empty() {
        return Vec::new();
    }
    let of = |unit: &UnitSpec| {
        let set = settings(&dirs, &names::service(&unit.project, &unit.name), but);
        let named = |(property, (value, path))| overrule(&unit.name, property, value, path);
        set.into_iter().map(named).collect::<Vec<_>>()
    };
    services.flat_map(of).collect()
}

fn overrule(name: &Name, property: String, value: String, path: PathBuf) -> Overruled {
    Overruled {
        name: name.clone(),
        property,
        value,
        path,
    }
}

/// Its directories of drop-ins for services.
fn subdirs(dir: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name == "service.d" || is_for_ours(name))
    };
    paths.filter(is_it).collect()
}

fn is_for_ours(name: &str) -> bool {
    name.starts_with("locker-") && name.ends_with(".service.d")
}

/// What is set for a unit, by the property: of files of one name the first counts, of settings the last.
fn settings(dirs: &[PathBuf], unit: &str, but: &[PathBuf]) -> BTreeMap<String, (String, PathBuf)> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for wanted in directories_of(unit) {
        for dir in dirs.iter().filter(|dir| dir.ends_with(&wanted)) {
            let entries = fs::read_dir(dir).into_iter().flatten();
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let name = path.file_name().and_then(|name| name.to_str());
                if let Some(name) = name.filter(|name| name.ends_with(".conf"))
                    && !but.contains(&path)
                {
                    files.entry(name.to_owned()).or_insert(path);
                }
            }
        }
    }
    let mut all = BTreeMap::new();
    for path in files.into_values() {
        for (key, value) in assignments(&path) {
            all.insert(key, (value, path.clone()));
        }
    }
    all
}

/// The names of a unit's directories, the unit's own first: `a-b-c.service.d`, `a-b-.service.d`, …
fn directories_of(unit: &str) -> Vec<String> {
    let stem = unit.trim_end_matches(".service");
    let mut all = vec![format!("{unit}.d")];
    let ends = stem.char_indices().filter(|(_, letter)| *letter == '-');
    let ends: Vec<usize> = ends.map(|(at, _)| at).collect();
    all.extend(
        ends.iter()
            .rev()
            .map(|at| format!("{}-.service.d", &stem[..*at])),
    );
    all.push("service.d".into());
    all
}

fn assignments(path: &Path) -> Vec<(String, String)> {
    // One that cannot be read systemd does not read either.
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut in_service = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_service = line == "[Service]";
        } else if let Some((key, value)) = line.split_once('=').filter(|_| in_service) {
            let key = key.trim();
            let former = FORMER.iter().find(|(former, _)| *former == key);
            let key = former.map_or(key, |(_, now)| now);
            if kept::is_limit(key) {
                found.push((key.to_owned(), value.trim().to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systemd::a_unit;

    fn written(dir: &Path, file: &str, text: &str) -> PathBuf {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_last_word_of_an_administrator_is_found_wherever_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        let paths = Paths::under(&top.join("x")).with_etc(&top.join("etc"));
        let unit = a_unit("db", crate::model::Kind::System);
        let service = names::service(&unit.project, &unit.name);
        let look = |but: &[PathBuf]| {
            let found = overruled(&paths, [&unit].into_iter(), but).into_iter();
            let said = found.map(|o| (o.property, o.value, o.path));
            said.collect::<Vec<_>>()
        };
        assert_eq!(look(&[]), []);
        let all = written(
            top,
            "etc/systemd/system/service.d/20-all.conf",
            "[Unit]\nMemoryMax=1\n[Service]\nMemoryMax = 1G\nNice=5\nCPUShares=9\n",
        );
        let at = |key: &str, value: &str, path: &PathBuf| {
            (key.to_owned(), value.to_owned(), path.clone())
        };
        let (shares, most) = (at("CPUWeight", "9", &all), at("MemoryMax", "1G", &all));
        assert_eq!(look(&[]), [shares.clone(), most.clone()]);
        let own = written(
            top,
            &format!("run/systemd/system.control/{service}.d/50-MemoryMax.conf"),
            "[Service]\nMemoryMax=2G\n",
        );
        let own_most = at("MemoryMax", "2G", &own);
        assert_eq!(look(&[]), [shares.clone(), own_most]);
        assert_eq!(look(&[own]), [shares.clone(), most]);
        // A file of the same name of higher rank stands for the one below.
        written(
            top,
            &format!("etc/systemd/system/{service}.d/20-all.conf"),
            "",
        );
        assert_eq!(look(&[]).len(), 1);
    }

    #[test]
    fn a_units_directories_are_its_own_and_those_of_its_prefixes() {
        let wanted = [
            "a-b\\x2dc-d.service.d",
            "a-b\\x2dc-.service.d",
            "a-.service.d",
            "service.d",
        ];
        assert_eq!(directories_of("a-b\\x2dc-d.service"), wanted);
    }
}
