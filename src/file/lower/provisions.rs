//! What a system container is furnished with from inside: packages, time zone, locale, users, keys.

use super::container::Layers;
use super::values::{Fields, items, number, parsed, parsed_list, texts};
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::text;
use crate::file::tree::{Kind as Shape, Node, Spot};
use crate::model::{
    Key, Provision, User, account_path, check_account, check_locale, check_package, check_timezone,
    host_path, ssh_key,
};

/// All wishes, in the order in which they are fulfilled: users may need a shell that a package has.
pub(super) fn lower(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<Provision> {
    let kept = |text: &str| check_package(text).map(|()| text.to_string());
    let packages = parsed_list(desk, layers, Key::Packages, kept);
    let mut all = Vec::new();
    if !packages.is_empty() {
        all.push(Provision::Packages(packages));
    }
    let timezone = parsed(desk, layers, Key::Timezone, |text| {
        check_timezone(text).map(|()| text.to_string())
    });
    all.extend(timezone.map(Provision::Timezone));
    let locale = parsed(desk, layers, Key::Locale, |text| {
        check_locale(text).map(|()| text.to_string())
    });
    all.extend(locale.map(Provision::Locale));
    users(desk, layers, &mut all);
    let own = texts(desk, layers, Key::SshKeys);
    put_keys(desk, "root", own, &mut all);
    all
}

/// `users`: a list of names, or a map of names with what each has.
fn users(desk: &Desk<'_>, layers: &Layers<'_>, all: &mut Vec<Provision>) {
    let scope = layers.scope(Key::Users);
    for entry in layers.of(Key::Users) {
        let Shape::Mapping(entries) = &entry.value.kind else {
            for item in items(desk, entry) {
                let name = desk.text(item, scope, "users");
                let user = name.and_then(|name| account(desk, item.spot, &name));
                all.extend(user.map(Provision::User));
            }
            continue;
        };
        for entry in entries {
            let Some(mut user) = account(desk, entry.spot, &entry.key) else {
                continue;
            };
            let keys = match entry.value.kind {
                Shape::Null => Vec::new(),
                Shape::Mapping(_) => fill(desk, &entry.value, scope, &mut user),
                Shape::Scalar(_) | Shape::Sequence(_) => {
                    let kind = entry.value.kind_name();
                    let message = format!("the user `{}` is a map of keys, not {kind}", user.name);
                    desk.error(entry.value.spot, message);
                    continue;
                }
            };
            let name = user.name.clone();
            all.push(Provision::User(user));
            put_keys(desk, &name, keys, all);
        }
    }
}

fn account(desk: &Desk<'_>, spot: Spot, name: &str) -> Option<User> {
    desk.check(spot, check_account(name))?;
    if name == "root" {
        let help = "its keys are `ssh_keys` of the container";
        desk.error_help(spot, "root is there in every container", help);
        return None;
    }
    Some(User {
        name: name.into(),
        uid: None,
        shell: None,
        home: None,
        groups: Vec::new(),
    })
}

/// The keys of a user; its public keys are returned.
fn fill(desk: &Desk<'_>, map: &Node, scope: Scope<'_>, user: &mut User) -> Vec<(String, Spot)> {
    keys::check(desk, map, keys::USER, &format!("user `{}`", user.name));
    let fields = Fields { map, scope };
    user.uid = fields.parsed(desk, "uid", |text| number("uid", text, 1, 4_294_967_294));
    user.shell = fields.parsed(desk, "shell", account_path);
    user.home = fields.parsed(desk, "home", account_path);
    for (group, spot) in fields.texts(desk, "groups") {
        if desk.check(spot, check_account(&group)).is_some() && !user.groups.contains(&group) {
            user.groups.push(group);
        }
    }
    fields.texts(desk, "ssh_keys")
}

/// Public keys, or files of the host that hold them.
fn put_keys(desk: &Desk<'_>, user: &str, given: Vec<(String, Spot)>, all: &mut Vec<Provision>) {
    let mut keys = Vec::new();
    for (text, spot) in given {
        for line in lines(desk, spot, &text) {
            let key = desk.check(spot, ssh_key(&line));
            keys.extend(key.filter(|key| !keys.contains(key)));
        }
    }
    if !keys.is_empty() {
        let user = user.to_string();
        all.push(Provision::SshKeys { user, keys });
    }
}

fn lines(desk: &Desk<'_>, spot: Spot, given: &str) -> Vec<String> {
    let is_path = given.starts_with(['/', '.', '~']);
    if !is_path {
        return vec![given.into()];
    }
    let given = super::volumes::home(desk, spot, given);
    let Some(path) = desk.check(spot, host_path(&given, &desk.directory_of(spot))) else {
        return Vec::new();
    };
    let read = text::read(&path);
    let read = read.map_err(|error| format!("cannot read `{}`: {error}", path.display()));
    let text = desk.check(spot, read).unwrap_or_default();
    let said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    text.lines().filter(said).map(str::to_string).collect()
}
