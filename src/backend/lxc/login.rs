//! Who a command inside a container runs as, and the variables that a login of theirs has (environ(7)).
//!
//! Reads the texts of the container's own files that it is given, and believes nothing in them but words.

use super::attach::PATH;

/// The language where the container names none: every C library has it, and text stays text.
const LANG: &str = "C.UTF-8";

/// A user inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    /// None for an id without an entry.
    name: Option<String>,
    pub(super) uid: u32,
    pub(super) gid: u32,
    home: String,
    shell: String,
}

impl User {
    /// Whom a command without a user runs as, should the container have no entry for it.
    fn root() -> Self {
        Self {
            name: Some("root".into()),
            uid: 0,
            gid: 0,
            home: "/root".into(),
            shell: "/bin/sh".into(),
        }
    }

    /// A user of a passwd(5) file by name or id; an id needs no entry. Without a word it is root.
    pub(super) fn find(passwd: &str, wanted: Option<&str>) -> Option<Self> {
        let Some(wanted) = wanted else {
            let mut all = passwd.lines().filter_map(Self::of_line);
            return Some(all.find(|user| user.uid == 0).unwrap_or_else(Self::root));
        };
        let found = passwd
            .lines()
            .filter_map(Self::of_line)
            .find(|user| user.name.as_deref() == Some(wanted) || user.uid.to_string() == wanted);
        found.or_else(|| {
            let uid = wanted.parse().ok()?;
            Some(Self {
                name: None,
                uid,
                gid: uid,
                home: "/".into(),
                shell: "/bin/sh".into(),
            })
        })
    }

    /// The groups of a group(5) file that name the user, beside its own.
    pub(super) fn groups(&self, groups: &str) -> Vec<u32> {
        let Some(name) = self.name.as_deref() else {
            return Vec::new();
        };
        let named = groups.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [_, _, gid, members] = fields.as_slice() else {
                return None;
            };
            let is_member = members.split(',').any(|member| member == name);
            is_member.then(|| gid.parse().ok()).flatten()
        });
        named.collect()
    }

    fn of_line(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell @ ..] = fields.as_slice() else {
            return None;
        };
        let shell = shell.first().filter(|shell| !shell.is_empty());
        Some(Self {
            name: Some((*name).into()),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: (*home).into(),
            shell: (*shell.unwrap_or(&"/bin/sh")).into(),
        })
    }

    /// What a login sets, as `NAME=value`; `locales` are the files in which a system names its language.
    pub(super) fn environment(&self, locales: &[String]) -> Vec<String> {
        let lang = locales.iter().find_map(|text| lang(text));
        let mut all = vec![
            PATH.to_owned(),
            format!("HOME={}", self.home),
            format!("SHELL={}", self.shell),
            format!("LANG={}", lang.unwrap_or(LANG)),
        ];
        if let Some(name) = &self.name {
            all.extend([format!("USER={name}"), format!("LOGNAME={name}")]);
        }
        all
    }
}

/// `LANG` of a locale.conf(5), or of Debian's `/etc/default/locale`, which has the same form.
fn lang(text: &str) -> Option<&str> {
    let mut values = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("LANG="));
    let last = values.next_back()?.trim_matches(['"', '\'']);
    (!last.is_empty()).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/bash\nbroken\nweb:x:33:34::/var/www:\nodd:x:x:1::/:/bin/sh\n";

    fn find(wanted: &str) -> Option<User> {
        User::find(PASSWD, Some(wanted))
    }

    #[test]
    fn users_are_found_by_name_and_id_and_unknown_names_are_not() {
        let web = find("web").unwrap();
        assert_eq!((web.uid, web.gid), (33, 34));
        assert_eq!(find("33"), Some(web));
        assert_eq!(find("500").map(|user| user.gid), Some(500));
        assert_eq!(find("nobody"), None);
        assert_eq!(find("odd"), None);
    }

    #[test]
    fn a_user_is_in_the_groups_that_name_it() {
        let groups =
            "root:x:0:\nweb:x:34:\nsudo:x:27:al,web\nodd:x:x:web\nwww:x:80:web\nwebs:x:81:webs\n";
        assert_eq!(find("web").unwrap().groups(groups), [27, 80]);
        assert_eq!(find("500").unwrap().groups(groups), [0; 0]);
    }

    #[test]
    fn a_command_has_the_variables_of_a_login() {
        let locale = ["# LANG=C\nLANG=\"de_DE.UTF-8\"\n".to_owned()];
        let web = find("web").unwrap().environment(&locale);
        assert_eq!(
            web[1..],
            [
                "HOME=/var/www",
                "SHELL=/bin/sh",
                "LANG=de_DE.UTF-8",
                "USER=web",
                "LOGNAME=web"
            ]
        );
        let root = User::find(PASSWD, None).unwrap().environment(&[]);
        assert_eq!(
            root[1..],
            [
                "HOME=/root",
                "SHELL=/bin/bash",
                "LANG=C.UTF-8",
                "USER=root",
                "LOGNAME=root"
            ]
        );
        assert_eq!(User::find("", None), Some(User::root()));
        let nobody = find("500").unwrap().environment(&["LANG=\n".into()]);
        assert_eq!(nobody[1..], ["HOME=/", "SHELL=/bin/sh", "LANG=C.UTF-8"]);
    }
}
